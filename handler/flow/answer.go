package flow

import (
	"cmp"
	"slices"
)

// bound folds the devices and interfaces beyond the number that all workers keep separately in a
// period. Each period of an answer may hold different ones. Subjects present in the most periods
// stay, and among these the ones with the most packets.
func (h *Handler) bound(m *Metrics) {
	workers := max(int(h.shards.Load()), 1)
	m.boundDevices(maxDevices * workers)
	m.boundInterfaces(h.cfg.Interfaces * workers)
}

// subject is a device or an interface.
type subject struct {
	device, name string
	periods      int
	packets      uint64
}

func compareSubjects(a, b subject) int {
	return cmp.Or(cmp.Compare(b.periods, a.periods), cmp.Compare(b.packets, a.packets), cmp.Compare(a.device, b.device), cmp.Compare(a.name, b.name))
}

// beyond returns the subjects after the first n by periods and packets.
func beyond(all []subject, n int) []subject {
	if len(all) <= n {
		return nil
	}
	slices.SortFunc(all, compareSubjects)
	return all[n:]
}

func (m *Metrics) boundDevices(most int) {
	if m.Devices.Len() <= most {
		return
	}
	var all []subject
	for name, d := range m.Devices.All() {
		if name != Others {
			all = append(all, subject{device: name, periods: m.Devices.Periods(name), packets: d.Records.Value()})
		}
	}
	for _, s := range beyond(all, most) {
		d := m.Devices.Find(s.device)
		for name := range d.Interfaces.All() {
			d.fold(name)
		}
		m.Devices.Fold(s.device, Others)
		m.Merged.Add(1)
	}
}

func (m *Metrics) boundInterfaces(most int) {
	count := 0
	for _, d := range m.Devices.All() {
		count += d.Interfaces.Len()
	}
	if count <= most {
		return
	}
	var all []subject
	for device, d := range m.Devices.All() {
		for name, i := range d.Interfaces.All() {
			if name != Others {
				packets := i.InPackets.All
				packets.Merge(&i.OutPackets.All) // saturates: exporters choose the numbers
				all = append(all, subject{device, name, d.Interfaces.Periods(name), packets.Value()})
			}
		}
	}
	for _, s := range beyond(all, most) {
		m.Devices.Find(s.device).fold(s.name)
	}
}

// fold adds the metrics of an interface to the metrics of Others.
func (d *Device) fold(name string) {
	if name != Others {
		d.Interfaces.Fold(name, Others)
		d.Merged.Add(1)
	}
}
