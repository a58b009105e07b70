// Package sflow reads sFlow version 5 (https://sflow.org/sflow_version_5.txt): sampled packets that
// switches export.
//
//	d := sflow.New()
//	var e decode.FlowDatagram
//	d.Decode(now, session, datagram, &e)
//	for i := range e.Flows {
//		total += e.Flows[i].Bytes * uint64(e.Flows[i].Sampling)
//	}
//
// A flow sample becomes a [decode.Flow] of one packet. Usually it holds the packet's beginning,
// which [decode.Decoder.AddHeader] reads; some agents send the addresses instead. Counters samples
// are counted. Unknown samples are skipped by their length. A sample takes 30 ns, without its
// header, and allocates nothing. Versions 2 and 4 are not supported: they have no lengths to skip
// by and were obsolete by 2004.
package sflow

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"visor/decode"
	"visor/internal/flowtable"
	"visor/sketch/hash64"
)

// Errors for unsupported datagrams, in addition to [decode.ErrMalformed].
var (
	ErrVersion = errors.New("sflow: unknown version")
	// UNKNOWN: the datagram does not name its device
	ErrAgent = errors.New("sflow: agent with address type 0")
)

// Stats counts the input of a Decoder.
type Stats struct {
	Datagrams uint64
	// datagrams that contradict themselves, at least in part, or have unknown versions or agents
	Malformed     uint64
	Flows         uint64 // flow samples
	Counters      uint64 // counters samples
	Others        uint64 // samples of unknown formats
	LostDatagrams uint64 // missing by sequence numbers
	Evicted       uint64 // agents evicted to make room
}

// Decoder decodes datagrams and remembers the sequence numbers of agents. It is owned by one
// goroutine.
type Decoder struct {
	agents *flowtable.Table[uint32] // next sequence number per agent
	hash   *hash64.Hasher           // of agents
	stats  Stats
}

// maxAgents is how many agents and sub-agents are remembered: at most 400 KiB.
const maxAgents = 4096

// New returns a Decoder.
func New() *Decoder {
	return &Decoder{agents: flowtable.New[uint32](flowtable.Config{Capacity: maxAgents}), hash: hash64.Random()}
}

// Stats returns the counts since the Decoder was made.
func (d *Decoder) Stats() Stats {
	st := d.stats
	st.Evicted = d.agents.Stats().Evicted
	return st
}

// Decode reads a datagram of a session that arrived at tsNS. It sets all fields of e except TimeNS
// and reuses the memory of e.Flows. Their Headers borrow from b. Device is the agent, or the sender
// if the agent has no address.
func (d *Decoder) Decode(tsNS int64, session decode.FlowSession, b []byte, e *decode.FlowDatagram) {
	*e = decode.FlowDatagram{TimeNS: tsNS, Device: session.From.Addr(), Flows: e.Flows[:0]}
	d.stats.Datagrams++
	r := reader{b: b}
	if e.Err = d.datagram(&r, session, e); e.Err != nil {
		d.stats.Malformed++
	}
	d.stats.Flows += uint64(len(e.Flows))
	d.stats.LostDatagrams += uint64(e.LostDatagrams)
}

