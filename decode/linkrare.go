package decode

import "encoding/binary"

// arcnet strips an ARCnet header: addresses, then a protocol number at offset at. The numbers of
// RFC 1201 have a fragmentation header; only whole frames are decoded further.
func arcnet(b []byte, at int) (uint16, []byte, error) {
	if len(b) < at+1 {
		return 0, nil, ErrTruncated
	}
	protocol, rest := b[at], b[at+1:]
	switch protocol {
	case 0xF0: // RFC 1051
		return etherIPv4, rest, nil
	case 0xF1:
		return etherARP, rest, nil
	case 0xD4, 0xC4: // RFC 1201 section 2
	default:
		return etherNone, rest, nil
	}
	if len(rest) >= 4 && rest[0] == 0xFF { // exception: padding, then the header
		rest = rest[4:]
	}
	switch {
	case len(rest) < 3:
		return 0, nil, ErrTruncated
	case rest[0] != 0:
		return etherNone, rest[3:], nil
	case protocol == 0xC4:
		return etherIPv6, rest[3:], nil
	}
	return etherIPv4, rest[3:], nil
}

// nflog walks the attributes of a netfilter log message to the packet
// (https://www.tcpdump.org/linktypes/LINKTYPE_NFLOG.html). Their lengths and types are in the byte
// order of the capturing machine.
func nflog(b []byte) (uint16, []byte, error) {
	const payload = 9
	if len(b) < 4 {
		return 0, nil, ErrTruncated
	}
	for rest := b[4:]; len(rest) >= 4; {
		n, typ := int(binary.LittleEndian.Uint16(rest)), binary.LittleEndian.Uint16(rest[2:])
		if n > 0xFF && n&0xFF == 0 { // big endian, and short
			n, typ = int(be16(rest)), be16(rest[2:])
		}
		if n < 4 || n > len(rest) {
			return 0, nil, ErrMalformed
		}
		if typ&0x7FFF == payload {
			return familyType(uint32(b[0])), rest[4:n], nil
		}
		rest = rest[min((n+3)&^3, len(rest)):]
	}
	return etherNone, nil, nil
}

// ipnet strips the header of Solaris ipnet devices
// (https://www.tcpdump.org/linktypes/LINKTYPE_IPNET.html).
func ipnet(b []byte) (uint16, []byte, error) {
	const headerLen = 24
	if len(b) < headerLen {
		return 0, nil, ErrTruncated
	}
	if b[1] == 26 { // Solaris' AF_INET6
		return etherIPv6, b[headerLen:], nil
	}
	return familyType(uint32(b[1])), b[headerLen:], nil
}

// juniperEther strips the prefix that Junos adds before Ethernet: a magic number, flags and, if the
// flags announce them, extensions.
func juniperEther(b []byte) (uint16, []byte, error) {
	const (
		hasExtensions = 0x80
		noLinkHeader  = 0x02
	)
	if len(b) < 4 {
		return 0, nil, ErrTruncated
	}
	if b[0] != 'M' || b[1] != 'G' || b[2] != 'C' {
		return 0, nil, ErrMalformed
	}
	flags, rest := b[3], b[4:]
	if flags&hasExtensions != 0 {
		if len(rest) < 2 || len(rest) < 2+int(be16(rest)) {
			return 0, nil, ErrTruncated
		}
		rest = rest[2+int(be16(rest)):]
	}
	if flags&noLinkHeader != 0 {
		return rawIP(rest)
	}
	if len(rest) < ethernetHeaderLen {
		return 0, nil, ErrTruncated
	}
	return be16(rest[12:]), rest[ethernetHeaderLen:], nil
}

// rareTag strips a rare tag.
func rareTag(etherType uint16, b []byte) (uint16, []byte, error) {
	switch etherType {
	case etherVNTag:
		return fixedHeader(b, 6, 4)
	case etherETag: // IEEE 802.1BR section 11.1
		return fixedHeader(b, 8, 6)
	case etherITag: // IEEE 802.1ah: service instance, then the customer's Ethernet header
		return fixedHeader(b, 4+ethernetHeaderLen, 4+12)
	case etherFabricPath: // tree and time to live, then the hosts' Ethernet header
		return fixedHeader(b, 2+ethernetHeaderLen, 2+12)
	case etherTRILL:
		return trill(b)
	case etherNSH:
		return nsh(b)
	}
	return cmd(b)
}

// trill strips a TRILL header with its options (RFC 6325 section 3.2), and the hosts' Ethernet
// header.
func trill(b []byte) (uint16, []byte, error) {
	if len(b) < 2 {
		return 0, nil, ErrTruncated
	}
	if b[0]>>6 != 0 { // version
		return 0, nil, ErrMalformed
	}
	n := 6 + 4*int(be16(b)>>6&0x1F)
	return fixedHeader(b, n+ethernetHeaderLen, n+12)
}

// cmd strips Cisco MetaData: version, length in words, options of that length, EtherType.
func cmd(b []byte) (uint16, []byte, error) {
	if len(b) < 2 {
		return 0, nil, ErrTruncated
	}
	n := 2 + 4*max(int(b[1]), 1)
	return fixedHeader(b, n+2, n)
}

// nsh strips a Network Service Header (RFC 8300 section 2.2).
func nsh(b []byte) (uint16, []byte, error) {
	if len(b) < 8 {
		return 0, nil, ErrTruncated
	}
	n := int(be16(b)&0x3F) * 4
	switch {
	case n < 8 || b[0]>>6 != 0:
		return 0, nil, ErrMalformed
	case n > len(b):
		return 0, nil, ErrTruncated
	}
	rest := b[n:]
	switch b[3] {
	case 1:
		return etherIPv4, rest, nil
	case 2:
		return etherIPv6, rest, nil
	case 3:
		return fixedHeader(rest, ethernetHeaderLen, 12)
	case 4:
		return etherNSH, rest, nil
	case 5:
		return etherMPLS, rest, nil
	}
	return etherNone, rest, nil
}

// ppi strips a Per-Packet Information header, and the link header that follows it
// (https://www.tcpdump.org/linktypes/LINKTYPE_PPI.html).
func (d *Decoder) ppi(p *Packet, b []byte) (uint16, []byte, error) {
	const headerLen = 8
	if len(b) < headerLen {
		return 0, nil, ErrTruncated
	}
	n, link := int(binary.LittleEndian.Uint16(b[2:])), binary.LittleEndian.Uint32(b[4:])
	switch {
	case n < headerLen || link > 0xFFFF || LinkType(link) == LinkPPI:
		return 0, nil, ErrMalformed
	case n > len(b):
		return 0, nil, ErrTruncated
	case LinkType(link) == LinkEthernet: // the addresses are not where LayerEthernet expects them
		return fixedHeader(b[n:], ethernetHeaderLen, 12)
	}
	return d.link(p, LinkType(link), b[n:])
}
