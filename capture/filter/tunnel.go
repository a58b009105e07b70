package filter

import "visor/capture/filter/cbpf"

// The header of Geneve (RFC 8926, section 3.4), which follows the UDP header.
const (
	genevePort     = 6081
	geneveFixed    = 8      // bytes before the options
	geneveEthernet = 0x6558 // the type of an Ethernet frame
	udpHeader      = 8
)

// geneve tests for a Geneve packet and moves the positions into it. The length of the headers
// varies by packet, so the positions are stored in the scratch memory at run time.
func (c *compiler) geneve(k keyword) cbpf.Test {
	if c.tunnel {
		c.fail(k.token, "'geneve' within 'geneve' is not supported")
		return cbpf.Never
	}
	if k.operand.number > 0xFFFFFF {
		c.fail(k.operand, "a virtual network of Geneve has a number up to 16777215")
	}
	network := c.network(0)
	// udp sets X so that X + offset is the position of the UDP header
	header := func(udp cbpf.Code, offset uint32) cbpf.Test {
		field := func(at uint32, size uint16, mask, v uint32) cbpf.Test {
			load := append(append(cbpf.Code{}, udp...), cbpf.Instruction{Op: cbpf.Load | cbpf.Ind | size, K: offset + at})
			return cbpf.If(append(load, cbpf.Instruction{Op: cbpf.ALU | cbpf.And, K: mask}), cbpf.JEQ, v)
		}
		version := field(udpHeader, cbpf.Byte, 0xC0, 0)
		var vni cbpf.Test = cbpf.Always
		if k.numbered() {
			vni = field(udpHeader+4, cbpf.Word, 0xFFFFFF00, k.operand.number<<8)
		}
		return cbpf.All(field(2, cbpf.Half, 0xFFFF, genevePort), version, vni, enter(udp, offset+udpHeader))
	}
	carries := func(offset uint32) cbpf.Test { return at(c.network(offset), cbpf.Byte, ipProtos["udp"].number) }
	v4 := cbpf.All(c.etherType(etherIPv4), carries(9), c.unfragmented(), header(network.loadHeader(), network.offset))
	v6 := cbpf.All(c.etherType(etherIPv6), carries(6), header(cbpf.Code{{Op: cbpf.LoadXConst}}, network.offset+40))
	c.naming, c.labels, c.tunnel = byEtherType, 0, true
	c.typeAt, c.header, c.payload = place{slot: slotType}, place{slot: slotHeader}, place{slot: slotPayload}
	return cbpf.Any(v4, v6)
}

// enter fills the slots of a tunnel from the Geneve header at X + offset; from sets X. The payload
// is an Ethernet frame or a packet without a link header, depending on the type field.
func enter(from cbpf.Code, offset uint32) cbpf.Test {
	then := func(more ...cbpf.Instruction) cbpf.Code { return append(append(cbpf.Code{}, from...), more...) }
	header := then(
		// the length of the options, in units of 4 bytes
		cbpf.Instruction{Op: cbpf.Load | cbpf.Ind | cbpf.Byte, K: offset},
		cbpf.Instruction{Op: cbpf.ALU | cbpf.And, K: 0x3F},
		cbpf.Instruction{Op: cbpf.ALU | cbpf.Lsh, K: 2},
		cbpf.Instruction{Op: cbpf.ALU | cbpf.X | cbpf.Add},
		cbpf.Instruction{Op: cbpf.ALU | cbpf.Add, K: offset + geneveFixed},
		cbpf.Instruction{Op: cbpf.Store, K: slotHeader})
	framed := cbpf.If(then(cbpf.Instruction{Op: cbpf.Load | cbpf.Ind | cbpf.Half, K: offset + 2}), cbpf.JEQ, geneveEthernet)
	frame := cbpf.Code{
		{Op: cbpf.LoadMem, K: slotHeader},
		{Op: cbpf.ALU | cbpf.Add, K: 12},
		{Op: cbpf.Store, K: slotType},
		{Op: cbpf.ALU | cbpf.Add, K: 2},
		{Op: cbpf.Store, K: slotPayload},
	}
	packet := then(
		cbpf.Instruction{Op: cbpf.LoadConst, K: offset + 2},
		cbpf.Instruction{Op: cbpf.ALU | cbpf.X | cbpf.Add},
		cbpf.Instruction{Op: cbpf.Store, K: slotType},
		cbpf.Instruction{Op: cbpf.LoadMem, K: slotHeader},
		cbpf.Instruction{Op: cbpf.Store, K: slotPayload})
	return cbpf.Run(header, cbpf.Any(cbpf.All(framed, cbpf.Run(frame, cbpf.Always)), cbpf.Run(packet, cbpf.Always)))
}

// framed tests for a link header, which the payload of a tunnel may lack.
func (c *compiler) framed() cbpf.Test {
	if !c.tunnel {
		return cbpf.Always
	}
	return cbpf.Not(cbpf.If(cbpf.Code{{Op: cbpf.LoadMem, K: slotHeader}, {Op: cbpf.LoadXMem, K: slotPayload}}, cbpf.JEQ|cbpf.X, 0))
}

// withSlots first zeroes the slots of a tunnel, for paths that do not enter it. The kernel requires
// initialized slots.
func (c *compiler) withSlots(t cbpf.Test) cbpf.Test {
	switch {
	case isWiFi(c.link) && readsSlots(t):
		return c.wifiSlots(t)
	case !c.tunnel:
		return t
	}
	return cbpf.Run(cbpf.Code{{Op: cbpf.LoadConst}, {Op: cbpf.Store, K: slotType}, {Op: cbpf.Store, K: slotHeader}, {Op: cbpf.Store, K: slotPayload}}, t)
}
