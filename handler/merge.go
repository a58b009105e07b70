package handler

import (
	"fmt"
	"slices"
	"time"

	"visor/handler/metric"
)

// Merge returns the combined counts of snapshots, as if one pipeline had seen everything. They may
// be of any hosts, minutes and workers, and of different versions of programs. The result is
// nil without snapshots. See [Merger].
func Merge(snapshots ...*Snapshot) (*Snapshot, error) {
	var m Merger
	for _, s := range snapshots {
		if err := m.Add(s, Origin{}); err != nil {
			return nil, err
		}
	}
	return m.Snapshot(), nil
}

// Merger adds up snapshots, whether they were read or come from a query. Modules of the same name
// add up. Sums, rates and distributions are exact, and distinct counts as accurate as one count.
// The errors of lists add up. The length of the result is the time that was covered, without gaps;
// Counted has the intervals.
//
// A Merger is owned by one goroutine. The zero Merger is ready to use.
type Merger struct {
	// Overlap allows that one handler of one agent counted a time twice, as after its clock was set
	// back. Otherwise such a snapshot is an error, because it may have been added before.
	Overlap bool

	sum *Snapshot
}

// Add adds the counts of s, which stays unchanged. by is the origin of a snapshot from a pipeline
// of this program. Add returns an error and adds nothing if modules of one name differ in type or
// version, or if a time was counted twice. Lengths of periods do not fit either, unless one is a
// multiple of the other.
func (g *Merger) Add(s *Snapshot, by Origin) error {
	if g.sum == nil {
		g.sum = &Snapshot{Window: s.Window, Period: s.Period}
	}
	sum := g.sum
	if !fits(sum.Period, s.Period) {
		return fmt.Errorf("handler: periods of %v and of %v do not fit together", sum.Period, s.Period)
	}
	modules := make([]Module, len(s.Modules))
	counted := make([][]Counted, len(s.Modules))
	for i := range s.Modules {
		var err error
		if modules[i], err = s.Modules[i].read(by); err != nil {
			return err
		}
		if counted[i], err = g.check(&modules[i]); err != nil {
			return err
		}
	}
	sum.Period = max(sum.Period, s.Period)
	sum.Input.Add(s.Input)
	for i := range modules {
		g.add(&modules[i], counted[i])
	}
	return nil
}

// fits reports whether one length of periods is a multiple of the other.
func fits(a, b time.Duration) bool {
	low, high := min(a, b), max(a, b)
	return low <= 0 || high%low == 0
}

// find returns the sum of a module, or nil before its first snapshot.
func (g *Merger) find(name string) *Module {
	i := slices.IndexFunc(g.sum.Modules, func(m Module) bool { return m.Name == name })
	if i < 0 {
		return nil
	}
	return &g.sum.Modules[i]
}

// check returns the origins of the sum with m, or an error if m cannot be added.
func (g *Merger) check(m *Module) ([]Counted, error) {
	sum := g.find(m.Name)
	if sum == nil {
		return m.Counted, nil
	}
	if sum.Type != m.Type || sum.Version != m.Version || sum.Schema != m.Schema {
		return nil, fmt.Errorf("handler: %s is a %s %s and a %s %s: they cannot be merged", m.Name, sum.Type, sum.Version, m.Type, m.Version)
	}
	for i := range sum.Counted {
		for k := range m.Counted {
			if at, twice := sum.Counted[i].twice(&m.Counted[k]); twice && !g.Overlap {
				return nil, fmt.Errorf("handler: %s of %s counted %s to %s twice", m.Name, m.Counted[k].Agent,
					at.Start.UTC().Format(time.RFC3339), at.End.UTC().Format(time.RFC3339))
			}
		}
	}
	return merged(sum.Counted, m.Counted)
}

// add adds m to the sum of its name.
func (g *Merger) add(m *Module, counted []Counted) {
	sum := g.find(m.Name)
	if sum == nil {
		g.sum.Modules = append(g.sum.Modules, Module{Info: m.Info, HashID: m.HashID, mixed: m.mixed})
		sum = &g.sum.Modules[len(g.sum.Modules)-1]
	}
	if sum.Tap != m.Tap {
		sum.Tap = ""
	}
	if m.mixed || m.HashID != sum.HashID {
		sum.HashID, sum.mixed = [8]byte{}, true
	}
	running := max(sum.running(), m.running())
	sum.cover(m)
	sum.Counted = counted
	sum.seconds = seconds(covered(counted))
	sum.Length = time.Duration(sum.seconds-min(running, sum.seconds)) * time.Second
	m.addTo(sum)
}

// Snapshot returns the sum, and makes the Merger empty. It is nil without snapshots.
func (g *Merger) Snapshot() *Snapshot {
	s := g.sum
	g.sum = nil
	if s == nil {
		return nil
	}
	for i := range s.Modules {
		s.Modules[i].finish()
	}
	if n := s.Periods(); n > 1 {
		s.Window = n
	}
	return s
}

// regroup adds the groups of another module to m. It returns the function that converts them to
// groups of m, or nil if they are the same. Metrics whose group has no room are in no group, so
// that they are always shown.
func (m *Module) regroup(names metric.GroupNames, enabled metric.GroupSet) func(metric.GroupSet) metric.GroupSet {
	if slices.Equal(m.GroupNames, names) {
		m.Groups |= enabled
		return nil
	}
	const most = 32
	own := slices.Clone(m.GroupNames)
	var bits [most]metric.GroupSet
	for i, name := range names[:min(len(names), most)] {
		k := slices.Index(own, name)
		if k < 0 && len(own) < most {
			k = len(own)
			own = append(own, name)
		}
		if k >= 0 {
			bits[i] = 1 << k
		}
	}
	convert := func(set metric.GroupSet) (out metric.GroupSet) {
		for i := range most {
			if set.Has(1 << i) {
				out |= bits[i]
			}
		}
		return out
	}
	m.GroupNames = own
	m.Groups |= convert(enabled)
	return convert
}
