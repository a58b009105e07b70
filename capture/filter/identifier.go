package filter

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"visor/capture/filter/cbpf"
)

// lookupTimeout bounds the time to look up the name of a host.
const lookupTimeout = 10 * time.Second

func (p primitive) test(c *compiler) cbpf.Test {
	switch p.kind {
	case "port", "portrange":
		return p.ports(c)
	case "proto":
		return p.protocols(c)
	case "protochain":
		return p.chain(c)
	case "gateway":
		c.fail(p.token, "'gateway' is not supported; write 'ether host MAC and not host ADDRESS'")
		return cbpf.Never
	}
	if _, ip := ipProtos[p.proto]; ip {
		c.fail(p.token, fmt.Sprintf("'%s' cannot stand before a host or network; write '%s and …'", p.proto, p.proto))
		return cbpf.Never
	}
	if p.token.kind == tokenMAC || p.proto == "ether" {
		return p.mac(c)
	}
	if p.proto == "decnet" {
		return p.decnet(c)
	}
	return p.hosts(c)
}

// sided combines the tests of a source and a destination according to the direction.
func (p primitive) sided(src, dst cbpf.Test) cbpf.Test {
	switch p.dir {
	case "src":
		return src
	case "dst":
		return dst
	case "src and dst":
		return cbpf.All(src, dst)
	}
	return cbpf.Any(src, dst)
}

func (p primitive) mac(c *compiler) cbpf.Test {
	if p.token.kind != tokenMAC {
		c.fail(p.token, "expected a MAC address, as 00:00:5e:00:53:01; names from /etc/ethers are not supported")
		return cbpf.Never
	}
	if p.proto != "ether" {
		c.fail(p.token, "a MAC address needs 'ether' before it, as 'ether host "+p.token.text+"'")
		return cbpf.Never
	}
	if !c.hasMAC(p.token) {
		return cbpf.Never
	}
	return p.sided(c.source(p.token.mac), c.destination(p.token.mac))
}

// hosts tests for addresses and networks.
func (p primitive) hosts(c *compiler) cbpf.Test {
	switch p.token.kind {
	case tokenIPv6:
		return p.host6(c, p.token.ip)
	case tokenNumber, tokenDotted:
		addr, mask := p.network(c)
		return p.host4(c, addr, mask)
	}
	if p.kind == "net" {
		c.fail(p.token, "names of networks are not supported; write the network as 192.0.2.0/24")
		return cbpf.Never
	}
	return p.named(c)
}

// named tests for all addresses of a name.
func (p primitive) named(c *compiler) cbpf.Test {
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	addrs, err := c.lookup(ctx, "ip", p.token.text)
	if err != nil {
		c.fail(p.token, fmt.Sprintf("unknown host '%s': %v%s", p.token.text, err, correction(p.token.text)))
		return cbpf.Never
	}
	var tests []cbpf.Test
	for _, a := range addrs {
		a = a.Unmap()
		if a.Is4() && p.proto != "ip6" {
			v4 := a.As4()
			tests = append(tests, p.host4(c, binary.BigEndian.Uint32(v4[:]), 1<<32-1))
		} else if a.Is6() && (p.proto == "" || p.proto == "ip6") {
			tests = append(tests, p.host6(c, a))
		}
	}
	if tests == nil {
		c.fail(p.token, fmt.Sprintf("host '%s' has no address of '%s'", p.token.text, p.proto))
	}
	return cbpf.Any(tests...)
}

// network parses an IPv4 address, which may be short, and its mask. As a network, 10 is 10.0.0.0/8;
// 10.1 is always 10.1.0.0/16.
func (p primitive) network(c *compiler) (addr, mask uint32) {
	addr, bits := p.dotted(c, p.token)
	if p.token.kind == tokenNumber && (p.kind == "net" || p.bits >= 0 || p.mask.kind != tokenEnd) {
		for addr != 0 && addr&0xFF000000 == 0 {
			addr, bits = addr<<8, bits-8
		}
	}
	mask = ^uint32(0) << (32 - bits)
	switch {
	case p.mask.kind != tokenEnd:
		mask, _ = p.dotted(c, p.mask)
	case p.bits > 32:
		c.fail(p.token, "a prefix of IPv4 has up to 32 bits")
	case p.bits >= 0:
		mask = uint32(uint64(1<<32-1) << (32 - p.bits))
	}
	if addr&^mask != 0 {
		c.fail(p.token, fmt.Sprintf("%s has bits beyond its mask; perhaps %s was meant", p.token.text, dotted(addr&mask)))
	}
	return addr, mask
}

