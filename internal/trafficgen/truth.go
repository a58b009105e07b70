package trafficgen

import (
	"iter"
	"net/netip"
	"slices"
)

// Truth is the content of frames, counted exactly during their generation. A returned Truth is
// immutable, unless its owner writes to its fields.
//
// A DNS message counts once. Over TCP it counts with its last byte, however often a segment is
// repeated; in fragments it counts with the last of them.
type Truth struct {
	Packets, Bytes  uint64 // frames, and their bytes from the Ethernet header on
	FirstNS, LastNS int64  // times of the first and last frame, ns since the Unix epoch
	IPv4, IPv6, ARP uint64 // frames
	UDP, TCP        uint64 // frames; in UDP all fragments are, too
	ICMP, ICMPv6    uint64 // frames
	VLAN            uint64 // frames with a tag
	Fragments       uint64 // frames with a fragment
	LaterFragments  uint64 // later fragments, without ports
	// IP packets whose destination is local, including those between local hosts
	ToLocal       uint64
	FromLocal     uint64 // all other IP packets: their source is local
	DNSQueries    uint64 // messages
	DNSResponses  uint64
	DNSTCP        uint64 // messages over TCP, queries and responses
	DNSFragmented uint64 // responses in fragments
	// responses without error and without answers that were not truncated
	NoData       uint64
	DNSTruncated uint64 // responses with TC
	// transactions: queries and their responses; all responses have a query
	Matched              uint64
	LatencyNS            int64 // sum over all matched transactions
	MinLatency           int64 // ns; 0 without transactions
	MaxLatency           int64
	FloodNX, FloodVictim uint64      // queries that are part of attacks
	QTypes               [256]uint64 // queries by type
	ResponseQTypes       [256]uint64 // responses by type
	RCodes               [16]uint64  // responses by RCODE
	DistinctQNames       uint64      // without regard to case
	DistinctClients      uint64      // addresses that sent DNS queries

	gen     *Gen
	names   [3][]Count // by source and number
	clients []Count
}

// Count is the number of occurrences of a key.
type Count struct{ Queries, Responses uint32 }

func newTruth(g *Gen) Truth {
	t := Truth{gen: g, clients: make([]Count, g.cfg.Clients)}
	t.names[fromTable] = make([]Count, g.cfg.Names)
	return t
}

func (t *Truth) clone() Truth {
	out := *t
	out.clients = slices.Clone(t.clients)
	for i := range out.names {
		out.names[i] = slices.Clone(t.names[i])
	}
	return out
}

// Names yields all queried names, in lower case and without the final dot, with the exact number of
// their messages. The order is arbitrary but stable.
func (t *Truth) Names() iter.Seq2[string, Count] {
	return func(yield func(string, Count) bool) {
		if t.gen == nil {
			return
		}
		var wire, text []byte
		for from, counts := range t.names {
			for i, c := range counts {
				if c.Queries == 0 {
					continue
				}
				wire = t.gen.appendQName(wire[:0], &exchange{name: uint32(i), source: source(from)})
				text = appendText(text[:0], wire)
				if !yield(string(text), c) {
					return
				}
			}
		}
	}
}

// Clients yields all addresses that sent DNS queries, with the exact number of their messages.
func (t *Truth) Clients() iter.Seq2[netip.Addr, Count] {
	return func(yield func(netip.Addr, Count) bool) {
		for i, c := range t.clients {
			if c.Queries != 0 && !yield(t.gen.host(uint32(i)).netip(), c) {
				return
			}
		}
	}
}

// countFrame counts a frame below DNS.
func (t *Truth) countFrame(s *session, frame []byte, now int64) {
	if t.Packets == 0 {
		t.FirstNS = now
	}
	t.LastNS = now
	t.Packets++
	t.Bytes += uint64(len(frame))
	if s.flow.vlan != 0 {
		t.VLAN++
	}
	switch s.proto {
	case protoUDP:
		t.UDP++
	case protoTCP:
		t.TCP++
	case protoICMP:
		t.ICMP++
	case protoICMPv6:
		t.ICMPv6++
	default:
		t.ARP++
		return
	}
	if s.flow.v6 {
		t.IPv6++
	} else {
		t.IPv4++
	}
	t.countDirection(s)
}

// countDirection counts the direction of the latest frame: s.at is behind it.
func (t *Truth) countDirection(s *session) {
	dir := direction(s.at - 1)
	if s.kind != kindDNS {
		dir = s.items[s.at-1].dir
	}
	if s.flow.ends[1-dir].ours {
		t.ToLocal++
	} else {
		t.FromLocal++
	}
}

func (t *Truth) countQuery(x *exchange) {
	t.DNSQueries++
	t.QTypes[x.qtype&0xFF]++
	switch x.source {
	case fromNXFlood:
		t.FloodNX++
	case fromVictim:
		t.FloodVictim++
	}
	for int(x.name) >= len(t.names[x.source]) { // a flood's numbers are consecutive
		t.names[x.source] = append(t.names[x.source], Count{})
	}
	n := &t.names[x.source][x.name]
	if n.Queries == 0 {
		t.DistinctQNames++
	}
	n.Queries++
	c := &t.clients[x.client]
	if c.Queries == 0 {
		t.DistinctClients++
	}
	c.Queries++
}

func (t *Truth) countResponse(x *exchange, latency int64) {
	t.DNSResponses++
	t.ResponseQTypes[x.qtype&0xFF]++
	t.RCodes[x.rcode&15]++
	t.names[x.source][x.name].Responses++
	t.clients[x.client].Responses++
	switch {
	case x.cut:
		t.DNSTruncated++
	case x.noData:
		t.NoData++
	}
	if t.Matched == 0 || latency < t.MinLatency {
		t.MinLatency = latency
	}
	t.MaxLatency = max(t.MaxLatency, latency)
	t.LatencyNS += latency
	t.Matched++
}
