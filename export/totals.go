package export

import (
	"visor/handler"
	"visor/handler/metric"
)

// Totals returns the counts of handlers since they were attached, as counters and histograms
// that only grow. Names follow the conventions of Prometheus: visor_, the handler's type, what is
// counted, and the base unit or _total, as in visor_dns_queries_total. They have closed sets of
// labels only; lists, cardinalities and gauges are left out.
//
// Each series has a label "handler", whatever cfg sets, because two handlers of a policy may be of
// one type.
func Totals(totals []handler.Totals, cfg FamilyConfig) []Family {
	cfg.Handler = true
	var out []Family
	index := make(map[string]int)
	for i := range totals {
		t := &totals[i]
		labels := cfg.labels(&t.Info)
		for k := range t.Sums {
			sum := &t.Sums[k]
			name := "visor_" + t.Type + "_" + sum.Name
			at, known := index[name]
			if !known {
				at = len(out)
				index[name] = at
				out = append(out, family(name, sum))
			}
			out[at].Series = append(out[at].Series, Series{
				Labels: with(labels, sum.Labels...), Value: sum.Count, Distribution: sum.Distribution, Since: t.Since,
			})
		}
	}
	return out
}

// family returns a family of totals without series.
func family(name string, sum *metric.Sum) Family {
	f := Family{Name: name, Help: sum.Help, Type: Counter, Unit: sum.Unit}
	if sum.Distribution != nil {
		f.Type = Histogram
	}
	return f
}
