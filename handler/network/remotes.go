package network

import (
	"encoding/binary"
	"net/netip"

	"visor/anonymize"
	"visor/decode"
	"visor/sketch/hash64"
)

// remotes counts packets by address before they are added to the lists. Most addresses come again
// soon. Such a packet needs a hash and one comparison, not one in each list, two databases and a
// distinct count. Another address takes a slot from its owner, whose packets then leave for the
// lists. Lists accept weights, so their bounds stay the same.
//
// With pktvisor's groups alone, an address has two places, and a packet is faster without the slot.
type remotes struct {
	direct bool // packets leave at once
	one    remote
	slots  [1 << remoteBits]remote
	// adds the packets of an address to the lists
	leave func(r *remote)
}

const remoteBits = 11 // log2 of the slots: 64 KiB

// remote is an address with its packets. Addresses of two roles are separate.
type remote struct {
	high, low uint64 // the address; high is 0 for IPv4
	hash      uint64
	packets   uint32
	role      role
}

// role is what an address is for the lists: a decode.Direction, plus bits.
type role uint8

const (
	roleIPv6   role = 4
	roleSource role = 8 // of a packet
)

func (r role) direction() decode.Direction { return decode.Direction(r & 3) }

// note counts a packet of an address. It ignores the unspecified address.
func (t *remotes) note(addr netip.Addr, as role, h *hash64.Hasher) {
	var high, low, hash uint64
	if addr.Is4() {
		a := addr.As4()
		low = uint64(binary.BigEndian.Uint32(a[:]))
		hash = h.IPv4(a)
	} else {
		a := addr.As16()
		high, low = binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:])
		hash = h.IPv6(a)
		as |= roleIPv6
	}
	if high|low == 0 {
		return
	}
	if t.direct {
		t.one = remote{high, low, hash, 1, as}
		t.leave(&t.one)
		return
	}
	r := &t.slots[hash>>(64-remoteBits)]
	if r.low != low || r.high != high || r.role != as {
		t.empty(r)
		r.high, r.low, r.hash, r.role = high, low, hash, as
	}
	if r.packets++; r.packets == 1<<31 {
		t.empty(r)
	}
}

// empty makes the packets of a slot leave.
func (t *remotes) empty(r *remote) {
	if r.packets > 0 {
		t.leave(r)
		r.packets = 0
	}
}

// deliver makes all packets leave.
func (t *remotes) deliver() {
	for i := range t.slots {
		t.empty(&t.slots[i])
	}
}

// shown returns r with the address that lists show.
func (r remote) shown(by *anonymize.Cache, h *hash64.Hasher) remote {
	addr := by.Addr(r.addr())
	if addr.Is4() {
		a := addr.As4()
		r.low, r.hash = uint64(binary.BigEndian.Uint32(a[:])), h.IPv4(a)
		return r
	}
	a := addr.As16()
	r.high, r.low, r.hash = binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:]), h.IPv6(a)
	return r
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
	if r.role&roleIPv6 != 0 {
		return netip.AddrFrom16(r.ipv6())
	}
	return netip.AddrFrom4(r.ipv4())
}
