// Package prom renders a [handler.Snapshot] as Prometheus metrics, in families, labels and text those of pktvisor.
//
//	http.Handle("/metrics", prom.Handler(pipeline, prom.Config{}))
//
// A host that has a registry of client_golang registers a collector (visor/export/prom/collector) instead; both show the same
// [Families].
//
// Shown is the last minute that has ended, or the running one while there is no other: numbers are of that minute, not
// cumulative. Counters are gauges therefore, and of summaries _sum is the greatest value, as pktvisor has it.
package prom

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"visor/handler"
)

// Config configures what is added to the metrics. The zero Config is ready to use.
type Config struct {
	Labels   map[string]string // of every series, as "policy" and "tap"
	Instance string            // the label "instance", which comes first; "" for none
	Handler  bool              // a label "handler": the module's name
}

// Type is the type of a family.
type Type string

// The types.
const (
	Gauge     Type = "gauge"
	Summary   Type = "summary"
	Histogram Type = "histogram"
)

// Label is a label of a series.
type Label = handler.Label

// Family is all series of one metric.
type Family struct {
	Name, Help string
	Type       Type
	Series     []Series
}

// Series is one metric with its labels: a value, or a distribution.
type Series struct {
	Labels    []Label           // "instance" first, the others sorted by name
	Value     uint64            // of a gauge
	Quantiles handler.Quantiles // of a summary
	Float     bool              // quantiles are fractions
	Bins      []handler.Bin     // of a histogram
}

// Families returns the metrics of s, in the order of their declaration. What has no samples is left out.
func Families(s *handler.Snapshot, cfg Config) []Family {
	var out []Family
	index := make(map[string]int)
	for i := range s.Modules {
		m := &s.Modules[i]
		if m.Silent() {
			continue
		}
		labels := cfg.labels(m)
		for _, v := range m.Values() {
			series, typ := seriesOf(&v, with(labels, v.Labels...))
			if len(series) == 0 {
				continue
			}
			at, known := index[v.Prom]
			if !known {
				at = len(out)
				index[v.Prom] = at
				out = append(out, Family{Name: v.Prom, Help: v.Help, Type: typ})
			}
			out[at].Series = append(out[at].Series, series...)
		}
	}
	return out
}

// Join returns the families of several lists as one, each with all its series.
func Join(lists ...[]Family) []Family {
	var out []Family
	index := make(map[string]int)
	for _, list := range lists {
		for _, f := range list {
			at, known := index[f.Name]
			if !known {
				index[f.Name] = len(out)
				f.Series = slices.Clip(f.Series)
				out = append(out, f)
				continue
			}
			out[at].Series = append(out[at].Series, f.Series...)
		}
	}
	return out
}

// labels returns the labels that all series of m have.
func (cfg *Config) labels(m *handler.Module) []Label {
	var out []Label
	for name, value := range cfg.Labels {
		if cfg.Instance == "" || name != "instance" {
			out = append(out, Label{Name: name, Value: value})
		}
	}
	if _, given := cfg.Labels["tap"]; m.Tap != "" && !given {
		out = append(out, Label{Name: "tap", Value: m.Tap})
	}
	if _, given := cfg.Labels["handler"]; cfg.Handler && !given {
		out = append(out, Label{Name: "handler", Value: m.Name})
	}
	if cfg.Instance != "" {
		out = append(out, Label{Name: "instance", Value: cfg.Instance})
	}
	return ordered(out)
}

// ordered sorts labels by name, behind "instance".
func ordered(labels []Label) []Label {
	slices.SortFunc(labels, func(a, b Label) int {
		if first := strings.Compare(a.Name, b.Name); a.Name != "instance" && b.Name != "instance" || first == 0 {
			return first
		}
		if a.Name == "instance" {
			return -1
		}
		return 1
	})
	return labels
}

// with returns labels and more, in their order.
func with(labels []Label, more ...Label) []Label {
	return ordered(append(slices.Clone(labels), more...))
}

func seriesOf(v *handler.Value, labels []Label) ([]Series, Type) {
	switch v.Kind {
	case handler.KindQuantile, handler.KindRate:
		if v.Quantiles.N == 0 {
			return nil, ""
		}
		return []Series{{Labels: labels, Quantiles: v.Quantiles, Float: v.Float}}, Summary
	case handler.KindHistogram:
		if len(v.Bins) == 0 {
			return nil, ""
		}
		return []Series{{Labels: labels, Bins: v.Bins}}, Histogram
	case handler.KindTop:
		var out []Series
		for _, item := range v.Items {
			out = append(out, Series{Labels: with(labels, itemLabels(v.Label, &item)...), Value: item.Estimate})
		}
		return out, Gauge
	}
	return []Series{{Labels: labels, Value: v.Int}}, Gauge
}

func itemLabels(name string, item *handler.Item) []Label {
	out := []Label{{Name: name, Value: strings.ToValidUTF8(item.Name, "\uFFFD")}}
	if item.Lat != "" {
		out = append(out, Label{Name: "lat", Value: item.Lat})
	}
	if item.Lon != "" {
		out = append(out, Label{Name: "lon", Value: item.Lon})
	}
	return out
}

// WriteText writes families in the text format (https://prometheus.io/docs/instrumenting/exposition_formats).
func WriteText(w io.Writer, families []Family) error {
	var b bytes.Buffer
	for i := range families {
		f := &families[i]
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", f.Name, helpEscapes.Replace(f.Help), f.Name, f.Type)
		for j := range f.Series {
			writeSeries(&b, f, &f.Series[j])
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

var (
	helpEscapes  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

func writeSeries(b *bytes.Buffer, f *Family, s *Series) {
	switch f.Type {
	case Summary:
		q := &s.Quantiles
		for _, at := range []struct {
			label string
			value float64
		}{{"0.5", q.P50}, {"0.9", q.P90}, {"0.95", q.P95}, {"0.99", q.P99}} {
			line(b, f.Name, with(s.Labels, Label{Name: "quantile", Value: at.label}), s.number(at.value))
		}
		line(b, f.Name+"_sum", s.Labels, s.number(q.Max))
		line(b, f.Name+"_count", s.Labels, strconv.FormatUint(q.N, 10))
	case Histogram:
		for _, bin := range s.Bins {
			line(b, f.Name+"_bucket", with(s.Labels, Label{Name: "le", Value: bin.Le}), strconv.FormatUint(bin.Count, 10))
		}
		line(b, f.Name+"_count", s.Labels, strconv.FormatUint(s.Bins[len(s.Bins)-1].Count, 10))
	default:
		line(b, f.Name, s.Labels, strconv.FormatUint(s.Value, 10))
	}
}

// number writes a quantile: fractions with six digits.
func (s *Series) number(v float64) string {
	if s.Float {
		return strconv.FormatFloat(v, 'g', 6, 64)
	}
	return strconv.FormatInt(int64(math.Round(v)), 10)
}

func line(b *bytes.Buffer, name string, labels []Label, value string) {
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

// Latest returns what Prometheus is shown of p: the last period that has ended, or else the running one.
func Latest(p *handler.Pipeline) (*handler.Snapshot, error) {
	if s, err := p.Bucket(1); err == nil {
		return s, nil
	}
	return p.Bucket(0)
}

// Handler returns an HTTP handler that answers with the metrics of p as text.
func Handler(p *handler.Pipeline, cfg Config) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s, err := Latest(p)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_ = WriteText(w, Families(s, cfg)) // the client is gone: nobody to tell
	})
}
