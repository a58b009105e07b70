package filter

// operand is the kind of operand that follows a standalone keyword.
type operand uint8

const (
	nothing operand = iota
	numberNeeded
	numberAllowed
	wordAllowed
	byteTest
	elsewhere // in pcap-filter(7), but not for the supported link types
)

// standalone lists the keywords without qualifiers.
var standalone = map[string]operand{
	"broadcast": nothing, "multicast": nothing,
	"less": numberNeeded, "greater": numberNeeded, "byte": byteTest,
	"inbound": nothing, "outbound": nothing, "ifindex": numberNeeded,
	"vlan": numberAllowed, "mpls": numberAllowed, "pppoed": nothing, "pppoes": numberAllowed, "geneve": numberAllowed,
	"llc":  wordAllowed,
	"clnp": nothing, "esis": nothing, "es-is": nothing, "isis": nothing, "is-is": nothing,
	"l1": nothing, "l2": nothing, "iih": nothing, "lsp": nothing, "snp": nothing, "csnp": nothing, "psnp": nothing,

	"radio": elsewhere, "type": elsewhere, "subtype": elsewhere, "dir": elsewhere, "direction": elsewhere,
	"ra": elsewhere, "ta": elsewhere, "addr1": elsewhere, "addr2": elsewhere, "addr3": elsewhere, "addr4": elsewhere,
	"ifname": elsewhere, "on": elsewhere, "rnr": elsewhere, "rulenum": elsewhere, "reason": elsewhere, "rset": elsewhere,
	"ruleset": elsewhere, "srnr": elsewhere, "subrulenum": elsewhere, "action": elsewhere,
	"vpi": elsewhere, "vci": elsewhere, "lane": elsewhere, "oam": elsewhere, "oamf4": elsewhere, "oamf4ec": elsewhere,
	"oamf4sc": elsewhere, "metac": elsewhere, "bcc": elsewhere, "sc": elsewhere, "ilmic": elsewhere, "connectmsg": elsewhere,
	"metaconnect": elsewhere, "lssu": elsewhere, "fisu": elsewhere, "msu": elsewhere, "sio": elsewhere, "opc": elsewhere,
	"dpc": elsewhere, "sls": elsewhere,
}

// glue lists the keywords that join others.
var glue = map[string]bool{
	"and": true, "or": true, "not": true, "src": true, "dst": true, "host": true, "net": true, "mask": true, "port": true,
	"portrange": true, "proto": true, "protochain": true, "gateway": true, "len": true, "length": true,
}

// linkProtos maps protocols of the link header to EtherTypes
// (https://www.iana.org/assignments/ieee-802-numbers). Numbers below etherMaxLength are service
// access points (IEEE 802.2).
var linkProtos = map[string]uint32{
	"ip": etherIPv4, "ip6": etherIPv6, "arp": etherARP, "rarp": etherRARP, "atalk": etherAppleTalk, "aarp": etherAARP,
	"decnet": 0x6003, "lat": 0x6004, "moprc": 0x6002, "mopdl": 0x6001, "sca": 0x6007, "loopback": 0x9000,
	"iso": sapISO, "stp": 0x42, "ipx": sapIPX, "netbeui": sapNetBEUI,
}

// ipProtos maps protocols in IP headers to their numbers
// (https://www.iana.org/assignments/protocol-numbers) and IP versions.
var ipProtos = map[string]struct {
	number uint32
	v4, v6 bool
}{
	"icmp": {1, true, false}, "igmp": {2, true, false}, "tcp": {6, true, true}, "igrp": {9, true, false}, "udp": {17, true, true},
	"esp": {50, true, true}, "ah": {51, true, true}, "icmp6": {58, false, true}, "pim": {103, true, true},
	"vrrp": {112, true, false}, "carp": {112, true, false}, "sctp": {132, true, true},
}

// protoNumbers are further names of IP protocols after 'proto', as in /etc/protocols.
var protoNumbers = map[string]uint32{
	"hopopt": 0, "ggp": 3, "ipencap": 4, "ipv4": 4, "st": 5, "egp": 8, "pup": 12, "hmp": 20, "xns-idp": 22, "rdp": 27, "iso-tp4": 29,
	"dccp": 33, "xtp": 36, "ddp": 37, "idpr-cmtp": 38, "ipv6": 41, "ipv6-route": 43, "ipv6-frag": 44, "idrp": 45, "rsvp": 46,
	"gre": 47, "ipv6-icmp": 58, "ipv6-nonxt": 59, "ipv6-opts": 60, "rspf": 73, "vmtp": 81, "eigrp": 88, "ospf": 89, "ospfigp": 89,
	"ax.25": 93, "ipip": 94, "etherip": 97, "encap": 98, "ipcomp": 108, "l2tp": 115, "fc": 133, "mobility-header": 135,
	"udplite": 136, "mpls-in-ip": 137, "hip": 139, "shim6": 140, "wesp": 141, "rohc": 142,
}

