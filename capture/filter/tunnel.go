package filter

// The header of Geneve (RFC 8926, section 3.4), behind that of UDP.
const (
	genevePort     = 6081
	geneveFixed    = 8      // bytes before the options
	geneveEthernet = 0x6558 // the type of an Ethernet frame
	udpHeader      = 8
)

// geneve tests for a Geneve packet, and moves into it. How long its headers are, each packet says: so their places go to the scratch
// memory, on the way to whatever comes next.
func (c *compiler) geneve(k keyword) test {
	if c.tunnel {
		c.fail(k.token, "'geneve' within 'geneve' is not supported")
		return never
	}
	if k.operand.number > 0xFFFFFF {
		c.fail(k.operand, "a virtual network of Geneve has a number up to 16777215")
	}
	network := c.network(0)
	header := func(udp code, offset uint32) test { // udp makes X the place from where offset is that of the UDP header
		field := func(at uint32, size uint16, mask, v uint32) test {
			load := append(append(code{}, udp...), instruction{Op: opLoad | opInd | size, K: offset + at})
			return leaf{append(load, instruction{Op: opALU | opAnd, K: mask}), opJEQ, v}
		}
		version := field(udpHeader, opByte, 0xC0, 0)
		var vni test = always
		if k.numbered() {
			vni = field(udpHeader+4, opWord, 0xFFFFFF00, k.operand.number<<8)
		}
		return both(field(2, opHalf, 0xFFFF, genevePort), version, vni, enter(udp, offset+udpHeader))
	}
	carries := func(offset uint32) test { return at(c.network(offset), opByte, ipProtos["udp"].number) }
	v4 := both(c.etherType(etherIPv4), carries(9), c.unfragmented(), header(network.loadHeader(), network.offset))
	v6 := both(c.etherType(etherIPv6), carries(6), header(code{{Op: opLoadXConst}}, network.offset+40))
	c.naming, c.labels, c.tunnel = byEtherType, 0, true
	c.typeAt, c.header, c.payload = place{slot: slotType}, place{slot: slotHeader}, place{slot: slotPayload}
	return either(v4, v6)
}

// enter fills the slots of a tunnel from the Geneve header at X + offset, where X is what from makes. What is in the packet is an
// Ethernet frame or, by its type, a packet without a link header.
func enter(from code, offset uint32) test {
	then := func(more ...instruction) code { return append(append(code{}, from...), more...) }
	header := then(
		instruction{Op: opLoad | opInd | opByte, K: offset}, // the length of the options, in units of 4 bytes
		instruction{Op: opALU | opAnd, K: 0x3F},
		instruction{Op: opALU | opLsh, K: 2},
		instruction{Op: opALU | opX | opAdd},
		instruction{Op: opALU | opAdd, K: offset + geneveFixed},
		instruction{Op: opStore, K: slotHeader})
	framed := leaf{then(instruction{Op: opLoad | opInd | opHalf, K: offset + 2}), opJEQ, geneveEthernet}
	frame := code{
		{Op: opLoadMem, K: slotHeader},
		{Op: opALU | opAdd, K: 12},
		{Op: opStore, K: slotType},
		{Op: opALU | opAdd, K: 2},
		{Op: opStore, K: slotPayload},
	}
	packet := then(
		instruction{Op: opLoadConst, K: offset + 2},
		instruction{Op: opALU | opX | opAdd},
		instruction{Op: opStore, K: slotType},
		instruction{Op: opLoadMem, K: slotHeader},
		instruction{Op: opStore, K: slotPayload})
	return effect{header, either(both(framed, effect{frame, always}), effect{packet, always})}
}

// framed tests whether there is a link header, which what is in a tunnel need not have.
func (c *compiler) framed() test {
	if !c.tunnel {
		return always
	}
	return not(leaf{code{{Op: opLoadMem, K: slotHeader}, {Op: opLoadXMem, K: slotPayload}}, opJEQ | opX, 0})
}

// withSlots makes the slots of a tunnel zero first, for ways that do not come through it: the kernel demands it.
func (c *compiler) withSlots(t test) test {
	switch {
	case isWiFi(c.link) && readsSlots(t):
		return c.wifiSlots(t)
	case !c.tunnel:
		return t
	}
	return effect{code{{Op: opLoadConst}, {Op: opStore, K: slotType}, {Op: opStore, K: slotHeader}, {Op: opStore, K: slotPayload}}, t}
}
