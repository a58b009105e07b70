package flow

import (
	"net/netip"
	"strconv"

	"visor/sketch/hash64"
)

// device is the state of an exporter. In the live period it has its own metrics or shares the
// metrics of [Others].
type device struct {
	addr    netip.Addr
	name    string            // empty until it is needed
	names   map[uint32]string // filter of interfaces
	only    []Range           // interfaces that count, if configured
	listed  bool
	rate    uint32 // sampling rate of records without a rate
	ports   map[uint32]*port
	all     []*port // the same ports, examined in turn for one to forget
	next    int     // in all
	metrics *Device // metrics of the live period; nil if it was silent in it
	use     use
	others  *port // its interface Others; nil without one
	merged  bool  // it counts as the device Others
	known   bool  // it is in the table of devices
}

// port is an interface of a device. In the live period it has its own metrics or shares the metrics
// of [Others].
type port struct {
	device   *device
	index    uint32
	name     string     // empty until it is needed
	key      key        // hash of the name
	metrics  *Interface // nil if it shares Others' metrics
	use      use
	distinct int  // bytes of its cardinalities at the last weighing
	weighed  int  // records until the next weighing
	merged   bool // it is already counted among the merged interfaces
}

// use measures how much a subject was used.
type use struct {
	records int // in the live period
	before  int // in the previous period, if it had a place
	next    int // number of records at which its claim to a place is checked
}

// merit ranks subjects for places. A subject with a long-held place is not evicted by one that
// arrives first in a period.
func (u *use) merit() int { return u.records + u.before/2 }

// renew starts a new period.
func (u *use) renew() { *u = use{before: u.records} }

// deserving is the least merit that replaces a subject with half as much. It bounds the rate of
// replacements under any traffic.
const deserving = 64

// due reports whether the claim to a place should be checked.
func (u *use) due() bool {
	if u.records < u.next {
		return false
	}
	u.next = max(deserving, 2*u.records)
	return true
}

// init initializes d as the device of an address.
func (d *device) init(cfg *Config, addr netip.Addr) {
	given := cfg.Devices[addr]
	*d = device{addr: addr, rate: given.Sampling}
	if !cfg.NoNames {
		d.name, d.names = given.Name, given.Interfaces
	}
	d.only, d.listed = cfg.OnlyInterfaces[addr]
}

// label returns the name of d.
func (d *device) label() string {
	if d.name == "" {
		d.name = d.addr.String()
	}
	return d.name
}

// device returns the state of an exporter that sends a number of records.
func (s *shard) device(addr netip.Addr, records int) *device {
	d := s.devices[addr]
	switch {
	case d != nil:
	case len(s.devices) < 4*maxDevices || s.forgetDevice():
		d = new(device)
		d.init(&s.h.cfg, addr)
		d.known, s.devices[addr] = true, d
	default:
		d = &s.stranger
		d.init(&s.h.cfg, addr)
	}
	d.use.records += records
	if (d.metrics == nil || d.merged) && d.use.due() {
		s.place(d)
	}
	if d.metrics == nil {
		d.metrics, d.merged = s.others().metrics, true
		if d.known {
			s.Live.Merged.Add(1)
		}
	}
	return d
}

// looks is the number of remembered subjects examined to find one to forget.
const looks = 8

// forgetDevice forgets the least used of a few devices that share the metrics of Others. It returns
// false if it finds none.
func (s *shard) forgetDevice() bool {
	var least *device
	left := looks
	for _, d := range s.devices {
		if d.merged && (least == nil || d.use.merit() < least.use.merit()) {
			least = d
		}
		if left--; left == 0 {
			break
		}
	}
	if least != nil {
		delete(s.devices, least.addr)
	}
	return least != nil
}

// place creates metrics for d if there is room or if d deserves another device's place.
func (s *shard) place(d *device) {
	if !d.known {
		return
	}
	name := d.label()
	if shared := s.Live.Devices.Find(name); shared != nil {
		shared.shared = true
		d.metrics, d.merged = shared, false
		return
	}
	vacant := s.placed < maxDevices && s.room(deviceBytes+s.h.firstBytes)
	if !s.mayPlace(&d.use, vacant) || !vacant && !s.foldDevice(d.use.merit()/2) {
		return
	}
	before := s.Live.Devices.SizeOf(name)
	d.metrics, d.merged = s.Live.Devices.At(name), false
	d.metrics.shared = false
	d.metrics.limit(&s.budget)
	s.budget.Used += s.Live.Devices.SizeOf(name) - before
	s.placed++
}

