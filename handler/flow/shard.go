package flow

import (
	"cmp"
	"errors"
	"net/netip"
	"strconv"

	"visor/decode"
	"visor/decode/netflow"
	"visor/decode/sflow"
	"visor/geo"
	"visor/handler"
	"visor/sketch"
)

// NewShard returns the part of h that one worker owns.
func (h *Handler) NewShard() handler.Shard {
	s := &shard{
		Base:    handler.NewBase(h.schema, h.info, h.cfg.DeepSample),
		h:       h,
		groups:  h.info.Groups,
		devices: make(map[netip.Addr]*device),
	}
	if h.cfg.Geo != nil {
		s.geo = h.cfg.Geo.NewCache()
	}
	return s
}

type shard struct {
	handler.Base[Metrics]
	h       *Handler
	groups  handler.GroupSet
	geo     *geo.Cache             // nil without databases
	devices map[netip.Addr]*device // seen in the live period
	ports   int                    // interfaces of all devices that have metrics in the live period
	known   int                    // and those that are remembered
	view    view
}

// device is what is known of an exporter, and its metrics of the live period; nil if it has sent nothing in it.
type device struct {
	name    string
	names   map[uint32]string // of interfaces
	only    []Range           // interfaces that count, if listed
	listed  bool
	rate    uint32 // of sampling, if a record's exporter states none
	metrics *Device
	ports   map[uint32]*port
}

// port is an interface of a device, and its metrics of the live period; nil if there are too many to keep it apart.
type port struct {
	name    string
	used    bool // in the live period
	metrics *Interface
}

// Shift closes the live period. What has sent nothing in it is forgotten.
func (s *shard) Shift(startNS int64) {
	s.Base.Shift(startNS)
	if s.Live.Devices.Len() > 0 { // there is but one period
		return
	}
	s.ports = 0
	for addr, d := range s.devices {
		if d.metrics == nil {
			delete(s.devices, addr)
			s.known -= len(d.ports)
			continue
		}
		d.metrics = nil
		for index, p := range d.ports {
			if !p.used {
				delete(d.ports, index)
				s.known--
			}
			p.used, p.metrics = false, nil
		}
	}
}

// Process counts the batch's flow records.
func (s *shard) Process(b *handler.Batch) {
	s.StartPass()
	for i := range b.Exports {
		s.export(&b.Exports[i])
	}
}

func (s *shard) export(e *decode.Export) {
	n := uint64(len(e.Flows))
	s.Tally.Offered += n
	if e.Err != nil {
		s.Tally.Offered++
		s.Tally.Undecodable++
	}
	if n == 0 && !saysSomething(e) && s.devices[e.Device] == nil {
		return // templates, mostly, or garbage, which makes nobody a device
	}
	d := s.device(e.Device)
	if d == nil {
		s.Tally.Dropped += n
		return
	}
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
		m.Filtered.Add(n + uint64(e.Counters)) // counters too, as in pktvisor
		s.Tally.Filtered += n
		return
	}
	for i := range e.Flows {
		s.flow(d, &e.Flows[i])
	}
}

// saysSomething reports whether a datagram without flows is an exporter's all the same.
func saysSomething(e *decode.Export) bool {
	return e.Counters > 0 || e.LostFlows|e.LostDatagrams|e.LostSets|e.HeldSets != 0 || errors.Is(e.Err, sflow.ErrAgent)
}

func unsupported(err error) bool {
	return errors.Is(err, sflow.ErrAgent) || errors.Is(err, sflow.ErrVersion) || errors.Is(err, netflow.ErrVersion)
}

// device returns what is known of an exporter; nil if there are too many.
func (s *shard) device(addr netip.Addr) *device {
	d := s.devices[addr]
	if d == nil {
		if len(s.devices) >= maxDevices || !addr.IsValid() {
			return nil
		}
		d = s.newDevice(addr)
		s.devices[addr] = d
	}
	if d.metrics == nil {
		d.metrics = s.Live.Devices.At(d.name)
	}
	return d
}

func (s *shard) newDevice(addr netip.Addr) *device {
	cfg := &s.h.cfg
	given := cfg.Names[addr]
	d := &device{name: given.Name, names: given.Interfaces, rate: cfg.Sampling[addr], ports: make(map[uint32]*port)}
	if d.name == "" {
		d.name = addr.String()
	}
	d.only, d.listed = cfg.OnlyInterfaces[addr]
	return d
}

// port returns an interface of a device.
func (s *shard) port(d *device, index uint32) *port {
	p := d.ports[index]
	if p == nil {
		name, ok := d.names[index]
		if !ok {
			name = strconv.FormatUint(uint64(index), 10)
		}
		p = &port{name: name}
		if s.known < 4*s.h.cfg.Interfaces { // enough to name those beyond the bound again and again
			d.ports[index] = p
			s.known++
		}
	}
	if !p.used {
		p.used = true
		s.attach(d, p)
	}
	return p
}

