package network

import (
	"encoding/binary"
	"math"
	"net/netip"

	"visor/decode"
	"visor/sketch/hash64"
)

// remotes counts packets by address before they are added to the lists. Most addresses come again
// soon: a client of a server sends and receives. Such a packet needs a hash and one comparison, not
// one in each list, two databases and a distinct count. Another address takes a slot from its
// owner, whose packets then leave for the lists. Lists accept weights, so their bounds stay the
// same.
type remotes struct {
	slots [1 << remoteBits]remote
	// adds the packets of an address to the lists
	leave func(r *remote, hash uint64)
	hash  *hash64.Hasher
}

const remoteBits = 11 // log2 of the slots: 64 KiB

// remote is an address with its packets.
type remote struct {
	high, low uint64 // the address; high is 0 for IPv4
	packets   [roles]uint16
	v6        bool
}

// role is what an address is in a packet: the packet's direction, and whether it is the source.
type role uint8

const roles = 6

func roleOf(dir decode.Direction, source bool) role {
	r := role(dir%3) * 2
	if source {
		r++
	}
	return r
}

// note counts a packet of an address. It ignores the unspecified address.
func (t *remotes) note(addr netip.Addr, as role) {
	high, low, v6, hash := wordsOf(addr, t.hash)
	if high|low == 0 {
		return
	}
	r := &t.slots[hash>>(64-remoteBits)]
	if r.low != low || r.high != high || r.v6 != v6 {
		t.empty(r)
		r.high, r.low, r.v6 = high, low, v6
	}
	n := &r.packets[as%roles]
	if *n++; *n == math.MaxUint16 {
		t.empty(r)
	}
}

// wordsOf returns an address as the words of a remote, and its hash.
func wordsOf(addr netip.Addr, h *hash64.Hasher) (high, low uint64, v6 bool, hash uint64) {
	if addr.Is4() {
		a := addr.As4()
		return 0, uint64(binary.BigEndian.Uint32(a[:])), false, h.IPv4(a)
	}
	a := addr.As16()
	return binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:]), true, h.IPv6(a)
}

// empty makes the packets of a slot leave.
func (t *remotes) empty(r *remote) {
	if r.packets == [roles]uint16{} {
		return
	}
	if r.v6 {
		t.leave(r, t.hash.IPv6(r.ipv6()))
	} else {
		t.leave(r, t.hash.IPv4(r.ipv4()))
	}
	r.packets = [roles]uint16{}
}

// deliver makes all packets leave. A nil t has none.
func (t *remotes) deliver() {
	if t == nil {
		return
	}
	for i := range t.slots {
		t.empty(&t.slots[i])
	}
}

// of returns the packets in a direction, and reports whether the address was a source of some.
func (r *remote) of(dir decode.Direction) (n uint64, source bool) {
	as, to := r.packets[roleOf(dir, true)], r.packets[roleOf(dir, false)]
	return uint64(as) + uint64(to), as > 0
}

func (r *remote) ipv4() (a [4]byte) {
	binary.BigEndian.PutUint32(a[:], uint32(r.low))
	return a
}

func (r *remote) ipv6() (a [16]byte) {
	binary.BigEndian.PutUint64(a[:], r.high)
	binary.BigEndian.PutUint64(a[8:], r.low)
	return a
}

func (r *remote) addr() netip.Addr {
	if r.v6 {
		return netip.AddrFrom16(r.ipv6())
	}
	return netip.AddrFrom4(r.ipv4())
}
