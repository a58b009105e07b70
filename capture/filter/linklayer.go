package filter

import (
	"fmt"

	"visor/capture/filter/cbpf"
	"visor/decode"
)

// These keywords test the link layer. Some move the positions for the rest of the expression.

// vlan tests for an 802.1Q tag and moves the positions behind it.
func (c *compiler) vlan(k keyword) cbpf.Test {
	if c.naming != byEtherType {
		c.fail(k.token, "'vlan' is for Ethernet, and not after 'pppoes'")
		return cbpf.Never
	}
	if c.labels > 0 {
		c.fail(k.token, "'vlan' cannot come after 'mpls'")
	}
	if k.operand.number > 0xFFF {
		c.fail(k.operand, "a VLAN has a number up to 4095")
	}
	t := cbpf.Any(c.etherType(etherVLAN), c.etherType(etherQinQ), c.etherType(etherOldQinQ))
	if k.numbered() {
		t = cbpf.All(t, masked(c.payload, cbpf.Half, 0xFFF, k.operand.number))
	}
	if !c.tunnel {
		c.tags = true
	}
	c.typeAt = c.typeAt.plus(4)
	c.payload = c.payload.plus(4)
	return t
}

// mpls tests for an MPLS label (RFC 3032, section 2.1) and moves the positions behind it.
func (c *compiler) mpls(k keyword) cbpf.Test {
	var t cbpf.Test
	switch {
	case c.labels > 0:
		// the previous label is not the last one
		t = masked(c.payload.plus(c.labels-2), cbpf.Byte, 0x01, 0)
	case c.naming == byEtherType || c.naming == byHDLC:
		t = c.etherType(etherMPLS)
	case c.naming == byPPP:
		t = at(c.typeAt, cbpf.Half, 0x281)
	default:
		c.fail(k.token, fmt.Sprintf("'mpls' is not for frames of link type %d", c.link))
		return cbpf.Never
	}
	if k.numbered() {
		if k.operand.number > 0xFFFFF {
			c.fail(k.operand, "an MPLS label is at most 1048575")
		}
		t = cbpf.All(t, masked(c.network(0), cbpf.Word, 0xFFFFF000, k.operand.number<<12))
	}
	c.labels += 4
	return t
}

// pppoe tests for a PPPoE session (RFC 2516, section 4) and moves the positions to the PPP packet
// in it.
func (c *compiler) pppoe(k keyword) cbpf.Test {
	t := c.etherType(etherPPPoESession)
	network := c.network(0)
	if k.numbered() {
		if k.operand.number > 0xFFFF {
			c.fail(k.operand, "a PPPoE session has a number up to 65535")
		}
		t = cbpf.All(t, masked(network, cbpf.Word, 0xFFFF, k.operand.number))
	}
	c.naming, c.header, c.typeAt, c.payload, c.labels = byPPP, network.plus(6), network.plus(6), network.plus(8), 0
	return t
}

// llc tests for an LLC header, and for a type of PDU.
func (c *compiler) llc(k keyword) cbpf.Test {
	var t cbpf.Test
	switch c.naming {
	case byEtherType: // IEEE 802.3, except Novell's frames without LLC
		c.llcAt = c.payload
		t = cbpf.All(cbpf.Not(above(c.typeAt, cbpf.Half, etherMaxLength)), cbpf.Not(at(c.payload, cbpf.Half, 0xFFFF)))
	case bySNAP:
		t = c.wifiData()
	default:
		c.fail(k.token, "'llc' is for Ethernet and IEEE 802.11, and not after 'pppoes'")
		return cbpf.Never
	}
	if k.operand.kind == tokenEnd {
		return t
	}
	control := llcTypes[k.operand.text]
	if k.operand.text == "i" {
		return cbpf.All(t, cbpf.Not(anyBit(c.llcAt.plus(2), cbpf.Byte, 0x01)))
	}
	return cbpf.All(t, masked(c.llcAt.plus(2), cbpf.Byte, control.mask, control.value))
}

