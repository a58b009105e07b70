package otlp

import (
	"maps"
	"math"
	"slices"
	"time"

	common "go.opentelemetry.io/proto/slim/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/slim/otlp/metrics/v1"
	resource "go.opentelemetry.io/proto/slim/otlp/resource/v1"

	"visor/export"
	"visor/handler/metric"
)

// Form selects the metrics that a Pusher pushes.
type Form int

const (
	// Periods are pktvisor's metrics. Each period is pushed once, after it has ended.
	Periods Form = iota
	// Cumulative metrics are the totals since the start ([export.Totals]), at each push: monotonic
	// sums and exponential histograms of cumulative temporality. Each has the time of its start.
	// Names and attributes match the counters of visor/export/prom.
	Cumulative
	// Both selects Periods and Cumulative.
	Both
)

func (f Form) periods() bool { return f != Cumulative }
func (f Form) totals() bool  { return f != Periods }

// totalsPrefix precedes the name of a policy in the name of its scope of totals.
const totalsPrefix = "visor/"

// replaceable is a policy that another one may continue: a Running of visor/handler/policy.
type replaceable interface{ Replaced() bool }

// total adds the totals of a source until now. A replaced policy is left out, because the policy
// that continues its totals pushes them.
func (p *Pusher) total(src Source) {
	if r, ok := src.Of.(replaceable); ok && r.Replaced() {
		return
	}
	cfg := export.FamilyConfig{Labels: map[string]string{"policy": src.Policy}}
	families := export.Totals(src.Of.Totals(), cfg)
	s, now := newScope(totalsPrefix, src.Policy), nanos(time.Now())
	for i := range families {
		s.Metrics = append(s.Metrics, cumulative(&families[i], now))
	}
	p.add(s)
}

// cumulative returns a family of totals until now.
func cumulative(f *export.Family, now uint64) *metrics.Metric {
	m := &metrics.Metric{Name: f.Name, Description: f.Help, Unit: units[f.Unit]}
	if f.Type == export.Histogram {
		m.Data = &metrics.Metric_ExponentialHistogram{ExponentialHistogram: exponential(f, now)}
	} else {
		m.Data = &metrics.Metric_Sum{Sum: sum(f, now)}
	}
	return m
}

// units are the units of OpenTelemetry (UCUM, https://ucum.org). A receiver that makes Prometheus'
// names of them finds the unit at the end of the name already.
var units = map[metric.Unit]string{metric.Seconds: "s", metric.Bytes: "By", metric.Ratio: "1"}

func sum(f *export.Family, now uint64) *metrics.Sum {
	out := &metrics.Sum{IsMonotonic: true, AggregationTemporality: metrics.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE}
	for i := range f.Series {
		s := &f.Series[i]
		out.DataPoints = append(out.DataPoints, &metrics.NumberDataPoint{
			Attributes: attributes(s.Labels), StartTimeUnixNano: nanos(s.Since), TimeUnixNano: now,
			Value: &metrics.NumberDataPoint_AsInt{AsInt: int64(min(s.Value, math.MaxInt64))},
		})
	}
	return out
}

// exponential returns histograms with the buckets of native ones. OpenTelemetry counts buckets by
// their lower bounds, and Prometheus by their upper bounds.
func exponential(f *export.Family, now uint64) *metrics.ExponentialHistogram {
	out := &metrics.ExponentialHistogram{AggregationTemporality: metrics.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE}
	for i := range f.Series {
		s := &f.Series[i]
		d := s.Distribution
		out.DataPoints = append(out.DataPoints, &metrics.ExponentialHistogramDataPoint{
			Attributes: attributes(s.Labels), StartTimeUnixNano: nanos(s.Since), TimeUnixNano: now,
			Count: d.Count, Sum: &d.Sum, Scale: metric.NativeSchema, ZeroCount: d.Zero,
			Positive: &metrics.ExponentialHistogramDataPoint_Buckets{Offset: int32(d.First - 1), BucketCounts: d.Buckets},
		})
	}
	return out
}

// newResource returns the resource with attributes, or nil without any.
func newResource(attrs map[string]string) *resource.Resource {
	if len(attrs) == 0 {
		return nil
	}
	out := &resource.Resource{}
	for _, name := range slices.Sorted(maps.Keys(attrs)) {
		out.Attributes = append(out.Attributes, attribute(name, attrs[name]))
	}
	return out
}

// newScope returns an empty scope of a policy.
func newScope(prefix, policy string) *metrics.ScopeMetrics {
	return &metrics.ScopeMetrics{Scope: &common.InstrumentationScope{
		Name: prefix + policy, Attributes: []*common.KeyValue{attribute("policy_name", policy)},
	}}
}
