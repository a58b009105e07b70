package filter

import "strconv"

// maxChain is how many headers 'protochain' looks at: each needs two slots of scratch memory, since the kernel takes no loops.
const maxChain = freeSlots / 2

// authentication is the header that counts its length in another way.
const authentication = 51

// protocols tests the field that names what is in a packet.
func (p primitive) protocols(c *compiler) test {
	if p.dir != "" {
		c.fail(p.token, "'src' and 'dst' cannot stand before 'proto'")
	}
	switch p.proto {
	case "":
		v := p.protocolNumber(c, false)
		return either(c.ip4Proto(v), c.ip6Proto(v))
	case "ip":
		return c.ip4Proto(p.protocolNumber(c, false))
	case "ip6":
		return c.ip6Proto(p.protocolNumber(c, false))
	case "ether":
		return c.etherType(p.protocolNumber(c, true))
	case "iso":
		if v, ok := isoProtos[p.token.text]; ok {
			return c.isoProto(v)
		}
		return c.isoProto(p.protocolNumber(c, false))
	}
	c.fail(p.token, "'"+p.proto+"' cannot stand before 'proto'; 'ip', 'ip6', 'ether' and 'iso' can")
	return never
}

// protocolNumber reads a number or a name, of a link protocol or of one in IP.
func (p primitive) protocolNumber(c *compiler, link bool) uint32 {
	name := p.token.text
	limit := uint32(0xFF)
	if link {
		limit = 0xFFFF
	}
	switch p.token.kind {
	case tokenNumber:
		if p.token.number > limit {
			c.fail(p.token, "the number of a protocol is at most "+strconv.Itoa(int(limit))+" here")
		}
		return p.token.number
	case tokenWord, tokenName:
		if v, ok := linkProtos[name]; ok && link {
			return v
		}
		if v, ok := ipProtos[name]; ok && !link {
			return v.number
		}
		if v, ok := protoNumbers[name]; ok && !link {
			return v
		}
	}
	c.fail(p.token, "unknown protocol '"+name+"'; write its number")
	return 0
}

// chain tests whether a header of a protocol is among those of a packet: it follows the extension headers of IPv6 (RFC 8200,
// section 4), and authentication headers (RFC 4302, section 2.2).
func (p primitive) chain(c *compiler) test {
	v := p.protocolNumber(c, false)
	if p.dir != "" {
		c.fail(p.token, "'src' and 'dst' cannot stand before 'protochain'")
	}
	if c.tunnel || c.naming == bySNAP {
		c.fail(p.token, "'protochain' cannot come after 'geneve', and is not for IEEE 802.11")
	}
	switch p.proto {
	case "ip":
		return c.chain4(v)
	case "ip6":
		return c.chain6(v)
	case "":
		return either(c.chain4(v), c.chain6(v))
	}
	c.fail(p.token, "'"+p.proto+"' cannot stand before 'protochain'; 'ip' and 'ip6' can")
	return never
}

func (c *compiler) chain4(v uint32) test {
	return both(c.etherType(etherIPv4), c.links(v, c.network(9).load(opByte), c.network(0).loadHeader(), nil))
}

func (c *compiler) chain6(v uint32) test {
	first := code{{Op: opLoadXConst, K: 40}}
	return both(c.etherType(etherIPv6), c.links(v, c.network(6).load(opByte), first, []uint32{0, 60, 43, 44}))
}

// links tests whether next, or the field of one of the headers after it, is v. toX leaves in X where the header begins that next
// names; headers are those besides the authentication header that name another one. Slot 2i of the scratch memory has what the ith
// field names, slot 2i+1 where that begins.
func (c *compiler) links(v uint32, next, toX code, headers []uint32) test {
	names := func(i int, h uint32) test { return leaf{code{{Op: opLoadMem, K: uint32(2 * i)}}, opJEQ, h} }
	found := names(maxChain-1, v)
	for i := maxChain - 2; i >= 0; i-- {
		var longer []test
		for _, h := range headers {
			longer = append(longer, names(i, h))
		}
		found = either(names(i, v),
			both(either(longer...), effect{c.advance(i, 1, 8), found}),
			both(names(i, authentication), effect{c.advance(i, 2, 4), found}))
	}
	start := append(append(code{}, next...), instruction{Op: opStore, K: 0})
	start = append(append(start, toX...), instruction{Op: opStoreX, K: 1})
	return effect{start, found}
}

// advance goes from the ith header to the next one. Its second byte says how long it is: (that + extra) × unit bytes.
func (c *compiler) advance(i int, extra, unit uint32) code {
	network := c.network(0).offset
	from, to := uint32(2*i), uint32(2*i+2)
	return code{
		{Op: opLoadXMem, K: from + 1},
		{Op: opLoad | opInd | opByte, K: network},
		{Op: opStore, K: to},
		{Op: opLoad | opInd | opByte, K: network + 1},
		{Op: opALU | opAdd, K: extra},
		{Op: opALU | opMul, K: unit},
		{Op: opALU | opX | opAdd},
		{Op: opStore, K: to + 1},
	}
}
