// Package prom renders a [handler.Snapshot] as Prometheus metrics. Families, labels and text match
// pktvisor.
//
//	http.Handle("/metrics", prom.Handler(pipeline, prom.Config{}))
//
// A program with a registry of client_golang registers a collector (visor/export/prom/collector)
// instead. Both export the same families ([export.Families]).
//
// The metrics cover the last closed period, usually a minute, or the live one before any has
// closed. They are not cumulative, so counters have the type gauge. All series of a histogram have
// the same buckets, so histograms of several hosts can be added up. The _sum of a summary is the
// sum of its values. In pktvisor it is the greatest value; [Config].GreatestAsSum restores that.
// HELP describes the sum.
//
// [CountersHandler], or [export.Totals] with [WriteText], exports cumulative counters: the totals
// since the start in base units, so that rate() is right at any scrape interval:
//
//	http.Handle("/metrics/counters", prom.CountersHandler(pipeline, prom.Config{}))
package prom

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"

	"visor/export"
	"visor/handler"
	"visor/handler/metric"
)

// Config configures labels and sums of the metrics. The zero Config is ready to use.
type Config = export.FamilyConfig

// WriteText writes families in the text format
// (https://prometheus.io/docs/instrumenting/exposition_formats).
func WriteText(w io.Writer, families []export.Family) error {
	var b bytes.Buffer
	for i := range families {
		f := &families[i]
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", f.Name, helpEscapes.Replace(Help(f)), f.Name, f.Type)
		for j := range f.Series {
			writeSeries(&b, f, &f.Series[j])
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// Help returns the HELP text of a family.
func Help(f *export.Family) string {
	if f.Sum == "" {
		return f.Help
	}
	return f.Help + "; _sum is " + f.Sum
}

var (
	helpEscapes  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

func writeSeries(b *bytes.Buffer, f *export.Family, s *export.Series) {
	switch f.Type {
	case export.Summary:
		q := &s.Quantiles
		for _, at := range []struct {
			label string
			value float64
		}{{"0.5", q.P50}, {"0.9", q.P90}, {"0.95", q.P95}, {"0.99", q.P99}} {
			line(b, f.Name, s.With(metric.Label{Name: "quantile", Value: at.label}), number(s, at.value, 6))
		}
		line(b, f.Name+"_sum", s.Labels, number(s, s.Sum, 10))
		line(b, f.Name+"_count", s.Labels, strconv.FormatUint(q.N, 10))
	case export.Histogram:
		if s.Distribution != nil {
			writeDistribution(b, f, s)
			return
		}
		for _, bin := range s.Bins {
			line(b, f.Name+"_bucket", s.With(metric.Label{Name: "le", Value: bin.Le}), strconv.FormatUint(bin.Count, 10))
		}
		line(b, f.Name+"_count", s.Labels, strconv.FormatUint(s.Bins[len(s.Bins)-1].Count, 10))
	default:
		line(b, f.Name, s.Labels, strconv.FormatUint(s.Value, 10))
	}
}

// writeDistribution writes a histogram of totals with its fixed bounds.
func writeDistribution(b *bytes.Buffer, f *export.Family, s *export.Series) {
	d := s.Distribution
	for upper, n := range d.Bins() {
		le := "+Inf"
		if !math.IsInf(upper, 1) {
			le = float(upper)
		}
		line(b, f.Name+"_bucket", s.With(metric.Label{Name: "le", Value: le}), strconv.FormatUint(n, 10))
	}
	line(b, f.Name+"_sum", s.Labels, float(d.Sum))
	line(b, f.Name+"_count", s.Labels, strconv.FormatUint(d.Count, 10))
}

func float(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// number formats a quantile or a sum. Fractions have digits decimals, in pktvisor six.
func number(s *export.Series, v float64, digits int) string {
	if s.Float {
		return strconv.FormatFloat(v, 'g', digits, 64)
	}
	return strconv.FormatFloat(math.Round(v), 'f', 0, 64)
}

func line(b *bytes.Buffer, name string, labels []metric.Label, value string) {
	b.WriteString(name)
	b.WriteByte('{')
	for i, l := range labels {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(l.Name)
		b.WriteString(`="`)
		_, _ = labelEscapes.WriteString(b, l.Value)
		b.WriteByte('"')
	}
	b.WriteString("} ")
	b.WriteString(value)
	b.WriteByte('\n')
}

// Handler returns an HTTP handler that answers with the metrics of p as text.
func Handler(p *handler.Pipeline, cfg Config) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s, err := p.Latest()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_ = WriteText(w, export.Families(s, cfg)) // the client has disconnected
	})
}

// CountersHandler returns an HTTP handler that answers with the totals of p as text. The package
// visor/export/prom/protobuf has one that also answers with native histograms.
func CountersHandler(p *handler.Pipeline, cfg Config) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_ = WriteText(w, export.Totals(p.Totals(), cfg)) // the client has disconnected
	})
}