// isoProtos maps protocols of OSI networks to their first byte.
var isoProtos = map[string]uint32{"clnp": 0x81, "esis": 0x82, "es-is": 0x82, "isis": 0x83, "is-is": 0x83}

// isisTypes maps keywords to types of IS-IS PDUs (ISO 10589, section 9).
var isisTypes = map[string][]uint32{
	"l1": {26, 24, 18, 15, 17}, "l2": {27, 25, 20, 16, 17}, "iih": {15, 16, 17}, "lsp": {18, 20},
	"snp": {26, 24, 27, 25}, "csnp": {24, 25}, "psnp": {26, 27},
}

// llcTypes maps keywords to masks and values of the control field (IEEE 802.2, section 5).
var llcTypes = map[string]*struct{ mask, value uint32 }{
	"i": {0x01, 0x00}, "s": {0x03, 0x01}, "u": {0x03, 0x03},
	"rr": {0x0F, 0x01}, "rnr": {0x0F, 0x05}, "rej": {0x0F, 0x09},
	"ui": {0xEF, 0x03}, "ua": {0xEF, 0x63}, "disc": {0xEF, 0x43}, "dm": {0xEF, 0x0F}, "sabme": {0xEF, 0x6F}, "test": {0xEF, 0xE3},
	"xid": {0xEF, 0xAF}, "frmr": {0xEF, 0x87},
}

// constants maps names to numbers: offsets and values of fields of ICMP, ICMPv6 and TCP.
var constants = map[string]uint32{
	"icmptype": 0, "icmpcode": 1, "icmp6type": 0, "icmp6code": 1, "tcpflags": 13,

	"icmp-echoreply": 0, "icmp-unreach": 3, "icmp-sourcequench": 4, "icmp-redirect": 5, "icmp-echo": 8, "icmp-routeradvert": 9,
	"icmp-routersolicit": 10, "icmp-timxceed": 11, "icmp-paramprob": 12, "icmp-tstamp": 13, "icmp-tstampreply": 14, "icmp-ireq": 15,
	"icmp-ireqreply": 16, "icmp-maskreq": 17, "icmp-maskreply": 18,

	"icmp6-destinationunreach": 1, "icmp6-packettoobig": 2, "icmp6-timeexceeded": 3, "icmp6-parameterproblem": 4,
	"icmp6-echo": 128, "icmp6-echoreply": 129, "icmp6-multicastlistenerquery": 130, "icmp6-multicastlistenerreportv1": 131,
	"icmp6-multicastlistenerdone": 132, "icmp6-routersolicit": 133, "icmp6-routeradvert": 134, "icmp6-neighborsolicit": 135,
	"icmp6-neighboradvert": 136, "icmp6-redirect": 137, "icmp6-routerrenum": 138, "icmp6-nodeinformationquery": 139,
	"icmp6-nodeinformationresponse": 140, "icmp6-ineighbordiscoverysolicit": 141, "icmp6-ineighbordiscoveryadvert": 142,
	"icmp6-multicastlistenerreportv2": 143, "icmp6-homeagentdiscoveryrequest": 144, "icmp6-homeagentdiscoveryreply": 145,
	"icmp6-mobileprefixsolicit": 146, "icmp6-mobileprefixadvert": 147, "icmp6-certpathsolicit": 148, "icmp6-certpathadvert": 149,
	"icmp6-multicastrouteradvert": 151, "icmp6-multicastroutersolicit": 152, "icmp6-multicastrouterterm": 153,

	"tcp-fin": 0x01, "tcp-syn": 0x02, "tcp-rst": 0x04, "tcp-push": 0x08, "tcp-ack": 0x10, "tcp-urg": 0x20, "tcp-ece": 0x40, "tcp-cwr": 0x80,
}

// protoAliases returns "ether" for names of the link layer.
func protoAliases(word string) string {
	switch word {
	case "ether", "link", "fddi", "tr", "wlan", "ppp", "slip":
		return "ether"
	}
	return word
}

// isProto reports whether word is a qualifier or abbreviation for a protocol.
func isProto(word string) bool {
	_, link := linkProtos[word]
	_, ip := ipProtos[word]
	return link && word != "loopback" || ip || protoAliases(word) == "ether"
}

func isKeyword(word string) bool {
	_, alone := standalone[word]
	_, named := constants[word]
	return alone || named || glue[word] || isProto(word)
}
