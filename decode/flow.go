package decode

import "net/netip"

// FlowDatagram is the content of one datagram of a flow exporter: NetFlow, IPFIX or sFlow. Its
// Flows are valid until the next Decode into it.
type FlowDatagram struct {
	TimeNS   int64      // when the datagram was captured, ns since the Unix epoch
	Device   netip.Addr // the exporter: the agent address of sFlow, otherwise the datagram's source
	Flows    []Flow     // in the order of the datagram
	Counters int        // counters samples of sFlow
	// why the datagram, or its rest after Flows, was not read; nil if all of it was
	Err error

	// Losses since the exporter's previous datagram, derived from gaps in its sequence numbers.
	// Depending on the protocol they count flows or datagrams. A reordered datagram counts as lost.
	// Data sets whose template did not arrive in time are lost as well.
	LostFlows     uint32
	LostDatagrams uint32
	LostSets      uint32

	HeldSets uint32 // data sets of this datagram that still lack their template
	// data sets of earlier datagrams whose template is in this one: Flows holds their records
	FoundSets uint32
}

// FlowSession identifies the transport session of a flow exporter and a collector (RFC 7011 section
// 2). Templates and sequence numbers belong to one session. An exporter with two collectors has two
// sessions.
type FlowSession struct {
	From netip.AddrPort // the exporter
	To   netip.AddrPort // the collector
}

// Observed is where an exporter observed a flow: IE 61, flowDirection.
type Observed uint8

// The values of Observed.
const (
	Anywhere  Observed = iota // not stated
	AtIngress                 // on entry through the input interface
	AtEgress                  // on exit through the output interface
)

// Flow is one exported flow record or sampled packet. Fields that the exporter omits are zero. A
// bidirectional flow (RFC 5103) becomes two Flows.
type Flow struct {
	Src, Dst netip.Addr // invalid if the flow is not IP
	Bytes    uint64     // as exported; see Sampling
	Packets  uint64
	// one packet in Sampling was examined; 0 if the exporter states no rate
	Sampling         uint32
	Input, Output    uint32 // SNMP ifIndex
	SrcPort, DstPort uint16 // for UDP, TCP or SCTP; type and code for sampled ICMP packets
	Proto            uint8  // IP protocol number
	ToS              uint8  // IPv4 type of service or IPv6 traffic class
	Observed         Observed
	HeaderLink       LinkType
	// the beginning of a sampled packet, in place of addresses; it borrows from the datagram.
	// HeaderLink is its link type
	Header []byte
}

// AddHeader sets the addresses, ports, protocol and class of f from its Header. Use a separate d
// for headers: sampled fragments belong together only by chance.
func (d *Decoder) AddHeader(f *Flow) {
	p := Packet{Frame: f.Header, WireLen: uint32(f.Bytes), Link: f.HeaderLink}
	d.Reset()
	// the readable part of a cut header is sufficient
	if _ = d.Decode(&p); !p.Layers.Has(LayerIP) {
		return
	}
	f.Src, f.Dst, f.SrcPort, f.DstPort = p.Src.Addr(), p.Dst.Addr(), p.Src.Port(), p.Dst.Port()
	f.Proto, f.ToS = p.Proto, p.ToS
	if p.Layers.Has(LayerICMP) && len(p.Payload) >= 2 {
		f.SrcPort, f.DstPort = uint16(p.Payload[0]), uint16(p.Payload[1])
	}
}
