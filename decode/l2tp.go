package decode

// l2tp decodes the payload of an L2TP data message: PPP in version 2 (RFC 2661), a pseudowire in
// version 3 (RFC 3931 section 4.1.2.1).
func (d *Decoder) l2tp(p *Packet, b []byte) {
	if len(b) < 6 {
		return
	}
	flags := be16(b)
	if flags&0x8000 != 0 { // a control message
		return
	}
	switch flags & 0x000F {
	case 2:
	case 3:
		if len(b) >= 8 {
			d.pseudowire(p, b[8:])
		}
		return
	default:
		return
	}
	n := 6
	if flags&0x4000 != 0 { // length
		n += 2
	}
	if flags&0x0800 != 0 { // sequence numbers
		n += 4
	}
	if flags&0x0200 != 0 { // offset
		if len(b) < n+2 {
			return
		}
		n += 2 + int(be16(b[n:]))
	}
	if len(b) < n {
		return
	}
	if next, rest, err := ppp(b[n:]); err == nil {
		d.enclosed(p, next, rest)
	}
}

// pseudowire decodes the payload of an L2TP version 3 session. The endpoints negotiated its type
// earlier, and the lengths of the cookie (0, 4 or 8 bytes) and of the sublayer (0 or 4). So
// pseudowire tries offsets in order and accepts the first with an IP header whose length fits,
// behind Ethernet, PPP, HDLC or nothing.
func (d *Decoder) pseudowire(p *Packet, b []byte) {
	for n := 0; n <= 12 && n < len(b); n += 4 {
		if etherType, rest := carried(b[n:], int(p.Cut)); etherType != etherNone {
			d.enclosed(p, etherType, rest)
			return
		}
	}
}

// carried returns the IP packet in b, if b holds one. The last cut bytes of the packet are missing.
func carried(b []byte, cut int) (uint16, []byte) {
	if len(b) >= ethernetHeaderLen {
		etherType, rest := be16(b[12:]), b[ethernetHeaderLen:]
		for range 2 {
			if (etherType == etherVLAN || etherType == etherQinQ) && len(rest) >= 4 {
				etherType, rest = be16(rest[2:]), rest[4:]
			}
		}
		if fits(etherType, rest, cut) {
			return etherType, rest
		}
	}
	if etherType, rest, err := ppp(b); err == nil && fits(etherType, rest, cut) { // or Cisco HDLC
		return etherType, rest
	}
	if etherType, rest, err := rawIP(b); err == nil && fits(etherType, rest, cut) {
		return etherType, rest
	}
	return etherNone, nil
}

// fits reports whether b begins with an IP header whose length does not exceed b and the cut bytes.
func fits(etherType uint16, b []byte, cut int) bool {
	switch {
	case etherType == etherIPv4 && len(b) >= ipv4HeaderLen && b[0]>>4 == 4:
		n := int(be16(b[2:]))
		return b[0]&15 >= 5 && n >= ipv4HeaderLen && n <= len(b)+cut
	case etherType == etherIPv6 && len(b) >= ipv6HeaderLen && b[0]>>4 == 6:
		return int(be16(b[4:]))+ipv6HeaderLen <= len(b)+cut
	}
	return false
}
