package decode

// UDP ports of tunnels (https://www.iana.org/assignments/service-names-port-numbers). Linux used
// 8472 for VXLAN before 4789 was assigned.
const (
	portL2TP      = 1701
	portGTPU      = 2152
	portTeredo    = 3544
	portVXLAN     = 4789
	portGeneve    = 6081
	portMPLS      = 6635
	portVXLANOld  = 8472
	portVXLANGPE  = 4790
	portGRE       = 4754
	portTZSP      = 37008
	greKeyPresent = 0x2000
)

// tunnelPorts holds each port of a tunnel at its remainder. The ports of most packets are random,
// so a processor mispredicts the branches of a switch.
var tunnelPorts = [31]uint16{
	0:                 1, // so that 0 is not a port of a tunnel
	portL2TP % 31:     portL2TP,
	portGTPU % 31:     portGTPU,
	portTeredo % 31:   portTeredo,
	portVXLAN % 31:    portVXLAN,
	portVXLANGPE % 31: portVXLANGPE,
	portGeneve % 31:   portGeneve,
	portMPLS % 31:     portMPLS,
	portVXLANOld % 31: portVXLANOld,
	portGRE % 31:      portGRE,
	portTZSP % 31:     portTZSP,
}

func isTunnelPort(port uint16) bool { return tunnelPorts[port%31] == port }

// tunnel decodes tunnels directly over IP.
func (d *Decoder) tunnel(p *Packet, b []byte) {
	switch p.Proto {
	case protoIPIP, protoIPv6:
		if etherType, rest, err := rawIP(b); err == nil {
			d.enclosed(p, etherType, rest)
		}
	case protoGRE:
		d.gre(p, b)
	case protoEtherIP: // RFC 3378
		if len(b) >= 2+ethernetHeaderLen && b[0] == 0x30 {
			d.ethernet(p, b[2:])
		}
	case protoL2TP:
		if len(b) >= 4 && be32(b) != 0 { // session 0 is control
			d.pseudowire(p, b[4:])
		}
	}
}

// ethernet decodes an Ethernet frame inside p.
func (d *Decoder) ethernet(p *Packet, b []byte) {
	if len(b) >= ethernetHeaderLen {
		d.enclosed(p, be16(b[12:]), b[ethernetHeaderLen:])
	}
}

// gre decodes GRE (RFC 2784, RFC 2890), also in the version of PPTP (RFC 2637), and ERSPAN in it.
func (d *Decoder) gre(p *Packet, b []byte) {
	if len(b) < 4 {
		return
	}
	flags, etherType := be16(b), be16(b[2:])
	n := 4
	if flags&0xC000 != 0 && flags&7 == 0 { // checksum, or the offset of old routing
		n += 4
	}
	if flags&greKeyPresent != 0 {
		n += 4
	}
	if flags&0x1000 != 0 {
		n += 4
	}
	if flags&7 == 1 && flags&0x0080 != 0 { // acknowledgment number
		n += 4
	}
	if len(b) < n || flags&0x4000 != 0 { // source routes are obsolete
		return
	}
	b = b[n:]
	switch etherType {
	case etherTEB:
		d.ethernet(p, b)
	case etherERSPAN:
		// type II has a header; type I has neither a header nor a sequence number
		if flags&0x1000 != 0 && len(b) >= 8 {
			b = b[8:]
		}
		d.ethernet(p, b)
	case etherERSPAN3:
		if len(b) < 12 {
			return
		}
		n := 12
		if b[11]&1 == 1 {
			n += 8
		}
		if len(b) >= n {
			d.ethernet(p, b[n:])
		}
	case etherPPP:
		if next, rest, err := ppp(b); err == nil {
			d.enclosed(p, next, rest)
		}
	default:
		d.enclosed(p, etherType, b)
	}
}

