package findings

import (
	"maps"
	"slices"
	"time"
)

// Baselines learn from every period, and after some minutes an attack is usual for them. So while
// findings last, detectors look for their subjects with the baselines from before the first one.
// A new attack needs a sign by both baselines, because the latest ones have learned from the other
// attack, and those from before may be of the night.

// held is the kind and the subject of a sign.
type held struct {
	kind    Kind
	subject string
}

// holding is how long a sign lasts.
type holding struct {
	since   time.Time
	longest time.Duration
	calm    int // periods in a row without it
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
// baselines from before the first sign until none lasts any more.
func (w *Watcher) lasting(r *reading, s *stream, found []signal) []signal {
	s.settle(r)
	if s.before != nil {
		found = s.compared(found, w.look(views(r, s.before, &w.cfg)))
	}
	for _, h := range s.held {
		h.calm++
	}
	for i := range found {
		s.hold(r, &found[i].Finding, w.cfg.Resolve)
	}
	maps.DeleteFunc(s.held, func(key held, h *holding) bool { return h.calm >= w.cfg.forget(key.kind) })
	if len(s.held) == 0 {
		s.before = nil
	}
	return found
}

// hold keeps a sign, and the baselines if it is the first one.
func (s *stream) hold(r *reading, f *Finding, resolve int) {
	if f.longest() == 0 {
		return
	}
	h := s.held[held{f.Kind, f.Subject}]
	if h == nil {
		if len(s.held) >= maxActive {
			return
		}
		h = &holding{since: r.start}
		s.held[held{f.Kind, f.Subject}] = h
	}
	if h.calm > resolve { // the next episode
		h.since = r.start
	}
	h.longest, h.calm = max(h.longest, f.longest()), 0
	if s.before == nil {
		s.before = s.copied()
	}
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
	if len(s.held) == 0 {
		s.before = nil
	}
}

// compared returns the signs of a reading, from the signs by the latest baselines and the signs by
// the baselines from before.
func (s *stream) compared(latest, before []signal) (out []signal) {
	signs := make(map[held]bool)
	for i := range latest {
		signs[held{latest[i].Kind, latest[i].Subject}] = true
	}
	shown, gone := make(map[held]bool), false
	for i := range before {
		sig := &before[i]
		key := held{sig.Kind, sig.Subject}
		if s.held[key] != nil || sig.attacks() && signs[key] {
			shown[key], gone = true, gone || sig.allGone
			out = append(out, *sig)
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
