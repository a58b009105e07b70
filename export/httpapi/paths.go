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

// paths are the paths of the metrics that a policy has, and whether they have parts. An asterisk
// stands for the direction in paths of version 2.0, which some periods lack: dns.*.xacts.
type paths map[string]bool

// add adds the metrics of s, which may be nil.
func (p paths) add(s *handler.Snapshot) {
	if s == nil {
		return
	}
	for i := range s.Modules {
		m := &s.Modules[i]
		p[m.Schema+".period"] = true
		p.addFields(m.Schema+".", m.Metrics)
	}
}

func (p paths) addFields(prefix string, fields []metric.Field) {
	for _, f := range fields {
		path := prefix + strings.Join(f.Path, ".")
		switch f.Kind {
		case metric.KindCardinality, metric.KindGauge:
			p[path] = false
		case metric.KindCounter:
			if path == prefix {
				p.addFields(prefix+"*.", f.Subjects)
			} else {
				p[path] = f.Subjects != nil
			}
		default:
			p[path] = true
		}
	}
}

// has reports whether a path names a metric, a part of it, or several metrics.
func (p paths) has(path string) bool {
	return p.names(path) || p.names(anyDirection(path))
}

// anyDirection returns a path with an asterisk in place of its second part.
func anyDirection(path string) string {
	parts := strings.SplitN(path, ".", 3)
	if len(parts) > 1 {
		parts[1] = "*"
	}
	return strings.Join(parts, ".")
}

func (p paths) names(path string) bool {
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
	like := func(own string) float64 { return max(likeness(own, path), likeness(own, anyDirection(path))) }
	slices.SortStableFunc(all, func(a, b string) int { return cmp.Compare(like(b), like(a)) })
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
