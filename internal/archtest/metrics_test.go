package archtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/handler"
	"visor/handler/metric"
	"visor/handler/policy/builtin"
	"visor/internal/golden"
)

// TestMetricsReference holds METRICS.md to the declarations of the metrics.
func TestMetricsReference(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Metrics\n\nAll metrics of all analyzers, generated from their declarations by `go test ./internal/archtest -run MetricsReference -update`.\n\n" +
		"A metric is shown if all its groups are enabled; the groups in bold are enabled by default. pktvisor lacks the groups in\n" +
		"italics. They are enabled by default in Go programs, and disabled in policy documents: list them in `enable` there, or use\n" +
		"`everything`; `all` means pktvisor's groups. `<label>` in a JSON path stands for one of several subjects, which is a label in\n" +
		"Prometheus. The package comment of handler/metric explains the kinds. `total` is the metric since the start, at\n" +
		"`/metrics/counters`; where it has no label for the subjects, it is their sum.\n")
	for _, a := range builtin.Catalog().Handlers {
		info, err := a.Info()
		require.NoError(t, err)
		fmt.Fprintf(&b, "\n## %s, version %s\n\nJSON key `%s`. ", info.Type, info.Version, info.Schema)
		if len(info.GroupNames) == 0 {
			b.WriteString("It has no groups: all metrics are always on.\n")
		} else {
			fmt.Fprintf(&b, "Groups: %s.\n", groupList(&info, info.GroupNames.All()))
		}
		b.WriteString("\n| JSON | Prometheus | total | kind | groups | meaning |\n|---|---|---|---|---|---|\n")
		writeRows(&b, &info, "", nil, info.Metrics)
	}
	golden.Equal(t, "../../METRICS.md", []byte(b.String()))
}

var kinds = map[metric.Kind]string{
	metric.KindCounter: "counter", metric.KindCardinality: "cardinality", metric.KindTop: "top list", metric.KindQuantile: "quantiles",
	metric.KindRate: "rate", metric.KindHistogram: "histogram", metric.KindGauge: "gauge",
}

// writeRows writes a line for each field. path leads to them.
func writeRows(b *strings.Builder, info *handler.Info, path string, subjects []string, fields []metric.Field) {
	for _, f := range fields {
		own := path + strings.Join(f.Path, ".")
		if f.Subjects != nil {
			if own != "" && !strings.HasSuffix(own, ".") {
				own += "."
			}
			labels := subjects
			if f.Total.Name != "" {
				labels = append(slices.Clone(labels), f.Total.Name)
			}
			writeRows(b, info, own+"<"+f.Label+">.", labels, f.Subjects)
			continue
		}
		name, help := f.Prom, f.Help
		if f.Label != "" {
			name += "{" + f.Label + "}"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", own, name, total(info, &f.Total, subjects), kinds[f.Kind], groupList(info, f.Groups), help)
	}
}

// total returns the name of a metric's totals with its labels, or "" without any.
func total(info *handler.Info, t *metric.Total, subjects []string) string {
	if t.Name == "" {
		return ""
	}
	labels := slices.Clone(subjects)
	for _, l := range t.Labels {
		labels = append(labels, l.Name+"="+l.Value)
	}
	if t.Code != "" {
		labels = append(labels, t.Code)
	}
	name := "visor_" + info.Type + "_" + t.Name
	if len(labels) > 0 {
		name += "{" + strings.Join(labels, ",") + "}"
	}
	return name
}

// groupList names the groups in set.
func groupList(info *handler.Info, set metric.GroupSet) string {
	var out []string
	for i, name := range info.GroupNames {
		bit := metric.GroupSet(1) << i
		switch {
		case !set.Has(bit):
		case info.Own.Has(bit):
			out = append(out, "*"+name+"*")
		case info.Groups.Has(bit):
			out = append(out, "**"+name+"**")
		default:
			out = append(out, name)
		}
	}
	return strings.Join(out, ", ")
}
