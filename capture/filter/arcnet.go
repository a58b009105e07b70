package filter

// arcnetType tests the protocol number of ARCnet (RFC 1201, section 2.1). IPv4 and ARP have two
// each.
func (c *compiler) arcnetType(v uint32) test {
	switch v {
	case etherIPv4:
		return either(at(c.typeAt, opByte, 0xD4), at(c.typeAt, opByte, 0xF0))
	case etherARP:
		return either(at(c.typeAt, opByte, 0xD5), at(c.typeAt, opByte, 0xF1))
	case etherRARP:
		return at(c.typeAt, opByte, 0xD6)
	case etherAppleTalk:
		return at(c.typeAt, opByte, 0xDD)
	case etherIPv6:
		return at(c.typeAt, opByte, 0xC4)
	}
	return never
}

// arcnetBroadcast tests the destination: broadcast and multicast are one address.
func (c *compiler) arcnetBroadcast() test { return at(place{offset: 1}, opByte, 0) }
