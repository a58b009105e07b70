package handler

import (
	"fmt"
	"time"

	"visor/handler/metric"
	"visor/sketch/hash64"
)

// Snapshot is an answer: the metrics of all modules over some periods. It is immutable.
type Snapshot struct {
	Modules []Module
	Window  int // periods asked for by Window; 0 if it is of a single bucket
}

// Module is what one handler counted.
type Module struct {
	Info
	Start  time.Time     // start of the earliest period; zero if nothing was seen yet
	Length time.Duration // how long the periods lasted together, in whole seconds
	Live   bool          // the live period of a live stream is among them
	// frames that the handler was shown in these periods, those that could not be decoded included
	Frames uint64
	HashID hash64.ID // of the key that keys were hashed under; zero if there were several

	// LeftOut has the Prometheus names of the metrics that the module lacks because it was joined
	// of modules that were hashed under different keys.
	LeftOut []string

	seconds uint64 // of rates
	current int64  // the second that is not over; math.MaxInt64 if none is

	mixed bool // it was joined of modules with different HashIDs

	bucket any // *bucket[M] of the handler's declaration
	render func(metric.Rendering) []metric.Value
	// merges the metrics into those of another, if they are declared alike
	addTo func(*Module) bool
	now   time.Time
}

// Find returns the metrics of the first module in s that are declared by M, or nil if there are
// none. Analyzers offer it under the name From. The caller must not change what it points to.
func Find[M any](s *Snapshot) *M {
	for i := range s.Modules {
		if b, ok := s.Modules[i].bucket.(*bucket[M]); ok {
			return &b.Metrics
		}
	}
	return nil
}

// Join returns one Module that holds what modules of one type and version counted together, as if
// one handler had seen all of it: the rate of a second is the sum of their rates in it. It keeps
// the settings of the first. It is an error if they are of different kinds.
//
// Modules that were hashed under different keys merge, except their cardinalities, which would
// count a key of both twice. The sum lacks these, and LeftOut names them.
func Join(name string, modules ...*Module) (Module, error) {
	var sum Module
	for i, m := range modules {
		if i == 0 {
			sum.Info, sum.HashID, sum.mixed = m.Info, m.HashID, m.mixed
			sum.Name, sum.Tap = name, ""
		}
		if m.mixed || m.HashID != sum.HashID {
			sum.HashID, sum.mixed = hash64.ID{}, true
		}
		sum.cover(m)
		if !m.addTo(&sum) {
			return Module{}, fmt.Errorf("handler: %s is a %s %s, %s is a %s %s: they do not add up", name, sum.Type, sum.Version, m.Name, m.Type, m.Version)
		}
	}
	if sum.mixed {
		sum.LeftOut = cardinalities(nil, sum.Metrics, sum.Groups)
	}
	return sum, nil
}

// cardinalities appends the names of the cardinalities among fields whose groups are enabled.
func cardinalities(names []string, fields []metric.Field, groups metric.GroupSet) []string {
	for _, f := range fields {
		switch {
		case !groups.Has(f.Groups):
		case f.Subjects != nil:
			names = cardinalities(names, f.Subjects, groups)
		case f.Kind == metric.KindCardinality:
			names = append(names, f.Prom)
		}
	}
	return names
}

// cover makes m span the time of src too.
func (m *Module) cover(src *Module) {
	m.Live, m.now = m.Live || src.Live, src.now
	m.Frames += src.Frames
	running := max(m.running(), src.running())
	m.current = max(m.current, src.current)
	defer func() { m.seconds = whole(m.Length) + running }()
	switch {
	case src.Start.IsZero():
	case m.Start.IsZero():
		m.Start, m.Length = src.Start, src.Length
	default:
		end := max(m.Start.Add(m.Length).UnixNano(), src.Start.Add(src.Length).UnixNano())
		if src.Start.Before(m.Start) {
			m.Start = src.Start
		}
		m.Length = time.Unix(0, end).Sub(m.Start)
	}
}

// running returns how many seconds the rates have beyond Length: one, where the last second counts
// though it is not over.
func (m *Module) running() uint64 { return m.seconds - whole(m.Length) }

// whole returns a length in seconds.
func whole(d time.Duration) uint64 { return uint64(d / time.Second) }

// Silent reports whether all metric groups of the module are disabled: exporters leave it out.
func (m *Module) Silent() bool { return len(m.GroupNames) > 0 && m.Groups == 0 }

// Values returns the metrics of the enabled groups, in the order of their declaration.
func (m *Module) Values() []metric.Value {
	r := metric.Rendering{TopN: m.TopN, Percentile: m.TopPercentile, Seconds: m.seconds, Running: m.current, Mixed: m.mixed}
	if m.Live {
		r.LiveSecond = m.now.Unix() - 1
	}
	return m.render(r)
}
