package flow

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"

	"visor/decode"
	"visor/decode/netflow"
	"visor/decode/sflow"
	"visor/geo"
	"visor/handler"
	"visor/handler/metric"
	"visor/sketch"
	"visor/sketch/hash64"
)

// NewShard returns the part of h for one worker.
func (h *Handler) NewShard() handler.Shard {
	h.shards.Add(1)
	s := &shard{
		Base:    h.NewBase(),
		h:       h,
		groups:  h.Info().Groups,
		devices: make(map[netip.Addr]*device),
	}
	if h.cfg.Geo != nil {
		s.geo = h.cfg.Geo.NewCache()
	}
	return s
}

type shard struct {
	handler.Base[Metrics]
	h        *Handler
	groups   metric.GroupSet
	geo      *geo.Cache    // nil without databases
	budget   sketch.Budget // of the live period
	trimmed  bool          // all memory kept for returning interfaces was released
	short    bool          // places for devices or interfaces were short
	devices  map[netip.Addr]*device
	rest     *device // the device Others; nil if the live period lacks one
	stranger device  // a device that is not remembered
	own      []*port // devices with their own metrics in the live period
	placed   int     // interfaces with their own metrics in the live period
	ports    int     // number of remembered interfaces
	view     view
	touched  uint64
}

// Shift closes the live period. It forgets devices and interfaces that were silent in it.
func (s *shard) Shift(startNS int64) {
	s.Base.Shift(startNS)
	if s.Live.Devices.Len() > 0 { // a single bucket keeps them
		return
	}
	s.budget.Used, s.trimmed, s.short = s.Live.Devices.Size(), false, false
	clear(s.own)
	s.own, s.rest, s.placed = s.own[:0], nil, 0
	if s.budget.Used > s.budget.Max/2 { // lists of the new period need room to grow
		s.trim()
	}
	for addr, d := range s.devices {
		if d.metrics == nil || d.merged {
			delete(s.devices, addr)
			s.ports -= len(d.ports)
			continue
		}
		d.metrics, d.others = nil, nil
		d.use.renew()
		d.all = slices.DeleteFunc(d.all, func(p *port) bool { return p.metrics == nil })
		s.ports -= len(d.ports) - len(d.all)
		clear(d.ports)
		for _, p := range d.all {
			d.ports[p.index] = p
			p.metrics, p.merged = nil, false
			p.use.renew()
		}
	}
}

// Keyed passes the hasher of keys to the geo cache.
func (s *shard) Keyed(h *hash64.Hasher) {
	if s.geo != nil {
		s.geo.Keyed(h)
	}
}

// Process counts the batch's flow records.
func (s *shard) Process(b *handler.Batch) {
	s.budget.Max = s.h.share()
	for i := range b.Flows {
		s.export(&b.Flows[i])
		if s.budget.Used > s.budget.Max {
			s.relieve()
		}
	}
}

func (s *shard) export(e *decode.FlowDatagram) {
	n := uint64(len(e.Flows))
	s.Events.Offered += n
	if e.Err != nil {
		s.Events.Offered++
		s.Events.Undecodable++
	}
	if n == 0 && !saysSomething(e) && s.devices[e.Device] == nil {
		// mostly templates, or garbage, which does not create a device for its sender. It counts
		// for the devices of this worker: one with several addresses or collectors may not be there
		return
	}
	d := s.device(e.Device, max(len(e.Flows), 1))
	m := d.metrics
	m.Counters.Add(uint64(e.Counters))
	m.LostRecords.Add(uint64(e.LostFlows))
	m.LostDatagrams.Add(uint64(e.LostDatagrams))
	m.HeldSets.Add(uint64(e.HeldSets))
	m.LostSets.Add(uint64(e.LostSets))
	switch {
	case unsupported(e.Err):
		m.Unsupported.Add(1)
	case e.Err != nil:
		m.Malformed.Add(1)
	}
	if s.h.cfg.OnlyInterfaces != nil && !d.listed {
		m.Filtered.Add(n + uint64(e.Counters)) // includes counters, as in pktvisor
		s.Events.Filtered += n
		return
	}
	for i := range e.Flows {
		s.flow(d, &e.Flows[i])
	}
}

