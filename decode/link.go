package decode

import "encoding/binary"

// Built-in link types (https://www.tcpdump.org/linktypes.html). Others are passed to the fallback.
const (
	// BSD loopback: address family in the byte order of the capturing machine
	LinkNull       LinkType = 0
	LinkEthernet   LinkType = 1   // Ethernet
	LinkTokenRing  LinkType = 6   // IEEE 802.5
	LinkARCNet     LinkType = 7   // ARCnet
	LinkPPP        LinkType = 9   // PPP, with or without HDLC framing
	LinkFDDI       LinkType = 10  // FDDI
	LinkATM        LinkType = 100 // LLC/SNAP over ATM (RFC 1483)
	LinkRaw        LinkType = 101 // IPv4 or IPv6
	LinkHDLC       LinkType = 104 // Cisco HDLC
	LinkWiFi       LinkType = 105 // IEEE 802.11
	LinkFrameRelay LinkType = 107 // Frame Relay
	LinkLoop       LinkType = 108 // OpenBSD loopback: address family in network byte order
	LinkSLL        LinkType = 113 // Linux cooked capture
	LinkPFLog      LinkType = 117 // OpenBSD packet filter log
	LinkPrism      LinkType = 119 // IEEE 802.11 after a Prism header
	LinkRadiotap   LinkType = 127 // IEEE 802.11 after a radiotap header
	LinkAVS        LinkType = 163 // IEEE 802.11 after an AVS header
	LinkJuniper    LinkType = 178 // Juniper Ethernet
	// Per-Packet Information, then a frame of the link type that it names
	LinkPPI        LinkType = 192
	LinkIPNet      LinkType = 226 // Solaris ipnet
	LinkIPv4       LinkType = 228 // IPv4
	LinkIPv6       LinkType = 229 // IPv6
	LinkNFLog      LinkType = 239 // Linux netfilter log
	LinkSLL2       LinkType = 276 // Linux cooked capture, version 2
	LinkBRCM       LinkType = 281 // Ethernet with a Broadcom switch tag after the addresses
	LinkBRCMBefore LinkType = 282 // Ethernet with a Broadcom switch tag before the addresses
	LinkDSA        LinkType = 284 // Ethernet with a Marvell DSA tag after the addresses
	LinkEDSA       LinkType = 285 // Ethernet with a Marvell DSA tag in a separate EtherType

	// LinkDNSTap is private to visor: a frame is a dnstap message (see decode/dnstapmsg), which the
	// pipeline decodes. The registry does not reach this number.
	LinkDNSTap LinkType = 0xD257

	// LinkProbe is private to visor: a frame is an event of an active probe (see decode/probemsg).
	LinkProbe LinkType = 0xD258

	linkRaw12       LinkType = 12 // raw IP under the numbers of some systems' DLT_RAW
	linkRaw14       LinkType = 14
	linkARCNetLinux LinkType = 129
	linkPPPHDLC     LinkType = 50
	linkPPPEther    LinkType = 51
)

// EtherTypes (https://www.iana.org/assignments/ieee-802-numbers).
const (
	etherIPv4         = 0x0800
	etherARP          = 0x0806
	etherTEB          = 0x6558 // transparent Ethernet bridging
	etherRARP         = 0x8035
	etherVLAN         = 0x8100
	etherIPv6         = 0x86DD
	etherPPP          = 0x880B
	etherMPLS         = 0x8847
	etherMPLSMulti    = 0x8848
	etherPPPoE        = 0x8864
	etherFabricPath   = 0x8903 // Cisco FabricPath
	etherCMD          = 0x8909 // Cisco MetaData
	etherVNTag        = 0x8926 // Cisco VN-Tag
	etherETag         = 0x893F // IEEE 802.1BR
	etherNSH          = 0x894F
	etherQinQ         = 0x88A8
	etherITag         = 0x88E7 // IEEE 802.1ah
	etherERSPAN       = 0x88BE
	etherERSPAN3      = 0x22EB
	etherTRILL        = 0x22F3
	etherOldQinQ      = 0x9100
	etherOldQinQ2     = 0x9200
	etherOldQinQ3     = 0x9300
	etherMaxLength    = 1500 // up to here the field is a length (IEEE 802.3)
	etherNone         = 0    // an unknown network protocol
	ethernetHeaderLen = 14
)

