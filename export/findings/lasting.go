package findings

import (
	"maps"
	"slices"
	"time"
)

// Baselines learn from every period, and after some minutes an attack is usual for them. So while a
// finding lasts, detectors look for its subject with the baselines from before. A new attack needs
// a sign by the latest baselines and by the oldest ones: the latest have learned from the other
// attack, and the oldest may be of the night.

// maxBefore bounds the copies of baselines of a module. Further signs share the last one.
const maxBefore = 8

// held is the kind and the subject of a sign.
type held struct {
	kind    Kind
	subject string
}

// holding is how long a sign lasts.
type holding struct {
	since   time.Time
	longest time.Duration
	calm    int     // periods in a row without it
	before  *stream // with the baselines from before it
}

// longest returns the time after which a finding is usual; 0 if its detector needs no baseline. A
// greater volume that does not look like an attack is the new level sooner.
func (f *Finding) longest() time.Duration {
	switch {
	case f.Kind == Capture:
		return 0
	case f.Kind == Spike && f.Severity != Attack:
		return 2 * time.Hour
	}
	return 24 * time.Hour
}

// attacks reports whether a finding is about clients that do harm.
func (f *Finding) attacks() bool {
	switch f.Kind {
	case RandomLabels, Tunnel, Enumerator, Reflection, Scan:
		return true
	}
	return false
}

// forget returns the number of periods without a sign after which the baselines from before have no
// use for a subject. An attack or trouble may return, and the latest baselines have learned from
// it. For a greater volume they have the pulses that recur.
func (c *Config) forget(kind Kind) int {
	switch kind {
	case Spike, Vanished:
		return c.Resolve
	}
	return max(c.Resolve, c.Baseline)
}

// lasting returns the signs in a reading, from the signs by the latest baselines. It keeps the
// baselines from before each sign until that does not last any more.
func (w *Watcher) lasting(r *reading, s *stream, found []signal) []signal {
	s.settle(r)
	if len(s.before) > 0 {
		found = w.compared(r, s, found)
	}
	for _, h := range s.held {
		h.calm++
	}
	var now *stream // shared by all signs that begin
	for i := range found {
		if h := s.hold(r, &found[i].Finding, w.cfg.Resolve); h != nil && h.before == nil {
			if now == nil {
				now = s.keep()
			}
			h.before = now
		}
	}
	maps.DeleteFunc(s.held, func(key held, h *holding) bool { return h.calm >= w.cfg.forget(key.kind) })
	s.release()
	return found
}

// keep returns a copy of the baselines.
func (s *stream) keep() *stream {
	if len(s.before) < maxBefore {
		s.before = append(s.before, s.copied())
	}
	return s.before[len(s.before)-1]
}

// release removes the copies of baselines that no sign needs.
func (s *stream) release() {
	used := make(map[*stream]bool)
	for _, h := range s.held {
		used[h.before] = true
	}
	s.before = slices.DeleteFunc(s.before, func(b *stream) bool { return !used[b] })
}

// hold keeps a sign. It returns nil if there are too many, or if the sign needs no baselines.
func (s *stream) hold(r *reading, f *Finding, resolve int) *holding {
	if f.longest() == 0 {
		return nil
	}
	h := s.held[held{f.Kind, f.Subject}]
	if h == nil {
		if len(s.held) >= maxActive {
			return nil
		}
		h = &holding{since: r.start}
		s.held[held{f.Kind, f.Subject}] = h
	}
	if h.calm > resolve { // the next episode
		h.since = r.start
	}
	h.longest, h.calm = max(h.longest, f.longest()), 0
	return h
}

// settle ends what has lasted for so long that it is usual.
func (s *stream) settle(r *reading) {
	for key, h := range s.held {
		if r.start.Sub(h.since) < h.longest {
			continue
		}
		delete(s.held, key)
		if e := s.episodes[episodeID(key.kind, r.module.Name, key.subject)]; e != nil && h.calm == 0 {
			e.settled = h.longest
		}
	}
	s.release()
}

// compared returns the signs of a reading by the latest baselines and by those from before.
func (w *Watcher) compared(r *reading, s *stream, latest []signal) (out []signal) {
	signs := make(map[held]bool)
	for i := range latest {
		signs[held{latest[i].Kind, latest[i].Subject}] = true
	}
	shown, gone := make(map[held]bool), false
	for i, before := range s.before {
		for _, sig := range w.look(views(r, before, &w.cfg)) {
			key := held{sig.Kind, sig.Subject}
			h := s.held[key]
			if h != nil && h.before == before || h == nil && i == 0 && sig.attacks() && signs[key] {
				shown[key], gone = true, gone || sig.allGone
				out = append(out, sig)
			}
		}
	}
	for i := range latest {
		sig := &latest[i]
		if sig.attacks() || shown[held{sig.Kind, sig.Subject}] || gone && sig.Kind == Vanished {
			continue
		}
		out = append(out, *sig)
	}
	return out
}

// copied returns a stream with a copy of the baselines of s.
func (s *stream) copied() *stream {
	c := *s
	c.series, c.lists, c.known = make(map[string]*series), make(map[string]*history), make(map[subject]*presence)
	for name, x := range s.series {
		y := *x
		y.recent, y.days = slices.Clone(x.recent), maps.Clone(x.days)
		c.series[name] = &y
	}
	for name, h := range s.lists {
		c.lists[name] = &history{slices.Clone(h.past)}
	}
	for at, p := range s.known {
		c.known[at] = &presence{subject: at, rates: slices.Clone(p.rates)}
	}
	return &c
}
