package handler

import "visor/decode"

// DefaultDNSPorts returns the ports that are those of DNS unless a Config names others: DNS (RFC
// 1035), mDNS (RFC 6762), LLMNR (RFC 4795), and a port that pktvisor's tests use.
func DefaultDNSPorts() []uint16 { return []uint16{53, 5353, 5355, 53000} }

// dnsPorts is a set of ports, as bits.
type dnsPorts [1 << 16 / 64]uint64

func newDNSPorts(ports []uint16) *dnsPorts {
	if len(ports) == 0 {
		ports = DefaultDNSPorts()
	}
	s := new(dnsPorts)
	for _, p := range ports {
		s[p/64] |= 1 << (p % 64)
	}
	return s
}

func (s *dnsPorts) has(p uint16) bool { return s[p/64]>>(p%64)&1 != 0 }

// client returns the port that is not a DNS port. With two of them the source is taken for the
// client; port 0 is nobody's.
func (s *dnsPorts) client(p *decode.Packet) (uint16, bool) {
	src, dst := p.Src.Port(), p.Dst.Port()
	switch {
	case s.has(dst):
		return src, src != 0
	case s.has(src):
		return dst, dst != 0
	}
	return 0, false
}
