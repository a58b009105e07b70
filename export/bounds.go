package export

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"visor/handler"
	"visor/handler/metric"
)

// Bound is how far the values of a metric may be from the true ones.
type Bound struct {
	// of a list: the most by which an estimate may be too high or too low, and the sum of counts
	TooHigh uint64 `json:"too_high,omitempty"`
	TooLow  uint64 `json:"too_low,omitempty"`
	Of      uint64 `json:"of,omitempty"`
	// of quantiles: the share by which a value may differ from the true one
	Within float64 `json:"within,omitempty"`
}

// usualWithin is the bound of quantiles that did not lose detail; see [sketch.Quantile].
const usualWithin = 0.002

// Bounds returns the bounds of lists that are not exact, and of quantiles that travelled with less
// detail, by module and Prometheus name. Of a metric of several subjects it has the worst. Other
// lists are exact, and other quantiles within 0.2 per cent. Cut snapshots cause most of them.
func Bounds(s *handler.Snapshot) map[string]map[string]Bound {
	all := make(map[string]map[string]Bound)
	for i := range s.Modules {
		m := s.Modules[i]
		m.TopN = 0 // items are not needed
		bounds := make(map[string]Bound)
		for _, v := range m.Values() {
			if b := boundOf(&v); b.share() > bounds[v.Prom].share() {
				bounds[v.Prom] = b
			}
		}
		if len(bounds) > 0 {
			all[m.Name] = bounds
		}
	}
	return all
}

// boundOf returns the bound of a value, or the zero Bound.
func boundOf(v *metric.Value) Bound {
	switch {
	case v.Kind == metric.KindTop && v.Error > 0 && v.Distinct:
		return Bound{TooLow: v.Error, Of: v.Total}
	case v.Kind == metric.KindTop && v.Error > 0:
		return Bound{TooHigh: v.Error, Of: v.Total}
	case v.Kind == metric.KindQuantile && v.Within > usualWithin:
		return Bound{Within: v.Within}
	}
	return Bound{}
}

// share returns b as a share of the true value, or of all counts of a list.
func (b Bound) share() float64 {
	if n := max(b.TooHigh, b.TooLow); n > 0 {
		return float64(n) / float64(max(b.Of, n))
	}
	return b.Within
}

// BoundLines returns the result of Bounds as text, a line for each kind of bound.
func BoundLines(bounds map[string]map[string]Bound) (lines []string) {
	var high, low, within worst
	for _, module := range bounds {
		for name, b := range module {
			switch {
			case b.TooHigh > 0:
				high.add(name, b.share())
			case b.TooLow > 0:
				low.add(name, b.share())
			default:
				within.add(name, b.share())
			}
		}
	}
	if high.n > 0 {
		lines = append(lines, "counts of "+high.lists()+" may be too high, at most by "+high.percent()+" of the list's total")
	}
	if low.n > 0 {
		lines = append(lines, "distinct counts of "+low.lists()+" may be too low, at most by "+low.percent()+" of the list's total")
	}
	if within.n > 0 {
		metrics := fmt.Sprintf("%d metrics", within.n)
		if within.n == 1 {
			metrics = "one metric"
		}
		lines = append(lines, fmt.Sprintf("quantiles of %s are within %s of the true values, others within 0.2 %%", metrics, within.percent()))
	}
	return lines
}

// worst is the greatest share of some metrics.
type worst struct {
	n     int
	share float64
	names []string // with that share
}

func (w *worst) add(name string, share float64) {
	w.n++
	if share > w.share {
		w.share, w.names = share, nil
	}
	if share == w.share {
		w.names = append(w.names, name)
	}
}

// lists returns the number of lists, and the worst one.
func (w *worst) lists() string {
	if w.n == 1 {
		return w.names[0]
	}
	return fmt.Sprintf("%d lists (%s)", w.n, slices.Min(w.names))
}

// percent returns the greatest share, rounded up to a tenth of a per cent.
func (w *worst) percent() string {
	text := strings.TrimSuffix(fmt.Sprintf("%.1f", math.Ceil(w.share*1000)/10), ".0")
	return cmp.Or(text, "0") + " %"
}
