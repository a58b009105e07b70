package decode

import "net/netip"

const (
	udpHeaderLen  = 8
	tcpHeaderLen  = 20
	sctpHeaderLen = 12
)

// transport decodes the payload of an IP packet: b is all of it, or the first fragment's part.
func (d *Decoder) transport(p *Packet, b []byte) {
	p.Payload = b
	switch p.Proto {
	case protoUDP:
		d.udp(p, b)
	case protoTCP:
		tcp(p, b)
	case protoICMP:
		p.Layers |= LayerICMP
	case protoICMPv6:
		p.Layers |= LayerICMPv6
	case protoSCTP:
		p.Layers |= LayerSCTP
		if ports(p, b) && len(b) >= sctpHeaderLen {
			p.Payload = b[sctpHeaderLen:]
		}
	case protoIPIP, protoIPv6, protoGRE, protoEtherIP, protoL2TP:
		if !p.Layers.Has(LayerFragment) {
			d.tunnel(p, b)
		}
	}
}

// ports sets the ports of p from the start of b.
func ports(p *Packet, b []byte) bool {
	if len(b) < 4 {
		p.Layers |= LayerMalformed
		p.Payload = nil
		return false
	}
	p.Src = netip.AddrPortFrom(p.Src.Addr(), be16(b))
	p.Dst = netip.AddrPortFrom(p.Dst.Addr(), be16(b[2:]))
	return true
}

// udp decodes a UDP datagram (RFC 768). If the length field is 0 or exceeds the bytes present, all
// bytes present count: tunnels write 0, and snaplens cut.
func (d *Decoder) udp(p *Packet, b []byte) {
	p.Layers |= LayerUDP
	if !ports(p, b) {
		return
	}
	if len(b) < udpHeaderLen {
		p.Layers |= LayerMalformed
		p.Payload = nil
		return
	}
	if n := int(be16(b[4:])); n >= udpHeaderLen && n < len(b) && !p.Layers.Has(LayerFragment) {
		b = b[:n]
	}
	p.Payload = b[udpHeaderLen:]
	if isTunnelPort(p.Dst.Port()) || isTunnelPort(p.Src.Port()) {
		d.udpTunnel(p)
	}
}

// tcp decodes a TCP segment (RFC 9293).
func tcp(p *Packet, b []byte) {
	p.Layers |= LayerTCP
	p.Seq, p.Ack, p.Flags = 0, 0, 0
	if !ports(p, b) {
		return
	}
	if len(b) < tcpHeaderLen {
		p.Layers |= LayerMalformed
		p.Payload = nil
		return
	}
	p.Seq, p.Ack, p.Flags = be32(b[4:]), be32(b[8:]), b[13]
	head := int(b[12]>>4) * 4
	if head < tcpHeaderLen || head > len(b) {
		p.Layers |= LayerMalformed
		p.Payload = nil
		return
	}
	p.Payload = b[head:]
}
