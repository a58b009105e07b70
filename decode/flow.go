package decode

import "net/netip"

// Export is what one datagram of a flow exporter holds: NetFlow, IPFIX or sFlow. Its Flows are
// valid until it is decoded into again.
type Export struct {
	TimeNS   int64      // when the datagram was captured, ns since the Unix epoch
	Device   netip.Addr // the exporter: the agent address of sFlow, else the datagram's source
	Flows    []Flow     // in the order of the datagram
	Counters int        // counters samples of sFlow
	Err      error      // why the datagram, or its rest after Flows, was not read; nil if all of it was

	// What is known to be missing, from the sequence numbers of the exporter: since its previous
	// datagram, so many flows or so many datagrams did not arrive. Which of the two depends on the
	// protocol. A datagram that another one overtakes is taken for a lost one. Data sets whose
	// template did not come in time are lost as well.
	LostFlows     uint32
	LostDatagrams uint32
	LostSets      uint32

	HeldSets uint32 // data sets of this datagram that have no template yet
	// data sets of earlier datagrams whose template is in this one: Flows holds their records
	FoundSets uint32
}

// Observed is where an exporter observed a flow: IE 61, flowDirection.
type Observed uint8

// The values of Observed.
const (
	Anywhere  Observed = iota // not stated
	AtIngress                 // as it came in through the input interface
	AtEgress                  // as it went out through the output interface
)

// Flow is what an exporter reports of one flow, or of one sampled packet. Fields that it leaves out
// are zero. A bidirectional flow (RFC 5103) is two of them.
type Flow struct {
	Src, Dst netip.Addr // invalid if the flow is not of IP
	Bytes    uint64     // as exported; see Sampling
	Packets  uint64
	// one in so many packets was looked at; 0 if the exporter states no rate
	Sampling         uint32
	Input, Output    uint32 // SNMP ifIndex
	SrcPort, DstPort uint16 // of UDP, TCP or SCTP; of sampled ICMP packets type and code
	Proto            uint8  // IP protocol number
	ToS              uint8  // IPv4 type of service or IPv6 traffic class
	Observed         Observed
	HeaderLink       LinkType
	// the beginning of a sampled packet, in place of addresses; it borrows from the datagram.
	// HeaderLink says how it begins
	Header []byte
}

// AddHeader sets the addresses, ports, protocol and class of f from its Header. d must be kept for
// headers: what it sees of fragments are samples, that belong together by chance at most.
func (d *Decoder) AddHeader(f *Flow) {
	p := Packet{Frame: f.Header, WireLen: uint32(f.Bytes), Link: f.HeaderLink}
	d.Reset()
	// what could be read of a cut header is good enough
	if _ = d.Decode(&p); !p.Layers.Has(LayerIP) {
		return
	}
	f.Src, f.Dst, f.SrcPort, f.DstPort = p.Src.Addr(), p.Dst.Addr(), p.Src.Port(), p.Dst.Port()
	f.Proto, f.ToS = p.Proto, p.ToS
	if p.Layers.Has(LayerICMP) && len(p.Payload) >= 2 {
		f.SrcPort, f.DstPort = uint16(p.Payload[0]), uint16(p.Payload[1])
	}
}
