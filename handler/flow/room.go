package flow

import (
	"cmp"
	"math"
	"slices"
	"unsafe"

	"visor/handler/metric"
)

// The approximate initial bytes of a device, without its interfaces.
const deviceBytes = int(unsafe.Sizeof(Device{})) + 1024

// interfaceBytes returns the approximate initial bytes of an interface: a few entries in the lists
// of these groups.
func interfaceBytes(groups metric.GroupSet) int {
	const list, distinct = 8*48 + 2*64, 5 * 32 * 8
	n := int(unsafe.Sizeof(Interface{})) + 1024 + distinct
	for group, lists := range map[metric.GroupSet]int{
		groupTopIPs: 4, groupTopPorts: 4, groupTopIPPorts: 4, groupTopToS: 4, groupTopGeo: 2, groupConversations: 1,
	} {
		if groups.Has(group) {
			n += lists * list
		}
	}
	return n
}

// room reports whether a number of bytes is available. It first releases memory kept for returning
// interfaces.
func (s *shard) room(bytes int) bool {
	if s.budget.Max-s.budget.Used >= bytes {
		return true
	}
	if !s.trimmed {
		s.trim()
	}
	return s.budget.Max-s.budget.Used >= bytes
}

// trim releases memory kept for returning devices and interfaces.
func (s *shard) trim() {
	s.trimmed = true
	s.Live.Devices.Trim()
	for _, d := range s.Live.Devices.All() {
		d.Interfaces.Trim()
	}
	s.budget.Used = s.Live.Devices.Size()
	for _, p := range s.own {
		p.distinct = p.metrics.distinct()
	}
	for _, d := range s.devices {
		if d.others != nil {
			d.others.distinct = d.others.metrics.distinct()
		}
	}
}

// relieve folds the least used quarters of interfaces and devices until they fit their limits.
func (s *shard) relieve() {
	s.short = true
	if !s.trimmed {
		s.trim()
	}
	for s.budget.Used > s.budget.Max {
		before := len(s.own) + s.placed
		s.foldPorts()
		if s.budget.Used > s.budget.Max {
			s.foldDevices()
		}
		if len(s.own)+s.placed == before { // the remaining ones have several ifIndexes or addresses
			return
		}
	}
}

// foldPorts folds the least used quarter of the interfaces.
func (s *shard) foldPorts() {
	slices.SortFunc(s.own, func(a, b *port) int { return cmp.Compare(a.use.merit(), b.use.merit()) })
	for _, p := range slices.Clone(s.own[:(len(s.own)+3)/4]) {
		s.fold(p)
	}
}

// foldDevices folds the least used quarter of the devices.
func (s *shard) foldDevices() {
	for range (s.placed + 3) / 4 {
		s.foldDevice(math.MaxInt)
	}
}

// foldPort folds the least used interface if its merit is not above the limit.
func (s *shard) foldPort(most int) bool {
	var least *port
	for _, p := range s.own {
		if !p.metrics.shared && (least == nil || p.use.merit() < least.use.merit()) {
			least = p
		}
	}
	return least != nil && least.use.merit() <= most && s.fold(least)
}

// fold adds the metrics of p to the interface Others. It reports whether it succeeded.
func (s *shard) fold(p *port) bool {
	d := p.device
	if p.metrics.shared || d.metrics.shared {
		return false
	}
	others := s.othersPort(d)
	size := d.metrics.Interfaces.SizeOf(p.name)
	d.metrics.Interfaces.Fold(p.name, Others)
	s.budget.Used -= size
	s.weigh(others)
	d.metrics.Merged.Add(1)
	p.metrics, p.merged, p.use.next = nil, true, 2*p.use.records
	s.own = slices.DeleteFunc(s.own, func(q *port) bool { return q == p })
	return true
}

// foldDevice folds the least used device if its merit is not above the limit.
func (s *shard) foldDevice(most int) bool {
	var least *device
	for _, d := range s.devices {
		if d.metrics != nil && !d.merged && !d.metrics.shared && (least == nil || d.use.merit() < least.use.merit()) {
			least = d
		}
	}
	if least == nil || least.use.merit() > most {
		return false
	}
	others := s.othersPort(s.others())
	for _, p := range slices.Clone(s.own) {
		if p.device == least && !s.fold(p) {
			return false
		}
	}
	size := s.Live.Devices.SizeOf(least.label())
	s.Live.Devices.Fold(least.label(), Others)
	s.budget.Used -= size
	s.weigh(others)
	s.ports -= len(least.ports)
	least.ports, least.all, least.others = nil, nil, nil
	least.metrics, least.use.next = nil, 2*least.use.records
	s.placed--
	return true
}