// attach gives an interface its metrics, unless there are too many already.
func (s *shard) attach(d *device, p *port) {
	p.metrics = d.metrics.Interfaces.Find(p.name) // another one may have the same name
	if p.metrics != nil || s.ports >= s.h.cfg.Interfaces {
		return
	}
	p.metrics = d.metrics.Interfaces.At(p.name)
	s.ports++
	if s.ports <= largeInterfaces {
		p.metrics.limit(largeLists)
	} else {
		p.metrics.limit(smallLists)
	}
}

// flow counts a record.
func (s *shard) flow(d *device, f *decode.Flow) {
	in, out := s.passes(d, f)
	if !in && !out {
		d.metrics.Filtered.Add(1)
		s.Tally.Filtered++
		return
	}
	d.metrics.Records.Add(1)
	deep := s.Sampler.Deep()
	if deep {
		s.Tally.Analysed++
	} else {
		s.Tally.NotSampled++
	}
	v := &s.view
	v.set(f, s.rate(d, f))
	if deep {
		v.describe(s, f)
	}
	kept := true
	if in {
		kept = s.through(d, s.port(d, f.Input), false, deep)
	}
	if out {
		kept = s.through(d, s.port(d, f.Output), true, deep) && kept
	}
	if !kept {
		d.metrics.NotKept.Add(1)
	}
}

// rate returns what the counts of a record are multiplied by.
func (s *shard) rate(d *device, f *decode.Flow) uint32 {
	if s.h.cfg.NoScaling {
		return 1
	}
	return max(cmp.Or(f.Sampling, d.rate), 1)
}

// through counts the record for its input or output interface. It reports false if that is not kept apart.
func (s *shard) through(d *device, p *port, out, deep bool) (kept bool) {
	m := p.metrics
	bytes, packets := &d.metrics.Bytes.In, &d.metrics.Packets.In
	if out {
		bytes, packets = &d.metrics.Bytes.Out, &d.metrics.Packets.Out
	}
	if deep && s.groups.Has(groupTopInterfaces) {
		s.view.interfaces(s, p.name, bytes, packets)
	}
	switch {
	case m == nil:
		return false
	case out:
		s.count(m, &m.OutBytes, &m.OutPackets, deep)
	default:
		s.count(m, &m.InBytes, &m.InPackets, deep)
	}
	return true
}

// count counts the record for an interface, in the volumes of one direction.
func (s *shard) count(m *Interface, bytes, packets *Volume, deep bool) {
	v := &s.view
	if s.groups.Has(groupBytes) {
		bytes.count(v, v.bytes)
		if deep {
			bytes.countDeep(v, v.bytes, s.groups)
			m.Bytes.count(s, v, v.bytes)
		}
	}
	if s.groups.Has(groupPackets) {
		packets.count(v, v.packets)
		if deep {
			packets.countDeep(v, v.packets, s.groups)
			m.Packets.count(s, v, v.packets)
		}
	}
	if deep && s.groups.Has(groupCardinality) && s.groups&(groupBytes|groupPackets) != 0 {
		v.cardinality(m)
	}
}

// count updates what is exact at every sampling rate.
func (m *Volume) count(v *view, n uint64) {
	m.All.Add(n)
	for _, c := range [...]*sketch.Counter{v.l4.of(&m.UDP, &m.TCP, &m.OtherL4), v.l3.of(&m.IPv4, &m.IPv6)} {
		c.Add(n)
	}
}

// countDeep updates the lists of a direction.
func (m *Volume) countDeep(v *view, n uint64, groups handler.GroupSet) {
	if groups.Has(groupTopIPs) {
		v.src.addr.add(&m.TopSrcIPs, n)
		v.dst.addr.add(&m.TopDstIPs, n)
	}
	if groups.Has(groupTopPorts) {
		v.src.port.add(&m.TopSrcPorts, n)
		v.dst.port.add(&m.TopDstPorts, n)
	}
	if groups.Has(groupTopIPPorts) {
		v.src.both.add(&m.TopSrcIPPorts, n)
		v.dst.both.add(&m.TopDstIPPorts, n)
	}
	if groups.Has(groupTopToS) {
		v.dscp.add(&m.TopDSCP, n)
		v.ecn.add(&m.TopECN, n)
	}
}

// count updates the lists of both directions.
func (m *Both) count(s *shard, v *view, n uint64) {
	if s.groups.Has(groupConversations) {
		v.conversation.add(&m.TopConversations, n)
	}
	for _, at := range [...]*geo.Location{v.src.place, v.dst.place} {
		if at != nil {
			m.TopGeo.Add(at.Hash, at.Key, n)
		}
	}
	for _, as := range [...]*geo.AS{v.src.system, v.dst.system} {
		if as != nil {
			m.TopASN.Add(as.Hash, as.Key, n)
		}
	}
}
