package handler

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"visor/handler/metric"
	"visor/sketch/hash64"
)

// Snapshot is the answer to a query: the metrics of all modules over one or more periods. It is
// immutable.
type Snapshot struct {
	Modules []Module
	Window  int           // periods requested by Window, or that a sum covers; 0 for one bucket
	Period  time.Duration // length of a period
	Input   Input         // of closed periods, and of snapshots merged from them
}

// Periods returns how many periods s covers, rounded up: for [Snapshot.Window] of a sum.
func (s *Snapshot) Periods() int {
	covered, period := time.Duration(0), cmp.Or(s.Period, PeriodLength)
	for i := range s.Modules {
		covered = max(covered, s.Modules[i].Length)
	}
	return int((covered + period - 1) / period)
}

// Module holds the counts of one handler.
type Module struct {
	Info
	Start  time.Time     // start of the earliest period; zero if no event was seen yet
	Length time.Duration // combined length of the periods, in whole seconds
	Live   bool          // the periods include the live period of a live stream
	// frames shown to the handler in these periods, including undecodable ones
	Frames uint64
	HashID hash64.ID // identifies the key that hashed the keys; zero if there were several

	// LeftOut lists the Prometheus names of metrics without a value, because the values of merged
	// modules did not fit: cardinalities hashed under different keys, and values of a kind that
	// this program does not read.
	LeftOut []string
	// Partial lists the metrics that only some of the merged modules have.
	Partial []string
	// Counted lists the origins of the counts, with their times. It is nil for an answer of this
	// program's pipelines.
	Counted []Counted

	seconds uint64 // seconds of rates
	current int64  // the unfinished second; math.MaxInt64 if all are finished

	mixed bool // joined from modules with different HashIDs

	counts counts // nil before the first part
	render func(metric.Rendering) []metric.Value
	// merges the metrics into another module's if the declarations are equal; finish follows
	addTo func(*Module) bool
	now   time.Time
}

// Find returns the metrics of the first module in s that M declares, or nil without such a module.
// Analyzers export it as From. The caller must not modify the result. Metrics in LeftOut of the
// module are empty.
//
// The metrics of a snapshot that was read from bytes are converted at each call. Their lists have
// other hashes; see [metric.Load].
func Find[M any](s *Snapshot) *M {
	for i := range s.Modules {
		m := &s.Modules[i]
		switch c := m.counts.(type) {
		case *bucket[M]:
			return &c.Metrics
		case *readCounts:
			if c.declared == nameOf[M]() {
				return metric.Load[M](m.Schema, c.Record)
			}
		}
	}
	return nil
}

// Join returns one Module with the combined counts of modules of one type and version, as if one
// handler had seen all events. The rate of a second is the sum of the modules' rates in it. The
// result has the settings of the first module. Join returns an error if the kinds differ.
//
// Modules hashed under different keys merge too, except their cardinalities, which would count a
// common key twice. Join leaves these out and lists them in LeftOut.
func Join(name string, modules ...*Module) (Module, error) {
	var sum Module
	modules, err := alike(modules)
	if err != nil {
		return sum, err
	}
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
			return Module{}, fmt.Errorf("handler: %s is a %s %s, %s is a %s %s: they cannot be merged", name, sum.Type, sum.Version, m.Name, m.Type, m.Version)
		}
	}
	sum.finish()
	if _, ok := sum.counts.(*readCounts); !ok && sum.mixed {
		sum.LeftOut = cardinalities(nil, sum.Metrics, sum.Groups)
	}
	return sum, nil
}

// alike returns modules that can be added: if some were read from bytes, all of them as if read.
func alike(modules []*Module) ([]*Module, error) {
	isRead := func(m *Module) bool { _, ok := m.counts.(*readCounts); return ok }
	if !slices.ContainsFunc(modules, isRead) {
		return modules, nil
	}
	out := make([]*Module, len(modules))
	for i, m := range modules {
		read, err := m.read(Origin{})
		if err != nil {
			return nil, err
		}
		out[i] = &read
	}
	return out, nil
}

// cardinalities appends the names of the cardinalities among fields in enabled groups.
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

// cover extends m by the time of src.
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

// running returns the number of seconds in the rates beyond Length: one if the last second counts
// although it is unfinished.
func (m *Module) running() uint64 { return m.seconds - whole(m.Length) }

// whole rounds a length to seconds.
func whole(d time.Duration) uint64 { return uint64(d / time.Second) }

// Silent reports whether all metric groups of the module are disabled. Exporters omit such a
// module.
func (m *Module) Silent() bool { return len(m.GroupNames) > 0 && m.Groups == 0 }

// Values returns the metrics of the enabled groups, in the order of their declaration.
func (m *Module) Values() []metric.Value { return m.values(false) }

// Sketched returns [Module.Values] with the sketches of cardinalities and quantiles, for exporters
// that convert these.
func (m *Module) Sketched() []metric.Value { return m.values(true) }

func (m *Module) values(sketches bool) []metric.Value {
	r := metric.Rendering{TopN: m.TopN, Percentile: m.TopPercentile, Seconds: m.seconds, Running: m.current, Mixed: m.mixed, Sketches: sketches}
	if m.Live {
		r.LiveSecond = m.now.Unix() - 1
	}
	return m.render(r)
}
