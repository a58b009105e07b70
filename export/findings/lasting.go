package findings

import (
	"maps"
	"slices"
	"time"
)

// Baselines learn from every period, and after some minutes an attack is usual for them. So while
// findings last, detectors use the baselines from before the first one.

// longest is the time after which a finding is usual.
const longest = 24 * time.Hour

// lasts reports whether a finding must not become usual before that time. Others may: after a
// while, a greater volume is the new level.
func (f *Finding) lasts() bool {
	switch f.Kind {
	case RandomLabels, Tunnel, Enumerator, Reflection, Scan, Trouble:
		return true
	}
	return false
}

// lasting replaces the signs of findings that must not become usual. While some last, it takes what
// stands out by the baselines from before. It keeps those baselines when the first sign comes, and
// drops them when there is none for as long as findings need to resolve.
func (w *Watcher) lasting(r *reading, s *stream, found []signal) []signal {
	lasts := func(sig signal) bool { return sig.lasts() }
	if s.before != nil {
		found = slices.DeleteFunc(found, lasts)
		for _, sig := range w.look(views(r, s.before, &w.cfg)) {
			if sig.lasts() {
				found = append(found, sig)
			}
		}
	}
	switch sign := slices.ContainsFunc(found, lasts); {
	case sign && s.before == nil:
		s.before, s.calm = s.copied(r.start), 0
	case sign:
		s.calm = 0
	default:
		s.calm++
	}
	if s.before != nil && (s.calm >= w.cfg.Resolve || r.start.Sub(s.before.end) >= longest) {
		s.before = nil
	}
	return found
}

// copied returns a stream with a copy of the baselines of s at a time.
func (s *stream) copied(now time.Time) *stream {
	c := *s
	c.end, c.series, c.lists = now, make(map[string]*series), make(map[string]*history)
	for name, x := range s.series {
		y := *x
		y.recent, y.days = slices.Clone(x.recent), maps.Clone(x.days)
		c.series[name] = &y
	}
	for name, h := range s.lists {
		c.lists[name] = &history{slices.Clone(h.past)}
	}
	return &c
}
