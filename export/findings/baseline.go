package findings

import (
	"math"
	"slices"
	"time"
)

const (
	keptValues = 240 // values of a series that are kept, to see pulses that recur
	keptDays   = 7
)

// series is the history of one figure, in units per second: the latest periods, and the median of
// each hour of earlier days.
type series struct {
	recent []float64 // a ring
	next   int
	days   map[int][]float64 // by hour of the day, UTC
	hour   time.Time         // the hour that runs
	values []float64         // of that hour
}

// add adds a value of the period that begins at start.
func (s *series) add(start time.Time, x float64) {
	if len(s.recent) < keptValues {
		s.recent = append(s.recent, x)
	} else {
		s.recent[s.next%keptValues] = x
	}
	s.next++
	s.learn(start, x)
}

// learn adds a value to the hours of earlier days alone.
func (s *series) learn(start time.Time, x float64) {
	hour := start.UTC().Truncate(time.Hour)
	if !hour.Equal(s.hour) {
		s.closeHour()
		s.hour = hour
	}
	if len(s.values) < keptValues {
		s.values = append(s.values, x)
	}
}

// closeHour keeps the median of the hour that has ended.
func (s *series) closeHour() {
	if len(s.values) == 0 {
		return
	}
	if s.days == nil {
		s.days = make(map[int][]float64)
	}
	h := s.hour.Hour()
	s.days[h] = append(s.days[h], median(s.values))
	if n := len(s.days[h]); n > keptDays {
		s.days[h] = s.days[h][n-keptDays:]
	}
	s.values = s.values[:0]
}

// last returns up to n of the latest values, the newest last.
func (s *series) last(n int) (out []float64) {
	n = min(n, len(s.recent))
	for i := s.next - n; i < s.next; i++ {
		out = append(out, s.recent[i%keptValues])
	}
	return out
}

// baseline is the usual level: the range from low to high, and the spread of values around it.
type baseline struct {
	low, high float64 // medians of the latest periods and of this hour on earlier days
	spread    float64 // standard deviation, robust
}

// usual returns the baseline at a time. It is not ok with fewer than warmup values, unless earlier
// days have this hour.
func (s *series) usual(at time.Time, warmup, most int) (b baseline, ok bool) {
	latest := s.last(most)
	days := s.days[at.UTC().Hour()]
	switch {
	case len(latest) < warmup && len(days) == 0:
		return b, false
	case len(latest) < warmup:
		b.low, b.high = slices.Min(days), slices.Max(days)
		b.spread = deviation(days, median(days))
		return b, true
	}
	middle := median(latest)
	b = baseline{middle, middle, deviation(latest, middle)}
	if len(days) > 0 {
		day := median(days)
		b.low, b.high = min(b.low, day), max(b.high, day)
	}
	return b, true
}

// recurs reports whether values of at least x occurred in three or more separate runs before the
// current one, as pulses do.
func (s *series) recurs(x float64) bool {
	runs, high := 0, true // the current run does not count
	for _, v := range slices.Backward(s.last(keptValues)) {
		if v >= x && !high {
			runs++
		}
		high = v >= x
	}
	return runs >= 3
}

// median returns the median, or 0 without values.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// deviation returns the standard deviation of a normal distribution that has the median absolute
// deviation of values.
func deviation(values []float64, middle float64) float64 {
	off := make([]float64, len(values))
	for i, v := range values {
		off[i] = math.Abs(v - middle)
	}
	return 1.4826 * median(off)
}

// keptLists is the number of earlier periods whose lists are kept.
const keptLists = 15

// history holds the entries of one list in the latest periods: counts per second by name.
type history struct {
	past [][]entry // oldest first
}

type entry struct {
	name string
	rate float64
}

func (h *history) add(entries []entry) {
	if len(h.past) == keptLists {
		h.past = slices.Delete(h.past, 0, 1)
	}
	h.past = append(h.past, entries)
}

// usual returns the median rate of an entry. A list that lacks it counts as 0.
func (h *history) usual(name string) float64 {
	rates := make([]float64, len(h.past))
	for i, list := range h.past {
		for _, e := range list {
			if e.name == name {
				rates[i] = e.rate
				break
			}
		}
	}
	return median(rates)
}
