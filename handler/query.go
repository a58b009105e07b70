package handler

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Bucket returns the metrics of one period for all modules. Period 0 is the live one, and 1 the
// last closed one. It returns an error if a module does not keep period n or has not reached it.
func (g *Attachment) Bucket(n int) (*Snapshot, error) {
	for _, info := range g.infos {
		if n < 0 || n >= info.Periods {
			return nil, fmt.Errorf("invalid metrics period, specify [0, %d]", info.Periods-1)
		}
	}
	return g.snapshot(n, n+1)
}

// Window returns the merged metrics of the n newest periods, including the live one. It merges
// fewer periods while fewer exist. n must be from 2 to the number of periods that every module
// keeps.
func (g *Attachment) Window(n int) (*Snapshot, error) {
	for _, info := range g.infos {
		if n <= 1 || n > info.Periods {
			return nil, fmt.Errorf("invalid metrics period, specify [2, %d]", info.Periods)
		}
	}
	s, err := g.snapshot(0, n)
	if err == nil {
		s.Window = n
	}
	return s, err
}

// snapshot merges the periods first to last-1 of every module, counted from the live one. If a
// period ends and the oldest one is dropped while it visits the workers, it retries.
func (g *Attachment) snapshot(first, last int) (s *Snapshot, err error) {
	for range 3 {
		var whole bool
		if s, whole, err = g.try(g.stretches(), first, last); whole || err != nil {
			break
		}
	}
	return s, err
}

// try is snapshot without the retry, for periods among the known stretches. It fails if a worker
// has lost a period meanwhile.
func (g *Attachment) try(known times, first, last int) (s *Snapshot, whole bool, err error) {
	s = &Snapshot{Modules: make([]Module, len(g.infos)), Period: g.pipeline.cfg.Period}
	now := g.now()
	chosen := make([][]period, len(g.infos))
	for i, info := range g.infos {
		periods := g.periods(i, known)
		if first >= max(len(periods), 1) {
			return nil, true, fmt.Errorf("requested metrics period has not yet accumulated, current range is [0, %d]", max(len(periods), 1)-1)
		}
		end := min(last, len(periods))
		switch {
		case info.Periods == 1: // one bucket for everything, regardless of each worker's start
			end = len(periods)
		case first == 0:
			end = within(periods, last, int64(g.pipeline.cfg.Period))
		}
		chosen[i] = periods[first:end]
		m := &s.Modules[i]
		m.Info, m.now, m.Live = info, now, g.pipeline.cfg.live && first == 0
		m.HashID = g.pipeline.cfg.Hash.ID()
		m.measure(chosen[i], known.of(i))
	}
	return s, g.fill(s, chosen, known), nil
}

// within returns the number of periods in a window of n, each of a length in ns. A recording has no
// periods without traffic, so periods that ended before the window begins are left out. pktvisor
// counts periods regardless of their age.
func within(periods []period, n int, length int64) int {
	age := int64(0) // relative to the end of a period, at the start of the newest one
	for k := 1; k < min(n, len(periods)); k++ {
		p, later := periods[k], periods[k-1]
		if p.era == later.era {
			age += later.start - p.start - length
		}
		if age >= int64(n-1)*length {
			return k
		}
		age += length
	}
	return min(n, len(periods))
}

// times holds the stretches of an attachment's buckets, by worker and module.
type times [][][]stretch

// of returns a module's stretches in all workers.
func (t times) of(module int) (all []stretch) {
	for _, worker := range t {
		all = append(all, worker[module]...)
	}
	return all
}

// stretches returns the times of all buckets.
func (g *Attachment) stretches() times {
	out := make(times, len(g.parts))
	for k := range g.parts {
		g.visit(k, func(_ int, b buckets) { out[k] = append(out[k], b.stretches(nil)) }, func() {})
	}
	return out
}

