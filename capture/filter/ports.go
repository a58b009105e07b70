package filter

import (
	"context"
	"fmt"
	"net"
	"strings"

	"visor/capture/filter/cbpf"
)

// span is a range of ports of a transport protocol.
type span struct {
	low, high uint32
	proto     string // tcp, udp, or "" for any
}

// ports tests for ports of TCP, UDP and SCTP.
func (p primitive) ports(c *compiler) cbpf.Test {
	s, ok := p.span(c)
	if !ok {
		return cbpf.Never
	}
	protos := []string{"sctp", "tcp", "udp"}
	switch {
	case p.proto == "tcp" || p.proto == "udp" || p.proto == "sctp":
		if s.proto != "" && s.proto != p.proto {
			c.fail(p.token, fmt.Sprintf("'%s' is not a service of %s", p.token.text, p.proto))
		}
		protos = []string{p.proto}
	case p.proto != "":
		c.fail(p.token, fmt.Sprintf("'%s' cannot stand before '%s'; 'tcp', 'udp' and 'sctp' can", p.proto, p.kind))
	case s.proto != "":
		protos = []string{s.proto}
	}
	carried := func(offset uint32) cbpf.Test {
		var tests []cbpf.Test
		for _, name := range protos {
			tests = append(tests, at(c.network(offset), cbpf.Byte, ipProtos[name].number))
		}
		return cbpf.Any(tests...)
	}
	field4 := func(offset uint32) cbpf.Code {
		return append(c.network(0).loadHeader(), cbpf.Instruction{Op: cbpf.Load | cbpf.Ind | cbpf.Half, K: c.network(offset).offset})
	}
	field6 := func(offset uint32) cbpf.Code { return c.network(40 + offset).load(cbpf.Half) }
	return cbpf.Any(
		cbpf.All(c.etherType(etherIPv6), carried(6), p.sided(s.test(field6(0)), s.test(field6(2)))),
		cbpf.All(c.etherType(etherIPv4), carried(9), c.unfragmented(), p.sided(s.test(field4(0)), s.test(field4(2)))))
}

// test tests whether the value that load loads is in s.
func (s span) test(load cbpf.Code) cbpf.Test {
	if s.low == s.high {
		return compare(load, "=", s.low, 0)
	}
	return cbpf.All(compare(load, ">=", s.low, 0), compare(load, "<=", s.high, 0))
}

// span parses a port or a range.
func (p primitive) span(c *compiler) (span, bool) {
	if p.kind == "portrange" && p.token.kind == tokenRange {
		for at, r := range p.token.text { // names may contain hyphens
			if r != '-' {
				continue
			}
			low, ok1 := port(p.token.text[:at])
			high, ok2 := port(p.token.text[at+1:])
			if ok1 && ok2 {
				if low.proto != high.proto {
					low.proto = ""
				}
				return span{min(low.low, high.low), max(low.low, high.low), low.proto}, true
			}
		}
		c.fail(p.token, "'"+p.token.text+"' is not a range of ports, such as 1000-2000")
		return span{}, false
	}
	s, ok := port(p.token.text)
	if !ok || p.token.kind != tokenNumber && p.token.kind != tokenWord && p.token.kind != tokenName {
		c.fail(p.token, "'"+p.token.text+"' is not a port: neither a number up to 65535 nor the name of a service")
	}
	return s, ok
}

// port parses a number, or a name from /etc/services or Go's own list.
func port(text string) (span, bool) {
	ctx := context.Background() // no query is sent over the network
	tcp, errTCP := net.DefaultResolver.LookupPort(ctx, "tcp", text)
	udp, errUDP := net.DefaultResolver.LookupPort(ctx, "udp", text)
	switch {
	case errTCP != nil && errUDP != nil || strings.ContainsAny(text, "-+") && errTCP == nil && tcp == 0:
		return span{}, false
	case errTCP != nil:
		return span{uint32(udp), uint32(udp), "udp"}, true
	case errUDP != nil:
		return span{uint32(tcp), uint32(tcp), "tcp"}, true
	}
	return span{uint32(tcp), uint32(tcp), ""}, true
}
