// Package otlptest receives metrics over OTLP in tests, and reads cumulative ones as a collector
// does.
package otlptest

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	collector "go.opentelemetry.io/proto/slim/otlp/collector/metrics/v1"
	common "go.opentelemetry.io/proto/slim/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/slim/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"
)

// Point is the latest state of a cumulative series: a sum, or the count of a histogram.
type Point struct {
	Start, Time uint64 // ns since 1970
	N           uint64
}

// Receiver is an HTTP handler that stores series by scope, name and attributes. A value below the
// one before is a fault, unless its start is later. It is safe for concurrent use.
type Receiver struct {
	mu     sync.Mutex
	state  State
	refuse bool
}

// State is what a Receiver has received.
type State struct {
	Points   map[string]Point           // by scope, name and attributes
	Metrics  map[string]*metrics.Metric // the latest one by scope and name; cumulative ones
	Periods  int                        // metrics that are not cumulative
	Requests int
	Starts   int               // of series that began again
	Resource map[string]string // attributes of the resource
	Faults   []string
}

// New returns a Receiver.
func New() *Receiver {
	return &Receiver{state: State{Points: make(map[string]Point), Metrics: make(map[string]*metrics.Metric)}}
}

// Refuse answers with 503 from now on, or no longer.
func (r *Receiver) Refuse(refuse bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refuse = refuse
}

// Value returns the latest value of a series such as "scope name{a=1,b=2}", or -1.
func (r *Receiver) Value(series string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p, ok := r.state.Points[series]; ok {
		return int(p.N)
	}
	return -1
}

// Look calls look with the state.
func (r *Receiver) Look(look func(*State)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	look(&r.state)
}

func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	msg := &collector.ExportMetricsServiceRequest{}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err = cmp.Or(err, proto.Unmarshal(body, msg)); err != nil || r.refuse {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	r.state.Requests++
	for _, rm := range msg.ResourceMetrics {
		r.state.Resource = make(map[string]string)
		for _, a := range rm.Resource.GetAttributes() {
			r.state.Resource[a.Key] = a.Value.GetStringValue()
		}
		for _, sm := range rm.ScopeMetrics {
			for _, m := range sm.Metrics {
				r.state.metric(sm.Scope.Name, m)
			}
		}
	}
}

const cumulative = metrics.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE

func (s *State) metric(scope string, m *metrics.Metric) {
	name := scope + " " + m.Name
	switch d := m.Data.(type) {
	case *metrics.Metric_Sum:
		if !d.Sum.IsMonotonic || d.Sum.AggregationTemporality != cumulative {
			s.fault(name, "is not a monotonic cumulative sum")
		}
		for _, p := range d.Sum.DataPoints {
			s.point(name, p.Attributes, Point{p.StartTimeUnixNano, p.TimeUnixNano, uint64(p.GetAsInt())})
		}
	case *metrics.Metric_ExponentialHistogram:
		if d.ExponentialHistogram.AggregationTemporality != cumulative {
			s.fault(name, "is not cumulative")
		}
		for _, p := range d.ExponentialHistogram.DataPoints {
			s.point(name, p.Attributes, Point{p.StartTimeUnixNano, p.TimeUnixNano, p.Count})
		}
	default:
		s.Periods++
		return
	}
	s.Metrics[name] = m
}

func (s *State) point(name string, attrs []*common.KeyValue, p Point) {
	series := name + "{" + text(attrs) + "}"
	before, known := s.Points[series]
	switch {
	case p.Start == 0 || p.Start > p.Time:
		s.fault(series, "begins after its time", p)
	case known && (p.Time <= before.Time || p.Start < before.Start):
		s.fault(series, "goes back from", before, "to", p)
	case known && p.Start == before.Start && p.N < before.N:
		s.fault(series, "falls from", before, "to", p)
	case known && p.Start > before.Start:
		s.Starts++
	}
	s.Points[series] = p
}

func (s *State) fault(words ...any) { s.Faults = append(s.Faults, fmt.Sprintln(words...)) }

func text(attrs []*common.KeyValue) string {
	var out []string
	for _, a := range attrs {
		out = append(out, a.Key+"="+a.Value.GetStringValue())
	}
	slices.Sort(out)
	return strings.Join(out, ",")
}
