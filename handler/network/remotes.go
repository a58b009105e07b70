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
	high, low uint64 // the address; an IPv4 address is mapped to IPv6
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
	b := addr.As16() // maps an IPv4 address, without a branch
	high, low := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	if low<<32|high == 0 && (addr.IsUnspecified() || !addr.IsValid()) {
		return
	}
	r := &t.slots[t.hash.Slot(high, low)>>(64-remoteBits)]
	if v6 := !addr.Is4(); r.low^low|r.high^high != 0 || r.v6 != v6 {
		t.empty(r)
		r.high, r.low, r.v6 = high, low, v6
	}
	n := &r.packets[as]
	if *n++; *n == math.MaxUint16 {
		t.empty(r)
	}
}

// set makes r the slot of an address.
func (r *remote) set(addr netip.Addr) {
	b := addr.As16()
	r.high, r.low, r.v6 = binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:]), !addr.Is4()
}

// sum returns the hash of the address.
func (r *remote) sum(h *hash64.Hasher) uint64 {
	if r.v6 {
		return h.IPv6(r.ipv6())
	}
	return h.IPv4(r.ipv4())
}

// empty makes the packets of a slot leave.
func (t *remotes) empty(r *remote) {
	if r.packets == [roles]uint16{} {
		return
	}
	t.leave(r, r.sum(t.hash))
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
