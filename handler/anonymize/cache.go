package anonymize

import "net/netip"

// Cache replaces addresses by a Method. With Crypto-PAn it remembers recent addresses. A nil Cache
// returns all addresses unchanged. It is owned by one goroutine.
type Cache struct {
	method *Method
	// recent addresses and upper halves of addresses, by hash; nil unless the method encrypts
	slots   []slot
	in, out [16]byte // a block; in the Cache so that it is not allocated
}

// slot is a recent address or half of one.
type slot struct {
	bits      uint8 // of the address; 64 for a half, 0 for none
	high, low uint64
	flips     uint64 // of the half that is looked for
}

// slotBits is the log2 of the slots: 512 KiB. A client's address is looked for by several lists, at
// different times. Under a flood of new addresses it must still be known at the last of them.
const slotBits = 14

// NewCache returns an empty Cache, or nil if m is nil.
func (m *Method) NewCache() *Cache {
	if m == nil {
		return nil
	}
	c := &Cache{method: m}
	if m.block != nil {
		c.slots = make([]slot, 1<<slotBits)
	}
	return c
}

// Shared returns c, or other if both have the same Method. So handlers of one goroutine share
// their entries. Each of c and other may be nil.
func (c *Cache) Shared(other *Cache) *Cache {
	if c == nil || other == nil || c.method != other.method {
		return c
	}
	return other
}

// Addr returns the address that is shown for addr. An invalid address stays invalid.
func (c *Cache) Addr(addr netip.Addr) netip.Addr {
	if c == nil {
		return addr
	}
	return c.replace(addr, c.method.cfg.IPv4, c.method.cfg.IPv6)
}

// Subnet is Addr for an address of an EDNS client subnet.
func (c *Cache) Subnet(addr netip.Addr) netip.Addr {
	if c == nil {
		return addr
	}
	return c.replace(addr, c.method.cfg.SubnetIPv4, c.method.cfg.SubnetIPv6)
}

func (c *Cache) replace(addr netip.Addr, v4, v6 int) netip.Addr {
	switch {
	case !addr.IsValid():
		return addr
	case c.method.block != nil:
		return c.encrypt(addr)
	case addr.Is4():
		return cut(addr, v4)
	}
	return cut(addr, keptV6(addr, v6, v4))
}

func cut(addr netip.Addr, bits int) netip.Addr {
	p, _ := addr.WithZone("").Prefix(bits) // New has checked the length
	return p.Addr()
}
