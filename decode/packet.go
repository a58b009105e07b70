package decode

import "net/netip"

// LinkType is a LINKTYPE_ number of the tcpdump registry (https://www.tcpdump.org/linktypes.html),
// as in capture files.
type LinkType uint16

// LayerSet is the set of layers found in a frame. Network and transport bits refer to the outermost
// headers. [Packet.Inner] holds the payload of tunnels and reassembled datagrams.
type LayerSet uint32

// The layers.
const (
	LayerEthernet LayerSet = 1 << iota
	LayerVLAN
	LayerMPLS
	LayerPPPoE
	LayerARP
	LayerIPv4
	LayerIPv6
	LayerFragment // the IP header makes this packet a fragment, the first one or a later one
	LayerUDP
	LayerTCP
	LayerSCTP
	LayerICMP
	LayerICMPv6
	// not a packet, but a dnstap message: Src sent the query and Dst answers, whatever the
	// message's direction
	LayerDNSTap
	LayerProbe     // not a packet, but an event of an active probe (probemsg) as its payload
	LayerMalformed // a header is cut or contradicts itself; earlier layers are valid

	LayerIP = LayerIPv4 | LayerIPv6
)

// Has reports whether any layer of l is in s.
func (s LayerSet) Has(l LayerSet) bool { return s&l != 0 }

// Direction is the direction of a packet relative to the user's networks.
type Direction uint8

// The directions.
const (
	Unknown  Direction = iota // neither address is ours, or no networks are configured
	ToHost                    // the destination is ours: "in"
	FromHost                  // the source is ours and the destination is not: "out"
)

// String returns "in", "out" or "unknown".
func (d Direction) String() string { return [...]string{"unknown", "in", "out"}[d%3] }

// Packet is one decoded frame. Slices in it borrow from the frame, or from the Decoder for
// reassembled datagrams.
type Packet struct {
	TimeNS  int64  // capture time, ns since the Unix epoch
	Frame   []byte // from the link header on, cut at the snaplen
	Payload []byte // after the transport header, within the IP length; empty in a later fragment
	// valid iff Layers has LayerIP; port 0 unless UDP, TCP or SCTP was found. A dnstap message may
	// lack it
	Src netip.AddrPort
	Dst netip.AddrPort // like Src
	// the packet inside this one: tunnelled, or the datagram that this fragment completed; nil
	// without one
	Inner   *Packet
	WireLen uint32   // length on the wire, bytes; not below len(Frame)
	Cut     uint32   // bytes missing at the payload's end because of the snaplen
	Layers  LayerSet // what was found
	Seq     uint32   // TCP sequence number, valid iff LayerTCP
	Ack     uint32   // TCP acknowledgment number, valid iff LayerTCP and FlagACK is set
	Link    LinkType // the type of Frame's first header
	Proto   uint8    // IP protocol number after extension headers, valid iff LayerIP
	// IPv4 type of service or IPv6 traffic class: DSCP and ECN (RFC 2474, RFC 3168), valid iff
	// LayerIP
	ToS        uint8
	TTL        uint8     // IPv4 time to live or IPv6 hop limit, valid iff LayerIP
	Flags      uint8     // TCP flags, valid iff LayerTCP
	Dir        Direction // set by the pipeline, not by the Decoder
	DNSTapType uint8     // dnstapmsg.Type, valid iff LayerDNSTap; set by the pipeline
	DNSTapVia  uint8     // dnstapmsg.Protocol, valid and set like DNSTapType
}

// TCP flags (RFC 9293 section 3.1).
const (
	FlagFIN uint8 = 1 << iota
	FlagSYN
	FlagRST
	FlagPSH
	FlagACK
	FlagURG
	FlagECE
	FlagCWR
)

// IPInIP reports whether p's payload is an IP packet without a header in between (RFC 2003, RFC
// 2473, RFC 4213).
func (p *Packet) IPInIP() bool {
	return p.Layers.Has(LayerIP) && (p.Proto == protoIPIP || p.Proto == protoIPv6)
}

// Innermost returns the packet at the end of the Inner chain: p itself unless p is a tunnel or
// completes a fragmented datagram.
func (p *Packet) Innermost() *Packet {
	for p.Inner != nil {
		p = p.Inner
	}
	return p
}
