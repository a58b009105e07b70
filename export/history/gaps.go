package history

import (
	"slices"
	"time"

	"visor/handler"
)

// setGaps sets the gaps: the parts of a's range without counts, and, with their reasons, what Gaps
// and lost contain. before is the end of the period before the range, which is not a gap.
func (a *Answer) setGaps(before int64, lost []gapNS) {
	known := a.Gaps
	for _, g := range lost {
		known = append(known, Gap{between(g.start, g.end), "records were lost"})
	}
	var counted []handler.Interval
	if a.Snapshot != nil {
		for i := range a.Snapshot.Modules {
			counted = append(counted, spansOf(&a.Snapshot.Modules[i])...)
		}
	}
	for _, g := range known {
		counted = append(counted, g.Interval)
	}
	whole := a.Asked
	if start := time.Unix(0, before); start.After(whole.Start) {
		whole.Start = start
	}
	if a.Snapshot != nil && a.From.Before(whole.Start) {
		whole.Start = a.From
	}
	if a.Snapshot != nil && a.To.After(whole.End) {
		whole.End = a.To
	}
	a.Gaps = append(known, without([]Gap{{Interval: whole}}, counted)...)
	slices.SortFunc(a.Gaps, func(g, h Gap) int { return g.Start.Compare(h.Start) })
}

// without returns the parts of gaps that are not in intervals. Parts below a second are dropped,
// because periods are known to the second.
func without(gaps []Gap, intervals []handler.Interval) (out []Gap) {
	for _, g := range gaps {
		at := g.Start
		for _, x := range slices.SortedFunc(slices.Values(intervals), byStart) {
			if end := earlier(x.Start, g.End); end.Sub(at) >= time.Second {
				out = append(out, Gap{handler.Interval{Start: at, End: end}, g.Reason})
			}
			if x.End.After(at) {
				at = x.End
			}
		}
		if g.End.Sub(at) >= time.Second {
			out = append(out, Gap{handler.Interval{Start: at, End: g.End}, g.Reason})
		}
	}
	return out
}

func byStart(a, b handler.Interval) int { return a.Start.Compare(b.Start) }

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