// broadcast tests the destination, on Ethernet.
func (c *compiler) broadcast(k keyword) cbpf.Test {
	switch k.proto {
	case "", "ether":
		if c.naming == byARCnet {
			return c.arcnetBroadcast()
		}
		if c.hasMAC(k.token) {
			return c.destination([]byte{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF})
		}
	case "ip": // the broadcast address of a network would need its netmask
		return cbpf.All(c.etherType(etherIPv4), cbpf.Any(at(c.network(16), cbpf.Word, 0), at(c.network(16), cbpf.Word, 1<<32-1)))
	default:
		c.fail(k.token, "only 'ether' and 'ip' can stand before 'broadcast'")
	}
	return cbpf.Never
}

// multicast tests the destination.
func (c *compiler) multicast(k keyword) cbpf.Test {
	switch k.proto {
	case "", "ether":
		isGroup := func(p place) cbpf.Test { return anyBit(p, cbpf.Byte, 1) }
		switch {
		case c.naming == byARCnet:
			return c.arcnetBroadcast()
		case c.naming == bySNAP:
			return c.wifiDestination(isGroup)
		case c.hasMAC(k.token):
			return cbpf.All(c.framed(), isGroup(c.header))
		}
	case "ip":
		return cbpf.All(c.etherType(etherIPv4), compare(c.network(16).load(cbpf.Byte), ">=", 224, 0))
	case "ip6":
		return cbpf.All(c.etherType(etherIPv6), at(c.network(24), cbpf.Byte, 255))
	default:
		c.fail(k.token, "only 'ether', 'ip' and 'ip6' can stand before 'multicast'")
	}
	return cbpf.Never
}

// hasMAC reports whether frames have MAC addresses at the current point of the expression.
func (c *compiler) hasMAC(t token) bool {
	if c.naming == byEtherType || c.naming == bySNAP {
		return true
	}
	c.fail(t, fmt.Sprintf("frames of link type %d have no MAC addresses", c.link))
	return false
}

// destination and source test for an address of six bytes.
func (c *compiler) destination(mac []byte) cbpf.Test {
	is := func(p place) cbpf.Test { return isMAC(p, mac) }
	if c.naming == bySNAP {
		return c.wifiDestination(is)
	}
	return cbpf.All(c.framed(), is(c.header))
}

func (c *compiler) source(mac []byte) cbpf.Test {
	is := func(p place) cbpf.Test { return isMAC(p, mac) }
	if c.naming == bySNAP {
		return c.wifiSource(is)
	}
	return cbpf.All(c.framed(), is(c.header.plus(6)))
}

func isMAC(p place, mac []byte) cbpf.Test {
	word := func(b []byte) (v uint32) {
		for _, x := range b {
			v = v<<8 | uint32(x)
		}
		return v
	}
	return cbpf.All(at(p.plus(2), cbpf.Word, word(mac[2:])), at(p, cbpf.Half, word(mac[:2])))
}

// cooked tests fields of Linux cooked capture: the direction, and the interface in version 2.
func (c *compiler) cooked(k keyword) cbpf.Test {
	name := k.token.text
	switch {
	case name == "ifindex" && c.link == decode.LinkSLL2:
		return at(place{offset: 4}, cbpf.Word, k.operand.number)
	case name == "ifindex":
		c.fail(k.token, "only Linux cooked capture, version 2, has the interface of a packet")
		return cbpf.Never
	}
	var outgoing cbpf.Test
	switch c.link {
	case decode.LinkSLL:
		outgoing = at(place{}, cbpf.Half, 4)
	case decode.LinkSLL2:
		outgoing = at(place{offset: 10}, cbpf.Byte, 4)
	default:
		c.fail(k.token, "only Linux cooked capture has the direction of a packet")
		return cbpf.Never
	}
	if name == "inbound" {
		return cbpf.Not(outgoing)
	}
	return outgoing
}
