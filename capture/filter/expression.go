package filter

import "visor/capture/filter/cbpf"

// expression is a parsed filter. The meaning of a part depends on the parts before it: 'vlan' moves
// the positions for the parts after it. So parts are turned into tests in the order in which they
// were written.
type expression interface {
	test(c *compiler) cbpf.Test
}

type (
	allOf  struct{ left, right expression }
	anyOf  struct{ left, right expression }
	noneOf struct{ of expression }

	// protocol is the name of a protocol, alone.
	protocol struct {
		token token
		name  string
	}

	// keyword is a primitive that consists of a word and an optional operand.
	keyword struct {
		token   token
		proto   string // protocol before broadcast and multicast
		operand token  // tokenEnd without an operand
	}

	// primitive is an identifier with its qualifiers.
	primitive struct {
		qualifiers
		token token
		bits  int   // length of a prefix; -1 without one
		mask  token // tokenEnd without a mask
	}
)

func (e allOf) test(c *compiler) cbpf.Test {
	left := e.left.test(c)
	return cbpf.All(left, e.right.test(c))
}

func (e anyOf) test(c *compiler) cbpf.Test {
	left := e.left.test(c)
	return cbpf.Any(left, e.right.test(c))
}

func (e noneOf) test(c *compiler) cbpf.Test { return cbpf.Not(e.of.test(c)) }

func (p protocol) test(c *compiler) cbpf.Test {
	if p.name == "ether" {
		c.fail(p.token, "'"+p.token.text+"' needs 'host', 'src', 'dst', 'proto', 'broadcast' or 'multicast' after it")
		return cbpf.Never
	}
	return c.protocol(p.name)
}

// numbered reports whether the operand is a number.
func (k keyword) numbered() bool { return k.operand.kind == tokenNumber }

func (k keyword) test(c *compiler) cbpf.Test {
	n := k.operand.number
	switch name := k.token.text; name {
	case "less":
		return compare(cbpf.Code{{Op: cbpf.LoadLen}}, "<=", n, 0)
	case "greater":
		return compare(cbpf.Code{{Op: cbpf.LoadLen}}, ">=", n, 0)
	case "broadcast":
		return c.broadcast(k)
	case "multicast":
		return c.multicast(k)
	case "inbound", "outbound", "ifindex":
		return c.cooked(k)
	case "vlan":
		return c.vlan(k)
	case "mpls":
		return c.mpls(k)
	case "pppoed":
		return c.etherType(etherPPPoEDiscovery)
	case "pppoes":
		return c.pppoe(k)
	case "geneve":
		return c.geneve(k)
	case "llc":
		return c.llc(k)
	case "clnp", "esis", "es-is", "isis", "is-is":
		return c.isoProto(isoProtos[name])
	default: // the parser accepts no other keyword
		var types []cbpf.Test
		for _, t := range isisTypes[name] {
			types = append(types, at(c.iso(4), cbpf.Byte, t))
		}
		return cbpf.All(c.isoProto(isoProtos["isis"]), cbpf.Any(types...))
	}
}
