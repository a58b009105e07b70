// Package collector exposes a pipeline's metrics in a registry of client_golang
// (github.com/prometheus/client_golang).
//
//	labels := map[string]string{"server": "ns1"}
//	prometheus.MustRegister(collector.New(pipeline, prom.Config{Labels: labels}))
//
// Families, labels and values equal the output of visor/export/prom.
package collector

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"visor/export"
	"visor/export/prom"
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

// Collect sends the metrics of the last ended period.
func (c *Collector) Collect(out chan<- prometheus.Metric) {
	s, err := prom.Latest(c.pipeline)
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