func be16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }
func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }

// link strips the link header of a frame. It returns the EtherType and the bytes after the header.
func (d *Decoder) link(p *Packet, link LinkType, b []byte) (uint16, []byte, error) {
	switch link {
	case LinkEthernet:
		if len(b) < ethernetHeaderLen {
			return 0, nil, ErrTruncated
		}
		p.Layers |= LayerEthernet
		return be16(b[12:]), b[ethernetHeaderLen:], nil
	case LinkNull, LinkLoop:
		return loopback(b)
	case LinkRaw, LinkIPv4, LinkIPv6, linkRaw12, linkRaw14:
		return rawIP(b)
	case LinkSLL:
		return fixedHeader(b, 16, 14)
	case LinkSLL2:
		return fixedHeader(b, 20, 0)
	case LinkPPP, linkPPPHDLC:
		return ppp(b)
	case LinkHDLC:
		return fixedHeader(b, 4, 2)
	case linkPPPEther:
		return pppoe(b)
	case LinkPFLog:
		return pflog(b)
	case LinkATM:
		return llc(b)
	case LinkFrameRelay:
		return frameRelay(b)
	case LinkFDDI:
		if len(b) < 13 {
			return 0, nil, ErrTruncated
		}
		return llc(b[13:])
	case LinkTokenRing:
		return tokenRing(b)
	case LinkARCNet:
		return arcnet(b, 2)
	case linkARCNetLinux:
		return arcnet(b, 4)
	case LinkNFLog:
		return nflog(b)
	case LinkIPNet:
		return ipnet(b)
	case LinkJuniper:
		return juniperEther(b)
	case LinkWiFi, LinkPrism, LinkRadiotap, LinkAVS:
		return wifiAfter(link, b)
	case LinkPPI:
		return d.ppi(p, b)
	case LinkBRCM, LinkDSA:
		p.Layers |= LayerEthernet
		return fixedHeader(b, ethernetHeaderLen+4, 12+4)
	case LinkBRCMBefore: // the addresses are not where LayerEthernet expects them
		return fixedHeader(b, 4+ethernetHeaderLen, 4+12)
	case LinkEDSA:
		p.Layers |= LayerEthernet
		return fixedHeader(b, ethernetHeaderLen+8, 12+8)
	}
	return d.otherLink(link, b)
}

// otherLink is [Decoder.link] for link types that decode does not support.
func (d *Decoder) otherLink(link LinkType, b []byte) (uint16, []byte, error) {
	if d.fallback == nil {
		return 0, nil, ErrUnknownLink
	}
	etherType, rest, ok := d.fallback.Network(link, b)
	if !ok {
		return 0, nil, ErrUnknownLink
	}
	return etherType, rest, nil
}

// fixedHeader strips a header of n bytes with the EtherType at offset at. In cooked captures and
// HDLC the field may hold other numbers, which are unknown protocols.
func fixedHeader(b []byte, n, at int) (uint16, []byte, error) {
	if len(b) < n {
		return 0, nil, ErrTruncated
	}
	etherType := be16(b[at:])
	if etherType == 4 { // 802.2 in a cooked capture
		return llc(b[n:])
	}
	return etherType, b[n:], nil
}

// rawIP checks the version of the IP header.
func rawIP(b []byte) (uint16, []byte, error) {
	if len(b) == 0 {
		return 0, nil, ErrTruncated
	}
	switch b[0] >> 4 {
	case 4:
		return etherIPv4, b, nil
	case 6:
		return etherIPv6, b, nil
	}
	return 0, nil, ErrMalformed
}

// loopback reads an address family in either byte order. AF_INET is 2; AF_INET6 differs between
// systems. Some programs write an EtherType instead, after zeros or, as in Cisco HDLC, after
// 0x0F00.
func loopback(b []byte) (uint16, []byte, error) {
	if len(b) < 4 {
		return 0, nil, ErrTruncated
	}
	family, rest := be32(b), b[4:]
	if family > 0xFFFF {
		if little := binary.LittleEndian.Uint32(b); little <= 0xFFFF {
			family = little
		}
	}
	if etherType := uint16(family); etherType > etherMaxLength {
		return etherType, rest, nil
	}
	return familyType(family), rest, nil
}