// reader takes XDR items (RFC 4506) from the front of b. After the first missing item it returns
// zeros.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) uint32() uint32 {
	if v := r.take(4); v != nil {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

// take returns n bytes, or nil.
func (r *reader) take(n uint32) []byte {
	if uint64(n) > uint64(len(r.b)) {
		r.failed, r.b = true, nil
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

// part returns a reader of the next n bytes.
func (r *reader) part(n uint32) reader {
	b := r.take(n)
	return reader{b: b, failed: r.failed}
}

// header is the header of a datagram.
type header struct {
	agent    netip.Addr
	subAgent uint32
	sequence uint32
	samples  uint32
}

func (r *reader) datagram() (h header, err error) {
	const version = 5
	if v := r.uint32(); v != version && !r.failed {
		return h, ErrVersion
	}
	if h.agent, err = r.address(); err != nil {
		return h, err
	}
	h.subAgent, h.sequence = r.uint32(), r.uint32()
	r.uint32() // uptime
	h.samples = r.uint32()
	if r.failed {
		err = decode.ErrMalformed
	}
	return h, err
}

func (r *reader) address() (netip.Addr, error) {
	const unknown, ipv4, ipv6 = 0, 1, 2
	switch kind := r.uint32(); {
	case r.failed:
	case kind == unknown:
		return netip.Addr{}, ErrAgent
	case kind == ipv4:
		if v := r.take(4); v != nil {
			return netip.AddrFrom4([4]byte(v)), nil
		}
	case kind == ipv6:
		if v := r.take(16); v != nil {
			return netip.AddrFrom16([16]byte(v)), nil
		}
	}
	return netip.Addr{}, decode.ErrMalformed
}

// maxGap is the widest gap in sequence numbers that counts as a loss. Beyond, the agent has
// restarted.
const maxGap = 1 << 24

func (d *Decoder) datagram(r *reader, session decode.FlowSession, e *decode.FlowDatagram) error {
	h, err := r.datagram()
	if err != nil {
		return err
	}
	e.Device = h.agent
	e.LostDatagrams = d.missing(&h, session, e.TimeNS)
	for ; h.samples > 0 && !r.failed; h.samples-- {
		format := r.uint32()
		s := r.part(r.uint32())
		if !r.failed {
			d.sample(format, &s, e)
			r.failed = s.failed
		}
	}
	if r.failed {
		return decode.ErrMalformed
	}
	return nil
}

// missing returns how many datagrams of a session are missing before this one. Agents with the same
// private address behind several senders are counted separately.
func (d *Decoder) missing(h *header, session decode.FlowSession, tsNS int64) (n uint32) {
	agent := d.hash.IPv6(h.agent.As16()) + uint64(h.subAgent)
	key := d.hash.Pair(agent, d.hash.Pair(d.endpoint(session.From), d.endpoint(session.To)))
	next, known := d.agents.Get(key)
	if !known {
		next = d.agents.Put(key, tsNS)
	} else if gap := h.sequence - *next; gap < maxGap {
		n = gap
	}
	*next = h.sequence + 1
	return n
}

func (d *Decoder) endpoint(a netip.AddrPort) uint64 {
	return d.hash.IPv6(a.Addr().As16()) + uint64(a.Port())
}

// sample reads a sample. Its format is a number of sflow.org, or of an enterprise in the upper 20
// bits.
func (d *Decoder) sample(format uint32, r *reader, e *decode.FlowDatagram) {
	const flow, counters, expandedFlow, expandedCounters = 1, 2, 3, 4
	switch format {
	case flow:
		flowSample(r, e, false)
	case expandedFlow:
		flowSample(r, e, true)
	case counters, expandedCounters:
		e.Counters++
		d.stats.Counters++
	default:
		d.stats.Others++
	}
}

// flowSample reads a flow sample. It counts even if its packet is unknown.
func flowSample(r *reader, e *decode.FlowDatagram, expanded bool) {
	p := packet{flow: decode.Flow{Packets: 1}}
	r.uint32() // sequence number of the sample
	r.uint32() // source: type and index, or type alone
	if expanded {
		r.uint32()
	}
	p.flow.Sampling = r.uint32()
	r.uint32() // pool
	r.uint32() // drops
	p.flow.Input, p.flow.Output = r.port(expanded), r.port(expanded)
	for records := r.uint32(); records > 0 && !r.failed; records-- {
		format := r.uint32()
		rec := r.part(r.uint32())
		if !r.failed {
			p.record(format, &rec)
			r.failed = rec.failed
		}
	}
	if !r.failed {
		p.finish()
		e.Flows = append(e.Flows, p.flow)
	}
}

// port returns an ifIndex, or 0 if the field holds something else: a number of ports, the reason
// for a drop, or the device itself as destination. pktvisor takes all of these for interface
// numbers.
func (r *reader) port(expanded bool) uint32 {
	const formatBits = 30
	if expanded {
		format, index := r.uint32(), r.uint32()
		return indexOf(format, index)
	}
	v := r.uint32()
	return indexOf(v>>formatBits, v&(1<<formatBits-1))
}

func indexOf(format, index uint32) uint32 {
	const itself = 0x3FFFFFFF
	if format != 0 || index == itself {
		return 0
	}
	return index
}

// packet collects the records of a sample. They may come in any order.
type packet struct {
	flow     decode.Flow
	header   []byte
	link     decode.LinkType
	lengths  [3]uint32 // by measure
	measured [3]bool
}

// measure is the source of a length, the best first: the sampled frame, an Ethernet frame, the IP
// packet in it.
type measure int

const (
	sampledFrame measure = iota
	ethernetFrame
	ipPacket
)

func (p *packet) length(m measure, n uint32) { p.lengths[m], p.measured[m] = n, true }

// record reads a record: the packet's beginning, or fields of it.
func (p *packet) record(format uint32, r *reader) {
	const rawHeader, ethernet, ipv4, ipv6 = 1, 2, 3, 4
	switch format {
	case rawHeader:
		p.rawHeader(r)
	case ethernet:
		p.length(ethernetFrame, r.uint32())
	case ipv4, ipv6:
		p.fields(r, format == ipv6)
	}
}

func (p *packet) rawHeader(r *reader) {
	const protoEthernet, proto80211, protoPPP, protoIPv4, protoIPv6 = 1, 15, 7, 11, 12
	proto := r.uint32()
	p.length(sampledFrame, r.uint32())
	r.uint32() // stripped bytes
	header := r.take(r.uint32())
	switch proto {
	case protoEthernet:
		p.link = decode.LinkEthernet
	case protoIPv4, protoIPv6:
		p.link = decode.LinkRaw
	case protoPPP:
		p.link = decode.LinkPPP
	case proto80211:
		p.link = decode.LinkWiFi
	default:
		return
	}
	p.header = header
}

// fields reads addresses and ports.
func (p *packet) fields(r *reader, v6 bool) {
	p.length(ipPacket, r.uint32())
	proto := uint8(r.uint32())
	size := uint32(4)
	if v6 {
		size = 16
	}
	src, dst := r.take(size), r.take(size)
	srcPort, dstPort := uint16(r.uint32()), uint16(r.uint32())
	r.uint32() // TCP flags
	tos := uint8(r.uint32())
	if r.failed {
		return
	}
	f := &p.flow
	f.Proto, f.ToS, f.SrcPort, f.DstPort = proto, tos, srcPort, dstPort
	f.Src, _ = netip.AddrFromSlice(src)
	f.Dst, _ = netip.AddrFromSlice(dst)
}

// finish completes the flow. Its length is the frame's if any record has it. Addresses take
// precedence over a header, which agents that send both truncate.
func (p *packet) finish() {
	for m := range p.lengths {
		if p.measured[m] {
			p.flow.Bytes = uint64(p.lengths[m])
			break
		}
	}
	if !p.flow.Src.IsValid() {
		p.flow.Header, p.flow.HeaderLink = p.header, p.link
	}
}
