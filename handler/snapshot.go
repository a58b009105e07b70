package handler

import (
	"fmt"
	"time"

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
	Frames uint64        // frames that the handler was shown in these periods, those that could not be decoded included
	HashID hash64.ID     // tells which key the sketches were fed under

	seconds uint64 // of rates
	current int64  // the second that is not over; math.MaxInt64 if none is

	bucket any // *bucket[M] of the handler's declaration
	render func(rendering) []Value
	addTo  func(*Module) bool // merges the metrics into those of another, if they are declared alike
	now    time.Time
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

// Join returns one Module that holds what modules of one type and version counted together, as if one handler had seen all of it: the
// rate of a second is the sum of their rates in it. It keeps the settings of the first. It is an error if they are of different kinds, or if
// their sketches were fed under different keys: cardinalities of both would be counted twice.
func Join(name string, modules ...*Module) (Module, error) {
	var sum Module
	for i, m := range modules {
		if i == 0 {
			sum.Info, sum.HashID = m.Info, m.HashID
			sum.Name, sum.Tap = name, ""
		}
		if m.HashID != sum.HashID {
			return Module{}, fmt.Errorf("handler: %s was hashed with key %s, %s with key %s: they do not add up", name, sum.HashID, m.Name, m.HashID)
		}
		sum.cover(m)
		if !m.addTo(&sum) {
			return Module{}, fmt.Errorf("handler: %s is a %s %s, %s is a %s %s: they do not add up", name, sum.Type, sum.Version, m.Name, m.Type, m.Version)
		}
	}
	return sum, nil
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

// running returns how many seconds the rates have beyond Length: one, where the last second counts though it is not over.
func (m *Module) running() uint64 { return m.seconds - whole(m.Length) }

// whole returns a length in seconds.
func whole(d time.Duration) uint64 { return uint64(d / time.Second) }

// Silent reports whether all metric groups of the module are disabled: exporters leave it out.
func (m *Module) Silent() bool { return m.Grouped && m.Groups == 0 }

// Values returns the metrics of the enabled groups, in the order of their declaration.
func (m *Module) Values() []Value {
	r := rendering{topN: m.TopN, percentile: m.TopPercentile, seconds: m.seconds, running: m.current}
	if m.Live {
		r.liveSec = m.now.Unix() - 1
	}
	return m.render(r)
}
