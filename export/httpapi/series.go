package httpapi

import (
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
		answers, err := a.series(ctx, q)
		if err != nil {
			return reply{}, err
		}
		list, gaps := make([]seriesObject, 0), make([]gapObject, 0)
		for _, name := range metrics {
			s, text := seriesOf(answers, name)
			if text != "" {
				return failure(http.StatusBadRequest, text), nil
			}
			list = append(list, s...)
		}
		for i := range answers {
			gaps = append(gaps, gapsOf(&answers[i])...)
		}
		return jsonReply(http.StatusOK, object{
			"policy": q.policy, "from": clock(q.from), "to": clock(q.to), "step": q.step.Seconds(), "series": list, "gaps": joined(gaps),
		}), nil
	})
}

// usualStep returns the step for a range: whole minutes.
func usualStep(length time.Duration) time.Duration {
	step := (length/usualPoints + time.Minute - 1) / time.Minute * time.Minute
	return max(step, time.Minute)
}

// seriesOf returns the points of a metric for each module that has it, or the reason why there are
// none.
func seriesOf(answers []history.Answer, name string) (list []seriesObject, problem string) {
	modules := make(map[string]int) // index in list
	known := make(map[string]bool)
	for i := range answers {
		if answers[i].Snapshot == nil {
			continue
		}
		for j := range answers[i].Snapshot.Modules {
			m := &answers[i].Snapshot.Modules[j]
			value, found, text := valueOf(m, name)
			if text != "" {
				return nil, text
			}
			known[m.Schema] = true
			if !found {
				continue
			}
			at, seen := modules[m.Name]
			if !seen {
				at = len(list)
				modules[m.Name], list = at, append(list, seriesObject{Metric: name, Module: m.Name, Points: empty(answers)})
			}
			list[at].Points[i][1] = value
		}
	}
	if schema, _, _ := strings.Cut(name, "."); len(list) == 0 && len(known) > 0 {
		problem = fmt.Sprintf("metric=%s: no module has it; METRICS.md lists the metrics", name)
		if !known[schema] {
			problem = fmt.Sprintf("metric=%s: the policy has metrics of %s", name, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
	}
	return list, problem
}

// empty returns points without values.
func empty(answers []history.Answer) []point {
	out := make([]point, len(answers))
	for i := range answers {
		a := &answers[i]
		out[i] = point{a.From.Unix(), nil, a.To.Sub(a.From).Round(time.Second).Seconds()}
	}
	return out
}

// valueOf returns the value of a metric in m. A list has none; the problem names what has.
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
