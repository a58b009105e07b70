package decode

import "net/netip"

const (
	ipv4HeaderLen = 20
	ipv6HeaderLen = 40

	maxTags = 8 // consecutive VLAN tags and MPLS labels
)

// network decodes the bytes after a link header: tags and labels first, then IP.
func (d *Decoder) network(p *Packet, etherType uint16, b []byte) error {
	for range maxTags {
		switch etherType {
		case etherIPv4:
			return d.ipv4(p, b)
		case etherIPv6:
			return d.ipv6(p, b)
		case etherARP, etherRARP:
			p.Layers |= LayerARP
			return nil
		}
		next, rest, err := shim(p, etherType, b)
		if err != nil {
			p.Layers |= LayerMalformed
			return err
		}
		if next == etherNone {
			return nil
		}
		etherType, b = next, rest
	}
	return nil
}

// shim strips one tag, label stack or session header between the link header and IP.
func shim(p *Packet, etherType uint16, b []byte) (uint16, []byte, error) {
	switch etherType {
	case etherVLAN, etherQinQ, etherOldQinQ, etherOldQinQ2, etherOldQinQ3:
		p.Layers |= LayerVLAN
		return fixedHeader(b, 4, 2)
	case etherVNTag, etherETag, etherITag, etherFabricPath, etherTRILL, etherCMD, etherNSH:
		return rareTag(etherType, b)
	case etherMPLS, etherMPLSMulti:
		p.Layers |= LayerMPLS
		return mpls(b)
	case etherPPPoE:
		p.Layers |= LayerPPPoE
		return pppoe(b)
	case etherPPP:
		return ppp(b)
	}
	if etherType <= etherMaxLength && p.Layers.Has(LayerEthernet|LayerVLAN) && len(b) >= 3 {
		return llc(b)
	}
	return etherNone, nil, nil
}

// mpls strips a label stack (RFC 3032). The payload type is not stated: IP is recognized by its
// version, a pseudowire by its control word (RFC 4385).
func mpls(b []byte) (uint16, []byte, error) {
	bottom := false
	for n := 0; !bottom; n++ {
		if len(b) < 4 {
			return 0, nil, ErrTruncated
		}
		if n == 2*maxTags {
			return 0, nil, ErrMalformed
		}
		bottom = b[2]&1 == 1
		b = b[4:]
	}
	if etherType, rest, err := rawIP(b); err == nil {
		return etherType, rest, nil
	}
	if len(b) >= 4+ethernetHeaderLen && be32(b)&0xFFFF0000 == 0 { // control word, then Ethernet
		return be16(b[4+12:]), b[4+ethernetHeaderLen:], nil
	}
	if len(b) >= ethernetHeaderLen {
		return be16(b[12:]), b[ethernetHeaderLen:], nil
	}
	return etherNone, nil, nil
}

// ipv4 decodes an IPv4 packet (RFC 791).
func (d *Decoder) ipv4(p *Packet, b []byte) error {
	if len(b) < ipv4HeaderLen || b[0]>>4 != 4 {
		p.Layers |= LayerMalformed
		return ErrMalformed
	}
	p.Layers |= LayerIPv4
	p.Proto, p.ToS, p.TTL = b[9], b[1], b[8]
	p.Src = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[12:16])), 0)
	p.Dst = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[16:20])), 0)
	head, total := int(b[0]&15)*4, int(be16(b[2:]))
	if total == 0 { // segmentation was left to the network card
		total = len(b)
	}
	if head < ipv4HeaderLen || head > len(b) || total < head {
		p.Layers |= LayerMalformed
		return ErrMalformed
	}
	if total <= len(b) {
		b = b[:total] // Ethernet pads
	} else {
		p.Cut = uint32(total - len(b))
	}
	if frag := be16(b[6:]); frag&0x3FFF != 0 {
		d.fragment(p, fragment{
			id: uint32(be16(b[4:])), proto: b[9], offset: int(frag&0x1FFF) * 8, more: frag&0x2000 != 0, data: b[head:],
		})
		return nil
	}
	d.transport(p, b[head:])
	return nil
}

// ipv6 decodes an IPv6 packet (RFC 8200).
func (d *Decoder) ipv6(p *Packet, b []byte) error {
	if len(b) < ipv6HeaderLen || b[0]>>4 != 6 {
		p.Layers |= LayerMalformed
		return ErrMalformed
	}
	p.Layers |= LayerIPv6
	p.Proto, p.ToS, p.TTL = b[6], b[0]<<4|b[1]>>4, b[7]
	p.Src = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])), 0)
	p.Dst = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[24:40])), 0)
	length := int(be16(b[4:]))
	b = b[ipv6HeaderLen:]
	switch {
	case length == 0: // a jumbogram (RFC 2675), or segmentation was left to the network card
	case length <= len(b):
		b = b[:length]
	default:
		p.Cut = uint32(length - len(b))
	}
	return d.extensions(p, b)
}

// Protocol numbers (https://www.iana.org/assignments/protocol-numbers).
const (
	protoHopByHop = 0
	protoICMP     = 1
	protoIPIP     = 4
	protoTCP      = 6
	protoUDP      = 17
	protoIPv6     = 41
	protoRouting  = 43
	protoFragment = 44
	protoGRE      = 47
	protoAH       = 51
	protoICMPv6   = 58
	protoDestOpts = 60
	protoEtherIP  = 97
	protoL2TP     = 115
	protoSCTP     = 132
	protoMobility = 135
	protoHIP      = 139
	protoShim6    = 140
)

// extensions walks IPv6 extension headers. Each takes eight bytes at least, so the packet bounds
// them.
func (d *Decoder) extensions(p *Packet, b []byte) error {
	for {
		var n int
		switch p.Proto {
		case protoHopByHop, protoRouting, protoDestOpts, protoMobility, protoHIP, protoShim6:
			if len(b) >= 8 {
				n = (int(b[1]) + 1) * 8
			}
		case protoAH:
			if len(b) >= 8 {
				n = (int(b[1]) + 2) * 4
			}
		case protoFragment:
			return d.fragmentHeader(p, b)
		default:
			d.transport(p, b)
			return nil
		}
		if n == 0 || n > len(b) {
			p.Layers |= LayerMalformed
			return nil // the addresses are valid
		}
		p.Proto, b = b[0], b[n:]
	}
}

// fragmentHeader decodes an IPv6 fragment header. A packet that is its only fragment is whole (RFC
// 6946).
func (d *Decoder) fragmentHeader(p *Packet, b []byte) error {
	if len(b) < 8 {
		p.Layers |= LayerMalformed
		return nil
	}
	f := fragment{
		id: be32(b[4:]), proto: b[0], offset: int(be16(b[2:]) &^ 7), more: b[3]&1 == 1, data: b[8:],
	}
	p.Proto = f.proto
	if f.offset == 0 && !f.more {
		return d.extensions(p, f.data)
	}
	d.fragment(p, f)
	return nil
}