// periods returns the periods of module i, the newest first. Workers with common periods begin one
// at the same frame or by the same clock, but not at the same instant. A period counts from when
// all workers have begun it until the first has dropped it. Otherwise a part of its data would be
// missing.
func (g *Attachment) periods(i int, known times) []period {
	newest, oldest := period{era: math.MaxInt}, period{}
	var all []period
	for k, worker := range known {
		own := worker[i]
		for _, s := range own {
			all = append(all, s.period)
		}
		switch {
		case g.over() || !g.pipeline.workers[k].common || g.infos[i].Periods == 1:
		case len(own) == 0:
			newest = period{}
		default:
			if own[0].compare(newest) < 0 {
				newest = own[0].period
			}
			if len(own) == g.infos[i].Periods && own[len(own)-1].compare(oldest) > 0 {
				oldest = own[len(own)-1].period
			}
		}
	}
	slices.SortFunc(all, func(p, q period) int { return q.compare(p) })
	all = slices.Compact(all)
	return slices.DeleteFunc(all, func(p period) bool { return p.compare(newest) > 0 || p.compare(oldest) < 0 })
}

// compare compares the periods of two stretches.
func (s *stretch) compare(p period) int { return s.period.compare(p) }

// measure sets the time of m, which covers the chosen periods, from the stretches of its buckets.
// The live period lasts until now, and the last period of a recording until its latest frame.
func (m *Module) measure(chosen []period, stretches []stretch) {
	m.current = math.MaxInt64
	if len(chosen) == 0 {
		return
	}
	closed := make(map[period]bool)
	for _, s := range stretches {
		closed[s.period] = closed[s.period] || s.closed
	}
	var whole extent
	for _, s := range stretches {
		if !slices.Contains(chosen, s.period) {
			continue
		}
		open := s.lastNS
		if m.Live && !closed[s.period] {
			open = m.now.UnixNano()
		}
		whole.add(s, open)
	}
	m.Start = time.Unix(0, chosen[len(chosen)-1].start)
	m.Length = time.Duration(whole.seconds()) * time.Second
	m.seconds = uint64(whole.seconds())
	switch {
	case m.Live && m.seconds > 0: // the unfinished second would look too low
		m.current = m.now.Unix()
	case m.Live || !closed[chosen[0]]: // the second of the latest event counts
		m.seconds++
	}
}

// fill merges the chosen periods of every module, worker by worker. It reports whether all buckets
// were found.
func (g *Attachment) fill(s *Snapshot, chosen [][]period, known times) (whole bool) {
	whole = true
	for k := range g.parts {
		parts, there := g.collect(k, s, chosen, known[k])
		whole = whole && there
		for i, part := range parts {
			part.mergeClosed(&s.Modules[i])
		}
	}
	return whole
}

// collect merges the live buckets of worker k into s and returns the closed buckets for merging.
func (g *Attachment) collect(k int, s *Snapshot, chosen [][]period, known [][]stretch) (parts []part, whole bool) {
	whole = true
	g.visit(k, func(i int, b buckets) {
		wanted := func(p period) bool { return slices.Contains(chosen[i], p) }
		parts = append(parts, b.collect(wanted))
		present := b.stretches(nil)
		for _, was := range known[i] {
			there := slices.ContainsFunc(present, func(s stretch) bool { return s.period == was.period })
			whole = whole && (there || !wanted(was.period))
		}
	}, func() {
		for i, part := range parts {
			part.mergeLive(&s.Modules[i])
		}
	})
	return parts, whole
}

// visit calls look for the buckets of each module of worker k, then done. It takes all locks of a
// query. The worker's lock is held for all calls of look together, so that all modules cover the
// same frames. The query lock guards the copies of live buckets, one per shard, until done returns.
func (g *Attachment) visit(k int, look func(module int, b buckets), done func()) {
	w, shards := g.pipeline.workers[k], g.parts[k].shards
	g.querying.Lock()
	defer g.querying.Unlock()
	for _, shard := range shards {
		shard.buckets().prepare()
	}
	func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for i, shard := range shards {
			look(i, shard.buckets())
		}
	}()
	done()
}
