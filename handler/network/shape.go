package network

import (
	"net/netip"
	"strconv"

	"visor/handler/metric"
	"visor/sketch"
)

// Shape holds what traffic consists of, in both versions. Version 2.0 has it for each direction. It
// answers what a spike is made of: one protocol or port, small packets, half-open connections, a
// few subnets, or many new sources. pktvisor has none of these metrics.
//
// The growth of sources is the difference of two distinct counts: over the last periods with and
// without the newest one.
type Shape struct {
	TopProtocols metric.TopNumbers[Protocol] `metric:"top_protocol,shape" label:"protocol" help:"IP protocols, by the outermost header"`
	TopICMP      metric.TopNumbers[ICMPType] `metric:"top_icmp,shape" label:"type" help:"types of ICMP and ICMPv6 messages"`
	TopTTL       metric.TopNumbers[TTL]      `metric:"top_ttl,shape" label:"ttl" help:"times to live and hop limits of IP packets"`
	PacketBytes  metric.Sizes                `metric:"packet_bytes,shape" help:"length of packets on the wire, bytes"`
	Fragments    sketch.Counter              `metric:"fragments,shape" help:"fragments of IP packets"`

	Opening sketch.Counter `metric:"flags.syn_without_ack,shape" help:"TCP packets that ask for a connection: SYN without ACK"`
	Opened  sketch.Counter `metric:"flags.syn_ack,shape" help:"TCP packets that accept a connection: SYN with ACK"`
	FIN     sketch.Counter `metric:"flags.fin,shape" help:"TCP packets with the FIN flag"`
	RST     sketch.Counter `metric:"flags.rst,shape" help:"TCP packets with the RST flag"`

	TopSrcPorts metric.TopNumbers[metric.Port] `metric:"top_src_port,top_ports" label:"port" help:"source ports of UDP, TCP and SCTP packets"`
	TopDstPorts metric.TopNumbers[metric.Port] `metric:"top_dst_port,top_ports" label:"port" help:"destination ports of UDP, TCP and SCTP packets"`

	TopSubnets4 metric.Top[Subnet4] `metric:"top_ipv4_subnet,top_subnets" label:"subnet" help:"/24 networks of remote IPv4 addresses with the most packets"`
	TopSubnets6 metric.Top[Subnet6] `metric:"top_ipv6_subnet,top_subnets" label:"subnet" help:"/48 networks of remote IPv6 addresses with the most packets"`

	Sources sketch.Cardinality `metric:"cardinality.sources,sources" help:"distinct source addresses outside the local networks"`
}

// Protocol is an IP protocol number as a list key
// (https://www.iana.org/assignments/protocol-numbers).
type Protocol uint16

var protocolNames = map[Protocol]string{
	1: "ICMP", 2: "IGMP", 4: "IPIP", 6: "TCP", 17: "UDP", 41: "IPv6", 46: "RSVP", 47: "GRE", 50: "ESP", 51: "AH",
	58: "ICMPv6", 59: "no next header", 88: "EIGRP", 89: "OSPF", 97: "EtherIP", 103: "PIM", 112: "VRRP", 115: "L2TP",
	132: "SCTP", 136: "UDP-Lite",
}

// String returns the name of p, or its number if it is rare.
func (p Protocol) String() string {
	if name := protocolNames[p]; name != "" {
		return name
	}
	return strconv.Itoa(int(p))
}

// ICMPType is the type of an ICMP message as a list key. Types of ICMPv6 are from 256 on
// (https://www.iana.org/assignments/icmp-parameters).
type ICMPType uint16

// icmpv6 is the first ICMPType of ICMPv6.
const icmpv6 ICMPType = 256

var icmpNames = map[ICMPType]string{
	0: "echo reply", 3: "unreachable", 4: "source quench", 5: "redirect", 8: "echo request", 9: "router advertisement",
	10: "router solicitation", 11: "time exceeded", 12: "parameter problem", 13: "timestamp", 14: "timestamp reply",
	icmpv6 + 1: "unreachable", icmpv6 + 2: "packet too big", icmpv6 + 3: "time exceeded", icmpv6 + 4: "parameter problem",
	icmpv6 + 128: "echo request", icmpv6 + 129: "echo reply", icmpv6 + 130: "listener query", icmpv6 + 131: "listener report",
	icmpv6 + 132: "listener done", icmpv6 + 133: "router solicitation", icmpv6 + 134: "router advertisement",
	icmpv6 + 135: "neighbor solicitation", icmpv6 + 136: "neighbor advertisement", icmpv6 + 137: "redirect",
	icmpv6 + 143: "listener report v2",
}

// String returns the protocol, the number and the name of t: "ICMP 8 echo request".
func (t ICMPType) String() string {
	text := "ICMP " + strconv.Itoa(int(t))
	if t >= icmpv6 {
		text = "ICMPv6 " + strconv.Itoa(int(t-icmpv6))
	}
	if name := icmpNames[t]; name != "" {
		text += " " + name
	}
	return text
}

// TTL is a time to live or hop limit as a list key.
type TTL uint16

// String returns the number.
func (t TTL) String() string { return strconv.Itoa(int(t)) }

// Subnet4 is an IPv4 network of 24 bits as a list key.
type Subnet4 [3]byte

// Compare orders networks by their bytes.
func (s Subnet4) Compare(t Subnet4) int { return s.prefix().Addr().Compare(t.prefix().Addr()) }

// String returns the network with its length.
func (s Subnet4) String() string { return s.prefix().String() }

func (s Subnet4) prefix() netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{s[0], s[1], s[2]}), 24)
}

// Subnet6 is an IPv6 network of 48 bits as a list key.
type Subnet6 [6]byte

// Compare orders networks by their bytes.
func (s Subnet6) Compare(t Subnet6) int { return s.prefix().Addr().Compare(t.prefix().Addr()) }

// String returns the network with its length.
func (s Subnet6) String() string { return s.prefix().String() }

func (s Subnet6) prefix() netip.Prefix {
	var a [16]byte
	copy(a[:], s[:])
	return netip.PrefixFrom(netip.AddrFrom16(a), 48)
}