// udpTunnel decodes p's payload if it looks like the protocol of its port.
func (d *Decoder) udpTunnel(p *Packet) {
	if p.Layers.Has(LayerFragment) {
		return
	}
	b := p.Payload
	for _, port := range [...]uint16{p.Dst.Port(), p.Src.Port()} {
		switch port {
		case portVXLAN, portVXLANOld: // RFC 7348
			if len(b) >= 8 && b[0]&0x08 != 0 && b[7] == 0 {
				d.ethernet(p, b[8:])
			}
		case portVXLANGPE: // draft-ietf-nvo3-vxlan-gpe
			d.vxlanGPE(p, b)
		case portGeneve: // RFC 8926
			d.geneve(p, b)
		case portGTPU:
			d.gtp(p, b)
		case portTeredo:
			d.teredo(p, b)
		case portL2TP:
			d.l2tp(p, b)
		case portMPLS: // RFC 7510
			d.enclosed(p, etherMPLS, b)
		case portGRE: // RFC 8086
			d.gre(p, b)
		case portTZSP:
			d.tzsp(p, b)
		}
		if p.Inner != nil {
			return
		}
	}
}

func (d *Decoder) vxlanGPE(p *Packet, b []byte) {
	if len(b) < 8 || b[0]&0x0C != 0x0C {
		return
	}
	switch b[3] {
	case 1:
		d.enclosed(p, etherIPv4, b[8:])
	case 2:
		d.enclosed(p, etherIPv6, b[8:])
	case 3:
		d.ethernet(p, b[8:])
	case 4:
		d.enclosed(p, etherNSH, b[8:])
	}
}

func (d *Decoder) geneve(p *Packet, b []byte) {
	if len(b) < 8 || b[0]>>6 != 0 {
		return
	}
	n := 8 + int(b[0]&0x3F)*4
	if len(b) < n {
		return
	}
	if etherType := be16(b[2:]); etherType == etherTEB {
		d.ethernet(p, b[n:])
	} else {
		d.enclosed(p, etherType, b[n:])
	}
}

// gtp decodes a G-PDU of GTP-U (3GPP TS 29.281), with its extension headers.
func (d *Decoder) gtp(p *Packet, b []byte) {
	if len(b) < 8 || b[0]&0xF0 != 0x30 || b[1] != 0xFF {
		return
	}
	next := byte(0)
	rest := b[8:]
	if b[0]&0x07 != 0 {
		if len(rest) < 4 {
			return
		}
		next, rest = rest[3], rest[4:]
	}
	for b[0]&0x04 != 0 && next != 0 {
		if len(rest) < 4 {
			return
		}
		n := int(rest[0]) * 4
		if n == 0 || n > len(rest) {
			return
		}
		next, rest = rest[n-1], rest[n:]
	}
	if etherType, rest, err := rawIP(rest); err == nil {
		d.enclosed(p, etherType, rest)
	}
}

// teredo decodes IPv6 behind optional indications (RFC 4380 section 5.1.1).
func (d *Decoder) teredo(p *Packet, b []byte) {
	if len(b) >= 4 && b[0] == 0 && b[1] == 1 { // authentication
		n := 4 + int(b[2]) + int(b[3]) + 9
		if len(b) < n {
			return
		}
		b = b[n:]
	}
	if len(b) >= 8 && b[0] == 0 && b[1] == 0 { // origin
		b = b[8:]
	}
	if len(b) > 0 && b[0]>>4 == 6 {
		d.enclosed(p, etherIPv6, b)
	}
}

// tzsp decodes a frame from a sniffer in TaZmen Sniffer Protocol: a header, tags, the frame.
func (d *Decoder) tzsp(p *Packet, b []byte) {
	const (
		received, toSend = 0, 1
		padding, end     = 0, 1
		ethernet, wlan   = 1, 18
	)
	if len(b) < 4 || b[0] != 1 || b[1] != received && b[1] != toSend {
		return
	}
	kind, rest := be16(b[2:]), b[4:]
	for len(rest) > 0 && rest[0] != end {
		n := 1
		if rest[0] != padding {
			if len(rest) < 2 {
				return
			}
			n = 2 + int(rest[1])
		}
		rest = rest[min(n, len(rest)):]
	}
	if len(rest) == 0 {
		return
	}
	switch rest = rest[1:]; kind {
	case ethernet:
		d.ethernet(p, rest)
	case wlan:
		if etherType, rest, err := wifi(rest); err == nil {
			d.enclosed(p, etherType, rest)
		}
	}
}
