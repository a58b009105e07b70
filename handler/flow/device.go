package flow

import (
	"net/netip"
	"strconv"

	"visor/sketch/hash64"
)

// device is what is known of an exporter. It has metrics of its own in the live period, or those of
// [Others].
type device struct {
	addr    netip.Addr
	name    string            // "" until it is needed
	names   map[uint32]string // of interfaces
	only    []Range           // interfaces that count, if listed
	listed  bool
	rate    uint32 // of sampling, if a record's exporter states none
	ports   map[uint32]*port
	metrics *Device // of the live period; nil if it has sent nothing in it
	use     use
	others  *port // its interface Others; nil if it has none
	merged  bool  // it counts as the device Others
	known   bool  // it is remembered
}

// port is an interface of a device. It has metrics of its own in the live period, or those of
// [Others].
type port struct {
	device   *device
	index    uint32
	name     string     // "" until it is needed
	key      key        // of the name
	metrics  *Interface // nil if it has none of its own
	use      use
	distinct int  // what its cardinalities took when they were weighed last, bytes
	weighed  int  // records after which they are weighed again
	merged   bool // it was counted as one that is merged
}

// use is how much something was used.
type use struct {
	records int // in the live period
	before  int // in the period before, if it had a place of its own
	next    int // records after which it is worth a look whether it deserves a place
}

// merit decides what has a place: something that has long had one is not pushed out by what
// arrives first in a period.
func (u *use) merit() int { return u.records + u.before/2 }

// renew begins a new period.
func (u *use) renew() { *u = use{before: u.records} }

// deserving is the merit from which on something takes the place of what has half as much.
// It bounds how often places change, whoever sends.
const deserving = 64

// due reports whether it is time to look for a place.
func (u *use) due() bool {
	if u.records < u.next {
		return false
	}
	u.next = max(deserving, 2*u.records)
	return true
}

// init makes d the device of an address.
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

// device returns what is known of an exporter, which sends a number of records.
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

// looks is how many of those that are remembered are looked at for one to forget.
const looks = 8

// forgetDevice forgets the least used of a few devices that have no metrics of their own. It
// returns false if there is none.
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

// place makes metrics for d if there is room, or it deserves that of another.
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

// mayPlace reports whether something may have a place. Once places have been short in a period, it
// has to deserve one, also where some became vacant: else newcomers would take them, only to be
// folded next.
func (s *shard) mayPlace(u *use, vacant bool) bool {
	s.short = s.short || !vacant
	return !s.short || u.merit() >= deserving
}

// others returns the device of those that have no place of their own.
func (s *shard) others() *device {
	if s.rest == nil {
		before := s.Live.Devices.SizeOf(Others)
		s.rest = &device{name: Others, metrics: s.Live.Devices.At(Others)}
		s.rest.metrics.limit(&s.budget)
		s.budget.Used += s.Live.Devices.SizeOf(Others) - before
	}
	return s.rest
}

// port returns an interface of a device that counts for it: its own, or that of those that have no
// place.
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

// newPort remembers an interface, in place of one that has no metrics if there are too many. It
// returns nil if there is none to be seen.
func (s *shard) newPort(d *device, index uint32) *port {
	if s.ports >= 4*s.h.cfg.Interfaces && !s.forgetPort(d) {
		return nil
	}
	if d.ports == nil {
		d.ports = make(map[uint32]*port)
	}
	p := &port{device: d, index: index}
	d.ports[index] = p
	s.ports++
	return p
}

// forgetPort forgets the least used of a few interfaces that have no metrics of their own. It
// returns false if there is none.
func (s *shard) forgetPort(d *device) bool {
	var least *port
	left := looks
	for _, p := range d.ports {
		if p.metrics == nil && (least == nil || p.use.merit() < least.use.merit()) {
			least = p
		}
		if left--; left == 0 {
			break
		}
	}
	if least == nil {
		return false
	}
	delete(d.ports, least.index)
	s.ports--
	return true
}

// label makes the name of p.
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

// placePort makes metrics for p if there is room, or it deserves that of another.
func (s *shard) placePort(p *port) {
	p.label(s.Hash)
	each := &p.device.metrics.Interfaces
	if shared := each.Find(p.name); shared != nil { // another one has the same name
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

// adopt makes metrics for p.
func (s *shard) adopt(p *port) {
	each := &p.device.metrics.Interfaces
	before := each.SizeOf(p.name)
	p.metrics = each.At(p.name)
	p.metrics.shared = false
	p.metrics.limit(&s.budget)
	p.distinct, p.weighed = p.metrics.distinct(), 0
	s.budget.Used += each.SizeOf(p.name) - before
}

// othersPort returns the interface of d for those that have no place of their own.
func (s *shard) othersPort(d *device) *port {
	if d.others == nil {
		d.others = &port{device: d, name: Others}
		d.others.key.setText(s.Hash, []byte(Others))
		s.adopt(d.others)
	}
	d.others.use.records++
	return d.others
}

// weigh adds to the budget what the cardinalities of p have grown by. It is called as often as they
// may have doubled.
func (s *shard) weigh(p *port) {
	const seldom = 4096
	p.weighed = p.use.records + min(max(p.use.records, deserving), seldom)
	p.metrics.trim()
	size := p.metrics.distinct()
	s.budget.Used += size - p.distinct
	p.distinct = size
}
