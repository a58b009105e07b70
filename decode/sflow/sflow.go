// Package sflow reads sFlow version 5 (https://sflow.org/sflow_version_5.txt): sampled packets that switches export.
//
//	d := sflow.New()
//	var e decode.Export
//	d.Decode(now, datagram, &e)
//	for i := range e.Flows {
//		total += e.Flows[i].Bytes * uint64(e.Flows[i].Sampling)
//	}
//
// A flow sample becomes a [decode.Flow] of one packet. Mostly it holds the packet's beginning, which [decode.Decoder.AddHeader] reads; some
// agents send the addresses instead. Counters samples are counted, and what is unknown is skipped by its length. A sample takes
// 30 ns, less its header, and allocates nothing. Versions 2 and 4, which have no lengths to skip by and went out of use by 2004, are
// not read.
package sflow

import (
	"encoding/binary"
	"net/netip"

	"visor/decode"
	"visor/internal/flowtable"
	"visor/internal/hash64"
)

// Stats counts what a Decoder has seen.
type Stats struct {
	Datagrams     uint64
	Malformed     uint64 // datagrams that contradict themselves, at least in part, or of unknown versions
	Flows         uint64 // flow samples
	Counters      uint64 // counters samples
	Others        uint64 // samples of unknown formats
	LostDatagrams uint64 // missing by sequence numbers
}

// Decoder decodes datagrams, and remembers the sequence numbers of agents. It is owned by one goroutine.
type Decoder struct {
	agents *flowtable.Table[uint32] // to the next sequence number
	stats  Stats
}

// maxAgents is how many agents and sub-agents are remembered.
const maxAgents = 4096

// New returns a Decoder.
func New() *Decoder {
	return &Decoder{agents: flowtable.New[uint32](flowtable.Config{Capacity: maxAgents})}
}

// Stats returns the counts since the Decoder was made.
func (d *Decoder) Stats() Stats { return d.stats }

// Decode reads a datagram that came at tsNS. It sets all fields of e but TimeNS; the memory of e.Flows is used again. Headers in
// them borrow from b.
func (d *Decoder) Decode(tsNS int64, b []byte, e *decode.Export) {
	*e = decode.Export{TimeNS: tsNS, Flows: e.Flows[:0]}
	d.stats.Datagrams++
	r := reader{b: b}
	d.datagram(&r, e)
	if r.failed {
		e.Broken = true
		d.stats.Malformed++
	}
	d.stats.Flows += uint64(len(e.Flows))
	d.stats.LostDatagrams += uint64(e.LostDatagrams)
}

// reader takes XDR items (RFC 4506) off the front of b. After the first that is not there it gives zeros.
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

func (r *reader) datagram(e *decode.Export) (agent uint64, sequence uint32, samples uint32) {
	const version = 5
	if r.uint32() != version {
		r.failed = true
		return 0, 0, 0
	}
	e.Device = r.address()
	agent = hash64.IPv6(e.Device.As16()) + hash64.Uint64(uint64(r.uint32())) // and sub-agent
	sequence = r.uint32()
	r.uint32() // uptime
	return agent, sequence, r.uint32()
}

func (r *reader) address() netip.Addr {
	const ipv4, ipv6 = 1, 2
	switch r.uint32() {
	case ipv4:
		if v := r.take(4); v != nil {
			return netip.AddrFrom4([4]byte(v))
		}
	case ipv6:
		if v := r.take(16); v != nil {
			return netip.AddrFrom16([16]byte(v))
		}
	}
	r.failed = true
	return netip.IPv4Unspecified()
}

// maxGap is the widest gap in sequence numbers that is taken for a loss. Beyond, the agent has started again.
const maxGap = 1 << 24

func (d *Decoder) datagram(r *reader, e *decode.Export) {
	agent, sequence, samples := r.datagram(e)
	if r.failed {
		return
	}
	next, known := d.agents.Get(agent)
	if !known {
		next = d.agents.Put(agent, e.TimeNS)
	} else if gap := sequence - *next; gap < maxGap {
		e.LostDatagrams = gap
	}
	*next = sequence + 1
	for ; samples > 0 && !r.failed; samples-- {
		format := r.uint32()
		s := r.part(r.uint32())
		if !r.failed {
			d.sample(format, &s, e)
			r.failed = s.failed
		}
	}
}

// sample reads a sample. Its format is a number of sflow.org, or of an enterprise, which stands in the upper 20 bits.
func (d *Decoder) sample(format uint32, r *reader, e *decode.Export) {
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

// flowSample reads a flow sample. It counts even if nothing is known of its packet.
func flowSample(r *reader, e *decode.Export, expanded bool) {
	f := decode.Flow{Packets: 1}
	r.uint32() // sequence number of the sample
	r.uint32() // source: type and index, or type alone
	if expanded {
		r.uint32()
	}
	f.Sampling = r.uint32()
	r.uint32() // pool
	r.uint32() // drops
	f.Input, f.Output = r.port(expanded), r.port(expanded)
	for records := r.uint32(); records > 0 && !r.failed; records-- {
		format := r.uint32()
		rec := r.part(r.uint32())
		if !r.failed {
			rec.packet(format, &f)
			r.failed = rec.failed
		}
	}
	if !r.failed {
		e.Flows = append(e.Flows, f)
	}
}

// port returns an ifIndex, or 0 if that is not what stands there: a number of ports, why the packet was dropped, or that it was for
// the device itself. The reference takes all of these for numbers of interfaces.
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

// packet reads what a record says of the sampled packet: its beginning, or fields of it.
func (r *reader) packet(format uint32, f *decode.Flow) {
	const rawHeader, ethernet, ipv4, ipv6 = 1, 2, 3, 4
	switch format {
	case rawHeader:
		r.header(f)
	case ethernet:
		if length := r.uint32(); f.Header == nil && f.Bytes == 0 {
			f.Bytes = uint64(length)
		}
	case ipv4, ipv6:
		r.fields(format == ipv6, f)
	}
}

func (r *reader) header(f *decode.Flow) {
	const protoEthernet, proto80211, protoPPP, protoIPv4, protoIPv6 = 1, 15, 7, 11, 12
	proto := r.uint32()
	f.Bytes = uint64(r.uint32())
	r.uint32() // stripped bytes
	f.Header = r.take(r.uint32())
	switch proto {
	case protoEthernet:
		f.HeaderLink = decode.LinkEthernet
	case protoIPv4, protoIPv6:
		f.HeaderLink = decode.LinkRaw
	case protoPPP:
		f.HeaderLink = decode.LinkPPP
	case proto80211:
		f.HeaderLink = decode.LinkWiFi
	default:
		f.Header = nil
	}
}

// fields reads addresses and ports. They win over a header, which agents that send both cut short.
func (r *reader) fields(v6 bool, f *decode.Flow) {
	f.Bytes = uint64(r.uint32())
	f.Proto = uint8(r.uint32())
	size := uint32(4)
	if v6 {
		size = 16
	}
	src, dst := r.take(size), r.take(size)
	f.SrcPort, f.DstPort = uint16(r.uint32()), uint16(r.uint32())
	r.uint32() // TCP flags
	f.ToS = uint8(r.uint32())
	if r.failed {
		return
	}
	f.Header = nil
	f.Src, _ = netip.AddrFromSlice(src)
	f.Dst, _ = netip.AddrFromSlice(dst)
}
