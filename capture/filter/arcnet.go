package filter

import "visor/capture/filter/cbpf"

// arcnetType tests the protocol number of ARCnet (RFC 1201, section 2.1). IPv4 and ARP have two
// numbers each.
func (c *compiler) arcnetType(v uint32) cbpf.Test {
	switch v {
	case etherIPv4:
		return cbpf.Any(at(c.typeAt, cbpf.Byte, 0xD4), at(c.typeAt, cbpf.Byte, 0xF0))
	case etherARP:
		return cbpf.Any(at(c.typeAt, cbpf.Byte, 0xD5), at(c.typeAt, cbpf.Byte, 0xF1))
	case etherRARP:
		return at(c.typeAt, cbpf.Byte, 0xD6)
	case etherAppleTalk:
		return at(c.typeAt, cbpf.Byte, 0xDD)
	case etherIPv6:
		return at(c.typeAt, cbpf.Byte, 0xC4)
	}
	return cbpf.Never
}

// arcnetBroadcast tests the destination. Broadcast and multicast share one address.
func (c *compiler) arcnetBroadcast() cbpf.Test { return at(place{offset: 1}, cbpf.Byte, 0) }
