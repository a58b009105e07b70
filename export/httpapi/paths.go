package httpapi

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"visor/handler"
	"visor/handler/metric"
)

// paths are the paths of the metrics that a policy has, and whether they have parts.
type paths map[string]bool

// add adds the metrics of s, which may be nil.
func (p paths) add(s *handler.Snapshot) {
	if s == nil {
		return
	}
	for i := range s.Modules {
		m := &s.Modules[i]
		p[m.Schema+".period"] = true
		for _, f := range m.Metrics {
			switch f.Kind {
			case metric.KindCardinality, metric.KindGauge:
				p[m.Schema+"."+strings.Join(f.Path, ".")] = false
			case metric.KindCounter:
				p[m.Schema+"."+strings.Join(f.Path, ".")] = f.Subjects != nil
			default:
				p[m.Schema+"."+strings.Join(f.Path, ".")] = true
			}
		}
	}
}

// has reports whether a path names a metric, a part of it, or several metrics.
func (p paths) has(path string) bool {
	for own, parts := range p {
		if own == path || strings.HasPrefix(own, path+".") || parts && strings.HasPrefix(path, own+".") {
			return true
		}
	}
	return false
}

// problem returns the fault of a selection, or "". Without any counts it cannot be wrong.
func (p paths) problem(s selection) string {
	for _, path := range s {
		if len(p) > 0 && !p.has(path) {
			return fmt.Sprintf("metrics=%s: the policy has no such metric; the nearest ones are %s", path, strings.Join(p.near(path), ", "))
		}
	}
	return ""
}

// near returns the paths that have most in common with another, at both ends.
func (p paths) near(path string) []string {
	const most = 3
	all := slices.Sorted(maps.Keys(p))
	slices.SortStableFunc(all, func(a, b string) int { return cmp.Compare(likeness(b, path), likeness(a, path)) })
	return all[:min(len(all), most)]
}

// likeness returns the share of two texts that is equal at their ends, from 0 to 1.
func likeness(a, b string) float64 {
	short, long := min(len(a), len(b)), max(len(a), len(b), 1)
	head := 0
	for head < short && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < short-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	return float64(head+tail) / float64(long)
}
