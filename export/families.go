package export

import (
	"slices"
	"strings"
	"time"

	"visor/handler"
	"visor/handler/metric"
)

// FamilyConfig configures labels and sums of families. The zero FamilyConfig is ready to use.
type FamilyConfig struct {
	Labels   map[string]string // labels of every series, such as "policy" and "tap"
	Instance string            // value of the label "instance", which comes first; "" omits it
	Handler  bool              // add a label "handler" with the module's name

	// GreatestAsSum sets the sum of a summary to its greatest value, as in pktvisor. Use it for
	// dashboards that rely on that.
	GreatestAsSum bool
}

// FamilyType is the type of a family.
type FamilyType string

// Types of families.
const (
	Counter   FamilyType = "counter"
	Gauge     FamilyType = "gauge"
	Summary   FamilyType = "summary"
	Histogram FamilyType = "histogram"
)

// Family holds all series of one metric.
type Family struct {
	Name, Help string
	Type       FamilyType
	Sum        string      // meaning of the sum of a summary, in words
	Unit       metric.Unit // base unit of a histogram of totals
	Series     []Series
}

// Series is one metric with its labels. It holds a value or a distribution.
type Series struct {
	Labels    []metric.Label   // "instance" first, the others sorted by name
	Value     uint64           // value of a counter or a gauge
	Quantiles metric.Quantiles // quantiles of a summary
	Sum       float64          // sum of a summary; see [FamilyConfig]
	Float     bool             // quantiles are fractions
	Bins      []metric.Bin     // all bins of a histogram, the same in all series

	// values of a histogram of totals, see [Totals]; nil for all others
	Distribution *metric.Distribution
	Since        time.Time // when a total began; zero for all others
}

// Families returns the metrics of s in the order of their declaration. It omits quantiles and
// histograms without samples. A rate has a sample for each second.
func Families(s *handler.Snapshot, cfg FamilyConfig) []Family {
	var out []Family
	index := make(map[string]int)
	for i := range s.Modules {
		m := &s.Modules[i]
		if m.Silent() {
			continue
		}
		labels := cfg.labels(&m.Info)
		for _, v := range m.Values() {
			series, typ := cfg.seriesOf(&v, with(labels, v.Labels...))
			if len(series) == 0 {
				continue
			}
			at, known := index[v.Prom]
			if !known {
				at = len(out)
				index[v.Prom] = at
				out = append(out, Family{Name: v.Prom, Help: v.Help, Type: typ, Sum: cfg.sumOf(v.Kind)})
			}
			out[at].Series = append(out[at].Series, series...)
		}
	}
	return out
}

// JoinFamilies merges several lists into one. Each family has all its series.
func JoinFamilies(lists ...[]Family) []Family {
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

// labels returns the labels shared by all series of a module.
func (cfg *FamilyConfig) labels(m *handler.Info) []metric.Label {
	var out []metric.Label
	for name, value := range cfg.Labels {
		if cfg.Instance == "" || name != "instance" {
			out = append(out, metric.Label{Name: name, Value: value})
		}
	}
	if _, given := cfg.Labels["tap"]; m.Tap != "" && !given {
		out = append(out, metric.Label{Name: "tap", Value: m.Tap})
	}
	if _, given := cfg.Labels["handler"]; cfg.Handler && !given {
		out = append(out, metric.Label{Name: "handler", Value: m.Name})
	}
	if cfg.Instance != "" {
		out = append(out, metric.Label{Name: "instance", Value: cfg.Instance})
	}
	return ordered(out)
}

// ordered sorts labels by name, after "instance".
func ordered(labels []metric.Label) []metric.Label {
	slices.SortFunc(labels, func(a, b metric.Label) int {
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

// with returns labels followed by more.
func with(labels []metric.Label, more ...metric.Label) []metric.Label {
	return ordered(append(slices.Clone(labels), more...))
}

// With returns the labels of s followed by l.
func (s *Series) With(l metric.Label) []metric.Label { return with(s.Labels, l) }

// sumOf describes the sum of a summary.
func (cfg *FamilyConfig) sumOf(k metric.Kind) string {
	switch {
	case k != metric.KindQuantile && k != metric.KindRate:
		return ""
	case cfg.GreatestAsSum:
		return "the greatest value"
	case k == metric.KindRate:
		return "the sum of all seconds"
	}
	return "the sum of all values"
}

func (cfg *FamilyConfig) seriesOf(v *metric.Value, labels []metric.Label) ([]Series, FamilyType) {
	switch v.Kind {
	case metric.KindUnknown:
		return nil, ""
	case metric.KindQuantile, metric.KindRate:
		if v.Quantiles.N == 0 && v.Kind == metric.KindQuantile {
			return nil, ""
		}
		sum := v.Quantiles.Sum
		if cfg.GreatestAsSum {
			sum = v.Quantiles.Max
		}
		return []Series{{Labels: labels, Quantiles: v.Quantiles, Sum: sum, Float: v.Float}}, Summary
	case metric.KindHistogram:
		if len(v.Bins) == 0 {
			return nil, ""
		}
		return []Series{{Labels: labels, Bins: v.Buckets}}, Histogram
	case metric.KindTop:
		var out []Series
		for _, item := range v.Items {
			out = append(out, Series{Labels: with(labels, itemLabels(v.Label, &item)...), Value: item.Estimate})
		}
		return out, Gauge
	}
	return []Series{{Labels: labels, Value: v.Int}}, Gauge
}

func itemLabels(name string, item *metric.Item) []metric.Label {
	out := []metric.Label{{Name: name, Value: strings.ToValidUTF8(item.Name, "\uFFFD")}}
	if item.Lat != "" {
		out = append(out, metric.Label{Name: "lat", Value: item.Lat})
	}
	if item.Lon != "" {
		out = append(out, metric.Label{Name: "lon", Value: item.Lon})
	}
	return out
}
