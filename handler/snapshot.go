package handler

import (
	"fmt"
	"slices"
	"time"
)

// Snapshot is an answer: the metrics of all modules over some periods. It is immutable.
type Snapshot struct {
	Modules []Module
	Window  int // periods asked for by Window; 0 if it is of a single bucket
}

// Module is what one handler counted.
type Module struct {
	Info
	Start  time.Time     // start of the earliest period; zero if nothing was seen yet
	Length time.Duration // how long the periods lasted together, in whole seconds
	Live   bool          // the live period of a live stream is among them

	bucket any // *bucket[M] of the handler's declaration
	render func(rendering) []Value
	now    time.Time
}

// Find returns the metrics of the first module in s that are declared by M, or nil if there are
// none. Analyzers offer it under the name From. The caller must not change what it points to.
func Find[M any](s *Snapshot) *M {
	for i := range s.Modules {
		if b, ok := s.Modules[i].bucket.(*bucket[M]); ok {
			return &b.Metrics
		}
	}
	return nil
}

// Silent reports whether all metric groups of the module are disabled: exporters leave it out.
func (m *Module) Silent() bool { return m.Grouped && m.Groups == 0 }

// Values returns the metrics of the enabled groups, in the order of their declaration.
func (m *Module) Values() []Value {
	r := rendering{topN: m.TopN, percentile: m.TopPercentile}
	if m.Live {
		r.liveSec = m.now.Unix() - 1
	}
	return m.render(r)
}

// Bucket returns the metrics of one period: 0 is the live one, 1 the one that closed last, for all
// modules. It is an error if a module does not keep so many periods, or has not seen them yet.
func (p *Pipeline) Bucket(n int) (*Snapshot, error) {
	for _, info := range p.infos {
		if n < 0 || n >= info.Periods {
			return nil, fmt.Errorf("invalid metrics period, specify [0, %d]", info.Periods-1)
		}
	}
	return p.snapshot(n, n+1)
}

// Window returns the metrics of the n newest periods, the live one included, merged; of fewer while
// fewer exist. n must be from 2 to the number of periods that every module keeps.
func (p *Pipeline) Window(n int) (*Snapshot, error) {
	for _, info := range p.infos {
		if n <= 1 || n > info.Periods {
			return nil, fmt.Errorf("invalid metrics period, specify [2, %d]", info.Periods)
		}
	}
	s, err := p.snapshot(0, n)
	if err == nil {
		s.Window = n
	}
	return s, err
}

// snapshot merges the periods first to last-1 of every module, counted from the live one. Workers are held
// one after the other, each for as long as it takes to copy its live bucket.
func (p *Pipeline) snapshot(first, last int) (*Snapshot, error) {
	s := &Snapshot{Modules: make([]Module, len(p.infos))}
	now := p.clock.now()
	for i, info := range p.infos {
		starts := p.starts(i)
		if info.Periods == 1 { // one bucket for everything, whenever a worker began it
			last = len(starts)
		}
		if first >= max(len(starts), 1) {
			return nil, fmt.Errorf("requested metrics period has not yet accumulated, current range is [0, %d]", max(len(starts), 1)-1)
		}
		m := &s.Modules[i]
		m.Info, m.now, m.Live = info, now, p.cfg.Live && first == 0
		p.fill(m, i, starts, first, min(last, len(starts)))
	}
	return s, nil
}

// starts returns the starts of the periods that module i of any worker has, the newest first.
func (p *Pipeline) starts(i int) []int64 {
	var all []int64
	for _, w := range p.workers {
		w.mu.Lock()
		all = w.shards[i].buckets().starts(all)
		w.mu.Unlock()
	}
	slices.Sort(all)
	slices.Reverse(all)
	return slices.Compact(all)
}

// fill merges the periods starts[first:last] into m.
func (p *Pipeline) fill(m *Module, i int, starts []int64, first, last int) {
	wanted := func(ns int64) bool { return slices.Contains(starts[first:last], ns) }
	lastNS := int64(0)
	for _, w := range p.workers {
		shard := w.shards[i].buckets()
		shard.prepare()
		w.mu.Lock()
		part := shard.collect(wanted)
		w.mu.Unlock()
		lastNS = max(lastNS, part.mergeInto(m))
	}
	if first == last {
		return
	}
	switch {
	case m.Live:
		lastNS = m.now.UnixNano()
	case first > 0: // a closed period ends where the next one starts
		lastNS = starts[first-1]
	}
	m.Start = time.Unix(0, starts[last-1])
	m.Length = time.Duration(max(0, lastNS/1e9-starts[last-1]/1e9)) * time.Second
}
