package filter

import (
	"strconv"

	"visor/capture/filter/cbpf"
)

// maxChain is the number of headers that 'protochain' follows. Each needs two slots of scratch
// memory, because the kernel accepts no loops.
const maxChain = freeSlots / 2

// authentication is the header whose length field uses another unit.
const authentication = 51

// protocols tests the field that identifies the protocol of a packet.
func (p primitive) protocols(c *compiler) cbpf.Test {
	if p.dir != "" {
		c.fail(p.token, "'src' and 'dst' cannot stand before 'proto'")
	}
	switch p.proto {
	case "":
		v := p.protocolNumber(c, false)
		return cbpf.Any(c.ip4Proto(v), c.ip6Proto(v))
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
	return cbpf.Never
}

// protocolNumber parses a number or a name of a link protocol or an IP protocol.
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

// chain tests whether a packet has a header of a protocol. It follows the extension headers of IPv6
// (RFC 8200, section 4), and authentication headers (RFC 4302, section 2.2).
func (p primitive) chain(c *compiler) cbpf.Test {
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
		return cbpf.Any(c.chain4(v), c.chain6(v))
	}
	c.fail(p.token, "'"+p.proto+"' cannot stand before 'protochain'; 'ip' and 'ip6' can")
	return cbpf.Never
}

func (c *compiler) chain4(v uint32) cbpf.Test {
	return cbpf.All(c.etherType(etherIPv4), c.links(v, c.network(9).load(cbpf.Byte), c.network(0).loadHeader(), nil))
}

func (c *compiler) chain6(v uint32) cbpf.Test {
	first := cbpf.Code{{Op: cbpf.LoadXConst, K: 40}}
	return cbpf.All(c.etherType(etherIPv6), c.links(v, c.network(6).load(cbpf.Byte), first, []uint32{0, 60, 43, 44}))
}

// links tests whether next, or the field of one of the following headers, is v. toX sets X to the
// start of the header that next identifies. headers lists the headers, in addition to the
// authentication header, that identify another one. Slot 2i of the scratch memory holds the
// protocol that the ith field identifies, slot 2i+1 the start of its header.
func (c *compiler) links(v uint32, next, toX cbpf.Code, headers []uint32) cbpf.Test {
	names := func(i int, h uint32) cbpf.Test {
		return cbpf.If(cbpf.Code{{Op: cbpf.LoadMem, K: uint32(2 * i)}}, cbpf.JEQ, h)
	}
	found := names(maxChain-1, v)
	for i := maxChain - 2; i >= 0; i-- {
		var longer []cbpf.Test
		for _, h := range headers {
			longer = append(longer, names(i, h))
		}
		found = cbpf.Any(names(i, v),
			cbpf.All(cbpf.Any(longer...), cbpf.Run(c.advance(i, 1, 8), found)),
			cbpf.All(names(i, authentication), cbpf.Run(c.advance(i, 2, 4), found)))
	}
	start := append(append(cbpf.Code{}, next...), cbpf.Instruction{Op: cbpf.Store, K: 0})
	start = append(append(start, toX...), cbpf.Instruction{Op: cbpf.StoreX, K: 1})
	return cbpf.Run(start, found)
}

// advance moves from the ith header to the next one. The second byte of a header contains its
// length: (byte + extra) × unit bytes.
func (c *compiler) advance(i int, extra, unit uint32) cbpf.Code {
	network := c.network(0).offset
	from, to := uint32(2*i), uint32(2*i+2)
	return cbpf.Code{
		{Op: cbpf.LoadXMem, K: from + 1},
		{Op: cbpf.Load | cbpf.Ind | cbpf.Byte, K: network},
		{Op: cbpf.Store, K: to},
		{Op: cbpf.Load | cbpf.Ind | cbpf.Byte, K: network + 1},
		{Op: cbpf.ALU | cbpf.Add, K: extra},
		{Op: cbpf.ALU | cbpf.Mul, K: unit},
		{Op: cbpf.ALU | cbpf.X | cbpf.Add},
		{Op: cbpf.Store, K: to + 1},
	}
}
