package handler

import "visor/decode"

// DefaultDNSPorts returns the DNS ports that apply unless a Config lists others. They are the ports
// of DNS (RFC 1035), mDNS (RFC 6762) and LLMNR (RFC 4795), and a port that pktvisor's tests use.
func DefaultDNSPorts() []uint16 { return []uint16{53, 5353, 5355, 53000} }

// dnsPorts is a bit set of ports.
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

func (s *dnsPorts) has(p uint16) bool { return s.bit(p) != 0 }

// client returns the port that is not a DNS port. If both are DNS ports, the source port is the
// client's. Port 0 is never a client's. It selects the port without a branch, because queries and
// replies come in random order.
func (s *dnsPorts) client(p *decode.Packet) (port uint16, ok bool) {
	src, dst := p.Src.Port(), p.Dst.Port()
	toServer, fromServer := s.bit(dst), s.bit(src)
	port = dst ^ (src^dst)&-uint16(toServer)
	return port, toServer|fromServer != 0 && port != 0
}

func (s *dnsPorts) bit(p uint16) uint64 { return s[p/64] >> (p % 64) & 1 }