func dotted(v uint32) string {
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}).String()
}

// dotted parses up to four bytes, the first ones of an address. It returns the number of bits they
// have.
func (p primitive) dotted(c *compiler, t token) (addr uint32, bits int) {
	if t.kind == tokenNumber {
		return t.number, 32
	}
	for part := range strings.SplitSeq(t.text, ".") {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil {
			c.fail(t, t.text+" is not an IPv4 address: "+part+" is more than 255")
		}
		addr, bits = addr<<8|uint32(n), bits+8
	}
	return addr << (32 - bits), bits
}

func (p primitive) host4(c *compiler, addr, mask uint32) cbpf.Test {
	in := func(etherType, src, dst uint32) cbpf.Test {
		return cbpf.All(c.etherType(etherType), p.sided(masked(c.network(src), cbpf.Word, mask, addr), masked(c.network(dst), cbpf.Word, mask, addr)))
	}
	switch p.proto {
	case "ip":
		return in(etherIPv4, 12, 16)
	case "arp":
		return in(etherARP, 14, 24)
	case "rarp":
		return in(etherRARP, 14, 24)
	case "":
		if c.labels > 0 {
			return in(etherIPv4, 12, 16)
		}
		return cbpf.Any(in(etherIPv4, 12, 16), in(etherARP, 14, 24), in(etherRARP, 14, 24))
	}
	c.fail(p.token, fmt.Sprintf("'%s' cannot stand before an IPv4 address", p.proto))
	return cbpf.Never
}

func (p primitive) host6(c *compiler, addr netip.Addr) cbpf.Test {
	bits := p.bits
	if bits < 0 {
		bits = 128
	}
	switch prefix := netip.PrefixFrom(addr, bits); {
	case p.proto != "" && p.proto != "ip6":
		c.fail(p.token, fmt.Sprintf("'%s' cannot stand before an IPv6 address", p.proto))
		return cbpf.Never
	case !prefix.IsValid() || p.mask.kind != tokenEnd:
		c.fail(p.token, "a network of IPv6 is written with a prefix of up to 128 bits, as 2001:db8::/32")
		return cbpf.Never
	case prefix.Masked().Addr() != addr:
		c.fail(p.token, fmt.Sprintf("%s has bits beyond its prefix; perhaps %s was meant", p.token.text, prefix.Masked()))
	}
	bytes := addr.As16()
	words := func(offset uint32) cbpf.Test {
		var tests []cbpf.Test
		for i := uint32(0); i < 4 && bits > int(32*i); i++ {
			mask := uint32(uint64(1<<32-1) << (32 - min(32, bits-int(32*i))))
			tests = append(tests, masked(c.network(offset+4*i), cbpf.Word, mask, binary.BigEndian.Uint32(bytes[4*i:])))
		}
		return cbpf.All(tests...)
	}
	return cbpf.All(c.etherType(etherIPv6), p.sided(words(8), words(24)))
}

// decnet tests for an address of DECnet phase IV, an area and a node. The address is at one of four
// positions. They depend on the flags of the header and on a possible byte of padding.
func (p primitive) decnet(c *compiler) cbpf.Test {
	area, node, ok := strings.Cut(p.token.text, ".")
	a, errA := strconv.ParseUint(area, 10, 6)
	n, errN := strconv.ParseUint(node, 10, 10)
	if p.token.kind != tokenDotted || !ok || errA != nil || errN != nil {
		c.fail(p.token, "expected an address of DECnet, as 10.123")
		return cbpf.Never
	}
	addr := uint32(n<<8&0xFF00 | a<<2 | n>>8) // little endian
	side := func(short, long uint32) cbpf.Test {
		in := func(padding uint32, mask, flags uint32, size uint16, offset uint32) cbpf.Test {
			return cbpf.All(masked(c.network(2), size, mask, flags), at(c.network(offset+padding), cbpf.Half, addr))
		}
		return cbpf.Any(
			in(0, 0x07, 0x02, cbpf.Byte, 2+short), in(1, 0xFF07, 0x8102, cbpf.Half, 2+short),
			in(0, 0x07, 0x06, cbpf.Byte, 2+long), in(1, 0xFF07, 0x8106, cbpf.Half, 2+long))
	}
	return cbpf.All(c.etherType(linkProtos["decnet"]), p.sided(side(3, 15), side(1, 7)))
}
