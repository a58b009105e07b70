package handler

import (
	"slices"
	"time"

	"visor/handler/metric"
)

// Totals hold what a handler has counted since it was attached. They never become less, unlike the
// counts of periods. Deep samples count as what they are, without a correction for the rate.
type Totals struct {
	Info
	Since time.Time // when the handler, or the first one that it continues, was attached
	Sums  []metric.Sum
}

// Totals returns the totals of each handler, the live period included. They stay available after
// Detach.
func (g *Attachment) Totals() []Totals {
	sums := make([]*metric.Totals, len(g.infos))
	for k, w := range g.pipeline.workers {
		w.mu.Lock()
		for i, s := range g.parts[k].shards {
			sums[i] = s.buckets().addTotals(sums[i])
		}
		w.mu.Unlock()
	}
	out := make([]Totals, len(g.infos))
	for i, info := range g.infos {
		out[i] = Totals{Info: info, Since: g.since}
		if len(info.GroupNames) == 0 || info.Groups != 0 {
			out[i].Sums = sums[i].Sums(info.Groups)
		}
	}
	return out
}

// Totals returns the totals of Config.Handlers; see [Attachment.Totals].
func (p *Pipeline) Totals() []Totals { return p.main.Totals() }

// Continue returns totals that continue the totals of earlier handlers: of the same name, tap, type
// and version. Earlier handlers without a successor are left out. A metric that the successor does
// not count keeps its total.
func Continue(totals, earlier []Totals) []Totals {
	out := slices.Clone(totals)
	for i := range out {
		t := &out[i]
		k := slices.IndexFunc(earlier, func(e Totals) bool {
			return e.Name == t.Name && e.Tap == t.Tap && e.Type == t.Type && e.Version == t.Version
		})
		if k >= 0 {
			t.Since, t.Sums = earlier[k].Since, metric.AddSums(t.Sums, earlier[k].Sums)
		}
	}
	return out
}