// mayPlace reports whether a subject may get a place. After places were short in a period, the
// subject must deserve it, even if places are vacant. Otherwise newcomers would take them and be
// folded next.
func (s *shard) mayPlace(u *use, vacant bool) bool {
	s.short = s.short || !vacant
	return !s.short || u.merit() >= deserving
}

// others returns the device for all devices without a place.
func (s *shard) others() *device {
	if s.rest == nil {
		before := s.Live.Devices.SizeOf(Others)
		s.rest = &device{name: Others, metrics: s.Live.Devices.At(Others)}
		s.rest.metrics.limit(&s.budget)
		s.budget.Used += s.Live.Devices.SizeOf(Others) - before
	}
	return s.rest
}

// port returns the interface of a device that counts the record: its own, or the interface Others.
func (s *shard) port(d *device, index uint32) *port {
	if d.merged {
		return s.othersPort(s.others())
	}
	p := d.ports[index]
	if p == nil {
		if p = s.newPort(d, index); p == nil {
			return s.othersPort(d)
		}
	}
	p.use.records++
	if p.metrics == nil && p.use.due() {
		s.placePort(p)
	}
	if p.metrics == nil {
		if !p.merged {
			p.merged = true
			d.metrics.Merged.Add(1)
		}
		return s.othersPort(d)
	}
	return p
}

// newPort remembers an interface. If there are too many, it replaces one without metrics and reuses
// its memory. It returns nil if it finds none to replace.
func (s *shard) newPort(d *device, index uint32) *port {
	if d.ports == nil {
		d.ports = make(map[uint32]*port)
	}
	var p *port
	if s.ports < 4*s.h.cfg.Interfaces {
		p = new(port)
		s.ports++
		d.all = append(d.all, p)
	} else if p = d.forgetPort(); p == nil {
		return nil
	}
	*p = port{device: d, index: index, key: key{text: p.key.text}}
	d.ports[index] = p
	return p
}

// forgetPort forgets the least used of a few interfaces that share the metrics of Others, and
// returns it. It returns nil if it finds none. It examines others than the time before.
func (d *device) forgetPort() *port {
	var least *port
	for range min(looks, len(d.all)) {
		d.next = (d.next + 1) % len(d.all)
		p := d.all[d.next]
		if p.metrics == nil && (least == nil || p.use.merit() < least.use.merit()) {
			least = p
		}
	}
	if least != nil {
		delete(d.ports, least.index)
	}
	return least
}

// label sets the name of p.
func (p *port) label(h *hash64.Hasher) {
	if p.name != "" {
		return
	}
	name, ok := p.device.names[p.index]
	if !ok {
		name = strconv.FormatUint(uint64(p.index), 10)
	}
	p.name = name
	p.key.setText(h, []byte(name))
}

// placePort creates metrics for p if there is room or if p deserves another interface's place.
func (s *shard) placePort(p *port) {
	if s.short && p.use.merit() < deserving && p.device.names == nil {
		return // before it has a name, since a sender may make up interfaces
	}
	p.label(s.Hash)
	each := &p.device.metrics.Interfaces
	if shared := each.Find(p.name); shared != nil { // another interface has the same name
		shared.shared = true
		p.metrics = shared
		return
	}
	vacant := len(s.own) < s.h.cfg.Interfaces && s.room(s.h.firstBytes)
	if !s.mayPlace(&p.use, vacant) || !vacant && !s.foldPort(p.use.merit()/2) {
		return
	}
	s.adopt(p)
	s.own = append(s.own, p)
}

// adopt creates metrics for p.
func (s *shard) adopt(p *port) {
	each := &p.device.metrics.Interfaces
	before := each.SizeOf(p.name)
	p.metrics = each.At(p.name)
	p.metrics.shared = false
	p.metrics.limit(&s.budget)
	p.distinct, p.weighed = p.metrics.distinct(), 0
	s.budget.Used += each.SizeOf(p.name) - before
}

// othersPort returns d's interface for all interfaces without a place.
func (s *shard) othersPort(d *device) *port {
	if d.others == nil {
		d.others = &port{device: d, name: Others}
		d.others.key.setText(s.Hash, []byte(Others))
		s.adopt(d.others)
	}
	d.others.use.records++
	return d.others
}

// weigh adds the growth of p's cardinalities to the budget. It is called whenever they may have
// doubled.
func (s *shard) weigh(p *port) {
	const seldom = 4096
	p.weighed = p.use.records + min(max(p.use.records, deserving), seldom)
	p.metrics.trim()
	size := p.metrics.distinct()
	s.budget.Used += size - p.distinct
	p.distinct = size
}
