package otlp

import (
	"math"
	"slices"
	"strconv"
	"time"

	common "go.opentelemetry.io/proto/slim/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/slim/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"

	"visor/export"
	"visor/handler"
	"visor/handler/metric"
)

// Marshal returns the metrics of a snapshot as the body of a request to a receiver, in protobuf. It
// is for programs that deliver themselves, and for snapshots that were read or merged; a [Pusher]
// delivers the periods of a pipeline. The attributes of the resource may be nil.
func Marshal(policy string, s *handler.Snapshot, resource map[string]string) ([]byte, error) {
	of := &metrics.ResourceMetrics{Resource: newResource(resource), ScopeMetrics: []*metrics.ScopeMetrics{scope(policy, s.Modules)}}
	return proto.Marshal(&request{ResourceMetrics: []*metrics.ResourceMetrics{of}})
}

// scopePrefix precedes the name of a policy in the name of its scope.
const scopePrefix = "pktvisor/"

// scope returns the counts of modules for a policy, with the period of each module.
func scope(policy string, modules []handler.Module) *metrics.ScopeMetrics {
	s := newScope(scopePrefix, policy)
	for i := range modules {
		m := &modules[i]
		at := span{nanos(m.Start), nanos(end(m))}
		alone := &handler.Snapshot{Modules: modules[i : i+1]}
		cfg := export.FamilyConfig{Labels: map[string]string{"policy": policy}, Handler: true}
		for _, f := range export.Families(alone, cfg) {
			s.Metrics = append(s.Metrics, at.metric(&f))
		}
	}
	return s
}

// end returns the end of the counts of a module. Merged counts may have gaps.
func end(m *handler.Module) time.Time {
	last := m.Start.Add(m.Length)
	for _, c := range m.Counted {
		for _, span := range c.Spans {
			if span.End.After(last) {
				last = span.End
			}
		}
	}
	return last
}

// span is a period in ns since 1970.
type span struct{ start, end uint64 }

func nanos(t time.Time) uint64 { return uint64(max(0, t.UnixNano())) }

func (at span) metric(f *export.Family) *metrics.Metric {
	m := &metrics.Metric{Name: f.Name, Description: f.Help}
	switch f.Type {
	case export.Summary:
		m.Data = &metrics.Metric_Summary{Summary: at.summary(f)}
	case export.Histogram:
		m.Data = &metrics.Metric_Histogram{Histogram: at.histogram(f)}
	default:
		m.Data = &metrics.Metric_Gauge{Gauge: at.gauge(f)}
	}
	return m
}

func (at span) gauge(f *export.Family) *metrics.Gauge {
	g := &metrics.Gauge{}
	for i := range f.Series {
		s := &f.Series[i]
		g.DataPoints = append(g.DataPoints, &metrics.NumberDataPoint{
			Attributes: attributes(s.Labels), StartTimeUnixNano: at.start, TimeUnixNano: at.end,
			Value: &metrics.NumberDataPoint_AsInt{AsInt: int64(min(s.Value, math.MaxInt64))},
		})
	}
	return g
}

func (at span) summary(f *export.Family) *metrics.Summary {
	sum := &metrics.Summary{}
	for i := range f.Series {
		s := &f.Series[i]
		q := &s.Quantiles
		p := &metrics.SummaryDataPoint{Attributes: attributes(s.Labels), StartTimeUnixNano: at.start, TimeUnixNano: at.end, Count: q.N, Sum: s.Sum}
		for _, rank := range []struct{ q, value float64 }{{0.5, q.P50}, {0.9, q.P90}, {0.95, q.P95}, {0.99, q.P99}} {
			p.QuantileValues = append(p.QuantileValues, &metrics.SummaryDataPoint_ValueAtQuantile{Quantile: rank.q, Value: rank.value})
		}
		sum.DataPoints = append(sum.DataPoints, p)
	}
	return sum
}

// histogram has a bound for each bin except the last, which has no upper bound.
func (at span) histogram(f *export.Family) *metrics.Histogram {
	h := &metrics.Histogram{AggregationTemporality: metrics.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE}
	for i := range f.Series {
		s := &f.Series[i]
		p := &metrics.HistogramDataPoint{Attributes: attributes(s.Labels), StartTimeUnixNano: at.start, TimeUnixNano: at.end}
		for _, bin := range s.Bins {
			p.BucketCounts = append(p.BucketCounts, bin.Count-p.Count)
			p.Count = bin.Count
			if bound, err := strconv.ParseFloat(bin.Le, 64); err == nil && bin.Le != "+Inf" {
				p.ExplicitBounds = append(p.ExplicitBounds, bound)
			}
		}
		h.DataPoints = append(h.DataPoints, p)
	}
	return h
}

func attributes(labels []metric.Label) []*common.KeyValue {
	out := make([]*common.KeyValue, 0, len(labels))
	for _, l := range labels {
		out = append(out, attribute(l.Name, l.Value))
	}
	return slices.Clip(out)
}

func attribute(key, value string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}