// saysSomething reports whether a datagram without flows still comes from an exporter.
func saysSomething(e *decode.FlowDatagram) bool {
	return e.Counters > 0 || e.LostFlows|e.LostDatagrams|e.LostSets|e.HeldSets != 0 || errors.Is(e.Err, sflow.ErrAgent)
}

func unsupported(err error) bool {
	return errors.Is(err, sflow.ErrAgent) || errors.Is(err, sflow.ErrVersion) || errors.Is(err, netflow.ErrVersion)
}

// flow counts a record.
func (s *shard) flow(d *device, f *decode.Flow) {
	in, out := s.match(d, f)
	if !in && !out {
		d.metrics.Filtered.Add(1)
		s.Events.Filtered++
		return
	}
	d.metrics.Records.Add(1)
	deep := s.Sampler.Deep()
	if deep {
		s.Events.Deep++
	}
	v := &s.view
	v.set(f, s.rate(d, f))
	var from, to *port
	if in {
		from = s.port(d, f.Input)
	}
	if out {
		to = s.port(d, f.Output)
	}
	if from != nil && from.metrics == nil { // it was folded to make room for the other
		from = s.othersPort(d)
	}
	if deep {
		v.describe(s, f)
		s.touch(from, to)
	}
	if in {
		s.through(from, &from.metrics.in, &from.metrics.InBytes, &from.metrics.InPackets, deep)
	}
	if out {
		s.through(to, &to.metrics.out, &to.metrics.OutBytes, &to.metrics.OutPackets, deep)
	}
	if deep && s.groups.Has(groupTopInterfaces) {
		s.interfaces(d, from, to)
	}
}

// touch loads the memory that the record is counted in.
func (s *shard) touch(from, to *port) {
	if from != nil {
		s.touched ^= from.metrics.in.touch(&s.view)
	}
	if to != nil {
		s.touched ^= to.metrics.out.touch(&s.view)
	}
}

// interfaces counts the record in the lists of its device.
func (s *shard) interfaces(d *device, from, to *port) {
	if from != nil {
		d.metrics.in.Add(&from.key.PairKey, s.view.weight)
	}
	if to != nil {
		d.metrics.out.Add(&to.key.PairKey, s.view.weight)
	}
}

// rate returns the factor for the counts of a record.
func (s *shard) rate(d *device, f *decode.Flow) uint32 {
	if s.h.cfg.NoScaling {
		return 1
	}
	return max(cmp.Or(f.Sampling, d.rate), 1)
}

// through counts the record for its input or output interface, in the lists and volumes of that
// direction.
func (s *shard) through(p *port, lists *oneWay, bytes, packets *Volume, deep bool) {
	v, m := &s.view, p.metrics
	if s.groups.Has(groupBytes) {
		bytes.count(v, v.weight[byBytes])
	}
	if s.groups.Has(groupPackets) {
		packets.count(v, v.weight[byPackets])
	}
	if !deep || s.groups&(groupBytes|groupPackets) == 0 {
		return
	}
	old := lists.count(v, s.groups)
	m.both.count(v)
	if s.groups.Has(groupCardinality) {
		v.distinct(m, old)
	}
	if p.use.records >= p.weighed {
		s.weigh(p)
	}
}

// count updates the metrics that are exact at every sampling rate.
func (m *Volume) count(v *view, n uint64) {
	m.All.Add(n)
	for _, c := range [...]*sketch.Counter{v.l4.of(&m.UDP, &m.TCP, &m.OtherL4), v.l3.of(&m.IPv4, &m.IPv6)} {
		c.Add(n)
	}
}
