package httpapi

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"visor/export/history"
	"visor/handler"
	"visor/handler/metric"
)

// usualPoints is the number of points of a series without the parameter step.
const usualPoints = 300

// maxSeries is the number of metrics in a request.
const maxSeries = 10

// point is a value with the time that it covers: the start in seconds since 1970, the value or
// null, and the length in seconds.
type point [3]any

// seriesObject holds the points of a metric of a module.
type seriesObject struct {
	Metric string  `json:"metric"`
	Module string  `json:"module"`
	Points []point `json:"points"`
}

// metricSeries answers with the values of some metrics over time.
func (a *API) metricSeries(r *http.Request) reply {
	return a.ofHistory(r, func(ctx context.Context, q *query) (reply, error) {
		metrics := newSelection(r.URL.Query()["metric"])
		switch {
		case len(metrics) == 0:
			return failure(http.StatusBadRequest, "the parameter metric is required, as metric=dns.wire_packets.total"), nil
		case len(metrics) > maxSeries:
			return failure(http.StatusBadRequest, fmt.Sprintf("at most %d metrics are allowed", maxSeries)), nil
		}
		if q.step == 0 {
			q.step = usualStep(q.to.Sub(q.from))
		}
		all := seriesList{metrics: metrics, list: make([]seriesObject, 0), gaps: make([]gapObject, 0), known: make(map[string]bool), index: make(map[string]int)}
		if err := a.series(ctx, q, all.add); err != nil {
			return reply{}, err
		}
		if text := all.problem(); text != "" {
			return failure(http.StatusBadRequest, text), nil
		}
		return jsonReply(http.StatusOK, object{
			"policy": q.policy, "from": clock(q.from), "to": clock(q.to), "step": q.step.Seconds(), "series": all.list, "gaps": joined(all.gaps),
		}), nil
	})
}

// usualStep returns the step for a range: whole minutes.
func usualStep(length time.Duration) time.Duration {
	step := (length/usualPoints + time.Minute - 1) / time.Minute * time.Minute
	return max(step, time.Minute)
}

// seriesList collects the points of some metrics.
type seriesList struct {
	metrics []string
	list    []seriesObject
	index   map[string]int  // index in list, by metric and module
	known   map[string]bool // schemas
	empty   []point         // of each answer, without a value
	gaps    []gapObject
	wrong   string // the first problem of a metric
}

// add adds the values of an answer.
func (l *seriesList) add(a *history.Answer) error {
	l.gaps = append(l.gaps, gapsOf(a)...)
	none := point{a.From.Unix(), nil, a.To.Sub(a.From).Round(time.Second).Seconds()}
	l.empty = append(l.empty, none)
	for i := range l.list {
		l.list[i].Points = append(l.list[i].Points, none)
	}
	if a.Snapshot == nil {
		return nil
	}
	for i := range a.Snapshot.Modules {
		m := &a.Snapshot.Modules[i]
		l.known[m.Schema] = true
		for _, name := range l.metrics {
			value, found, text := valueOf(m, name)
			if l.wrong = cmp.Or(l.wrong, text); found {
				l.set(name, m.Name, value)
			}
		}
	}
	return nil
}

// set sets the newest value of a metric of a module.
func (l *seriesList) set(name, module string, value any) {
	at, seen := l.index[name+" "+module]
	if !seen {
		at = len(l.list)
		l.index[name+" "+module] = at
		l.list = append(l.list, seriesObject{Metric: name, Module: module, Points: slices.Clone(l.empty)})
	}
	points := l.list[at].Points
	points[len(points)-1][1] = value
}

// problem returns the reason why a metric has no points although something was counted, or "".
func (l *seriesList) problem() string {
	if l.wrong != "" || len(l.known) == 0 {
		return l.wrong
	}
	for _, name := range l.metrics {
		schema, _, _ := strings.Cut(name, ".")
		switch {
		case slices.ContainsFunc(l.list, func(s seriesObject) bool { return s.Metric == name }):
		case !l.known[schema]:
			return fmt.Sprintf("metric=%s: the policy has metrics of %s", name, strings.Join(slices.Sorted(maps.Keys(l.known)), ", "))
		default:
			return fmt.Sprintf("metric=%s: no module has it; METRICS.md lists the metrics", name)
		}
	}
	return ""
}

// valueOf returns the value of a metric in m. If the metric has no single value, problem describes
// where its values are.
func valueOf(m *handler.Module, name string) (value any, found bool, problem string) {
	path, ok := strings.CutPrefix(name, m.Schema+".")
	if !ok {
		return nil, false, ""
	}
	for _, v := range m.Values() {
		own := strings.Join(v.Path, ".")
		switch v.Kind {
		case metric.KindQuantile, metric.KindRate:
			if quantile, ok := strings.CutPrefix(path, own+"."); ok {
				if value, ok = quantileOf(&v.Quantiles, quantile); ok {
					return value, true, ""
				}
			}
			if path == own {
				return nil, false, fmt.Sprintf("metric=%s has several values: add .p50, .p90, .p95, .p99, .max, .mean or .sum", name)
			}
		case metric.KindTop, metric.KindHistogram, metric.KindUnknown:
			if path == own {
				return nil, false, fmt.Sprintf("metric=%s is not a number: GET the policy's history with metrics=%s", name, name)
			}
		default:
			if path == own {
				return v.Int, true, ""
			}
		}
	}
	return nil, false, ""
}

// quantileOf returns a value of a distribution, or nil without samples.
func quantileOf(q *metric.Quantiles, name string) (any, bool) {
	mean := math.NaN()
	if q.N > 0 {
		mean = q.Sum / float64(q.N)
	}
	f, ok := map[string]float64{"p50": q.P50, "p90": q.P90, "p95": q.P95, "p99": q.P99, "max": q.Max, "mean": mean, "sum": q.Sum}[name]
	if q.N == 0 || math.IsNaN(f) {
		return nil, ok
	}
	return f, ok
}

// joined joins gaps that touch.
func joined(gaps []gapObject) []gapObject {
	out := gaps[:0]
	for _, g := range gaps {
		if n := len(out); n > 0 && out[n-1].To == g.From && out[n-1].Reason == g.Reason {
			out[n-1].To = g.To
			continue
		}
		out = append(out, g)
	}
	return out
}