// familyType returns the EtherType of an address family.
func familyType(family uint32) uint16 {
	switch family {
	case 2:
		return etherIPv4
	case 10, 23, 24, 28, 30:
		return etherIPv6
	}
	return etherNone
}

// ppp strips a PPP header (RFC 1661, RFC 1662). Address and control are optional, and the protocol
// may be compressed to one byte.
func ppp(b []byte) (uint16, []byte, error) {
	if len(b) >= 2 && (b[0] == 0xFF && b[1] == 0x03 || b[0] == 0x0F && b[1] == 0 || b[0] == 0x8F && b[1] == 0) {
		if b[0] != 0xFF { // Cisco HDLC, which shares the link type
			return fixedHeader(b, 4, 2)
		}
		b = b[2:]
	}
	if len(b) < 1 {
		return 0, nil, ErrTruncated
	}
	if b[0]&1 == 1 {
		return pppProtocol(uint16(b[0])), b[1:], nil
	}
	if len(b) < 2 {
		return 0, nil, ErrTruncated
	}
	return pppProtocol(be16(b)), b[2:], nil
}

func pppProtocol(n uint16) uint16 {
	switch n {
	case 0x0021:
		return etherIPv4
	case 0x0057:
		return etherIPv6
	case 0x0281:
		return etherMPLS
	case 0x0283:
		return etherMPLSMulti
	}
	return etherNone
}

// pppoe strips a PPPoE session header (RFC 2516).
func pppoe(b []byte) (uint16, []byte, error) {
	const headerLen = 6
	if len(b) < headerLen {
		return 0, nil, ErrTruncated
	}
	if b[0] != 0x11 {
		return 0, nil, ErrMalformed
	}
	if b[1] != 0 { // discovery
		return etherNone, b[headerLen:], nil
	}
	return ppp(b[headerLen:])
}

// pflog strips the header of OpenBSD's packet filter log: its length, padded to four bytes, and the
// address family.
func pflog(b []byte) (uint16, []byte, error) {
	if len(b) < 2 || len(b) < (int(b[0])+3)&^3 {
		return 0, nil, ErrTruncated
	}
	return familyType(uint32(b[1])), b[(int(b[0])+3)&^3:], nil
}

// llc strips IEEE 802.2 LLC, and SNAP behind it.
func llc(b []byte) (uint16, []byte, error) {
	switch {
	case len(b) >= 8 && b[0] == 0xAA && b[1] == 0xAA && b[2] == 3:
		return be16(b[6:]), b[8:], nil
	case len(b) >= 3 && b[0] == 6 && b[1] == 6 && b[2] == 3:
		return etherIPv4, b[3:], nil
	case len(b) < 3:
		return 0, nil, ErrTruncated
	}
	return etherNone, b, nil
}

// frameRelay strips a Q.922 address and the NLPID (RFC 2427).
func frameRelay(b []byte) (uint16, []byte, error) {
	n := 0
	for n < 4 && n < len(b) && b[n]&1 == 0 {
		n++
	}
	n++ // the last byte of the address
	if len(b) < n+2 {
		return 0, nil, ErrTruncated
	}
	if be16(b[n:]) > etherMaxLength { // Cisco: an EtherType
		return be16(b[n:]), b[n+2:], nil
	}
	b = b[n+1:] // after the control byte 0x03
	if b[0] == 0 {
		b = b[1:]
	}
	switch {
	case len(b) >= 6 && b[0] == 0x80:
		return be16(b[4:]), b[6:], nil
	case len(b) >= 1 && b[0] == 0xCC:
		return etherIPv4, b[1:], nil
	case len(b) >= 1 && b[0] == 0x8E:
		return etherIPv6, b[1:], nil
	}
	return etherNone, b, nil
}

// tokenRing strips an IEEE 802.5 header with its source route.
func tokenRing(b []byte) (uint16, []byte, error) {
	n := 14
	if len(b) < n {
		return 0, nil, ErrTruncated
	}
	if b[8]&0x80 != 0 {
		if len(b) < n+2 {
			return 0, nil, ErrTruncated
		}
		n += int(b[14] & 0x1F)
	}
	if len(b) < n {
		return 0, nil, ErrTruncated
	}
	return llc(b[n:])
}
