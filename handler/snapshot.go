package handler

import (
	"time"
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

	bucket any // *bucket[M] of the handler's declaration
	render func(rendering) []Value
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

// Silent reports whether all metric groups of the module are disabled: exporters leave it out.
func (m *Module) Silent() bool { return m.Grouped && m.Groups == 0 }

// Values returns the metrics of the enabled groups, in the order of their declaration.
func (m *Module) Values() []Value {
	r := rendering{topN: m.TopN, percentile: m.TopPercentile}
	if m.Live {
		r.liveSec = m.now.Unix() - 1
	}
	return m.render(r)
}
