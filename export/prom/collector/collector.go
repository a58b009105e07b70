// Package collector exposes a pipeline's metrics in a registry of client_golang
// (github.com/prometheus/client_golang).
//
//	labels := map[string]string{"server": "ns1"}
//	prometheus.MustRegister(collector.New(pipeline, prom.Config{Labels: labels}))
//
// Families, labels and values equal the output of visor/export/prom. [NewCounters] has the totals
// since the start instead of the last period.
package collector

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"

	"visor/export"
	"visor/export/prom"
	"visor/export/prom/protobuf"
	"visor/handler"
	"visor/handler/metric"
)

// Collector is a [prometheus.Collector]. It is safe for concurrent use.
type Collector struct {
	pipeline *handler.Pipeline
	cfg      prom.Config
}

var _ prometheus.Collector = (*Collector)(nil)

// New returns a Collector for p.
func New(p *handler.Pipeline, cfg prom.Config) *Collector { return &Collector{p, cfg} }

// Describe sends no descriptors because the set of metrics depends on traffic, which makes this an
// unchecked collector.
func (c *Collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends the metrics of the last closed period.
func (c *Collector) Collect(out chan<- prometheus.Metric) {
	s, err := c.pipeline.Latest()
	if err != nil {
		out <- prometheus.NewInvalidMetric(prometheus.NewDesc("visor", "metrics of a visor pipeline", nil, nil), err)
		return
	}
	for _, f := range export.Families(s, c.cfg) {
		for i := range f.Series {
			out <- series(&f, &f.Series[i])
		}
	}
}

// Counters is a [prometheus.Collector] of totals, which only grow. It is safe for concurrent use.
type Counters struct {
	pipeline *handler.Pipeline
	cfg      prom.Config
}

var _ prometheus.Collector = (*Counters)(nil)

// NewCounters returns Counters for p. Histograms have fixed bounds and, for scrapers that ask for
// them, native buckets.
func NewCounters(p *handler.Pipeline, cfg prom.Config) *Counters { return &Counters{p, cfg} }

// Describe sends no descriptors, like [Collector.Describe].
func (c *Counters) Describe(chan<- *prometheus.Desc) {}

// Collect sends the totals.
func (c *Counters) Collect(out chan<- prometheus.Metric) {
	for _, f := range export.Totals(c.pipeline.Totals(), c.cfg) {
		for i := range f.Series {
			out <- &total{&f, &f.Series[i]}
		}
	}
}

// total is a series of totals.
type total struct {
	family *export.Family
	series *export.Series
}

// Desc describes the series.
func (t *total) Desc() *prometheus.Desc {
	var names []string
	for _, l := range t.series.Labels {
		names = append(names, l.Name)
	}
	return prometheus.NewDesc(t.family.Name, prom.Help(t.family), names, nil)
}

// Write sets m to the series.
func (t *total) Write(m *dto.Metric) error {
	proto.Merge(m, protobuf.Metric(t.family, t.series))
	return nil
}

func series(f *export.Family, s *export.Series) prometheus.Metric {
	var names, values []string
	for _, l := range s.Labels {
		names, values = append(names, l.Name), append(values, l.Value)
	}
	desc := prometheus.NewDesc(f.Name, prom.Help(f), names, nil)
	var m prometheus.Metric
	var err error
	switch f.Type {
	case export.Summary:
		q := &s.Quantiles
		at := map[float64]float64{0.5: q.P50, 0.9: q.P90, 0.95: q.P95, 0.99: q.P99}
		m, err = prometheus.NewConstSummary(desc, q.N, s.Sum, at, values...)
	case export.Histogram:
		m, err = histogram(desc, s.Bins, values)
	default:
		m, err = prometheus.NewConstMetric(desc, prometheus.GaugeValue, float64(s.Value), values...)
	}
	if err != nil {
		return prometheus.NewInvalidMetric(desc, err)
	}
	return m
}

// histogram returns a histogram without a sum, because the pipeline does not keep it.
func histogram(desc *prometheus.Desc, bins []metric.Bin, labels []string) (prometheus.Metric, error) {
	buckets := make(map[float64]uint64)
	for _, b := range bins[:len(bins)-1] { // the last bin counts all
		le, err := strconv.ParseFloat(b.Le, 64)
		if err != nil {
			return nil, err
		}
		buckets[le] = b.Count
	}
	return prometheus.NewConstHistogram(desc, bins[len(bins)-1].Count, 0, buckets, labels...)
}
