package handler

import (
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"
)

// Group is a set of handlers that come and go together, and are asked together: those of a policy. It is safe for concurrent use.
type Group struct {
	pipeline *Pipeline
	infos    []Info
	parts    []*member                 // by worker
	ended    atomic.Pointer[time.Time] // when it was detached
}

// GroupConfig configures a Group.
type GroupConfig struct {
	Handlers []Handler // with distinct names
	Sequence bool      // each handler sees what its predecessor let through, instead of everything
}

// member is the part of a Group in one worker.
type member struct {
	shards   []Shard
	sequence bool
}

func newMember(cfg *GroupConfig) *member {
	m := &member{sequence: cfg.Sequence}
	for _, h := range cfg.Handlers {
		s := h.NewShard()
		if m.sequence {
			s.Passed() // from now on it keeps what passes
		}
		m.shards = append(m.shards, s)
	}
	return m
}

// Attach adds handlers to a Pipeline, which may be running: they see each batch that begins after that, in all workers, and nothing of
// what came before. No other handler misses anything.
func (p *Pipeline) Attach(cfg GroupConfig) (*Group, error) {
	g := &Group{pipeline: p}
	exports := false
	seen := make(map[string]bool)
	for _, h := range cfg.Handlers {
		info := h.Info()
		if seen[info.Name] {
			return nil, fmt.Errorf("handler: module name '%s' already exists", info.Name)
		}
		seen[info.Name] = true
		exports = exports || info.Exports
		g.infos = append(g.infos, info)
	}
	for range p.workers {
		g.parts = append(g.parts, newMember(&cfg))
	}
	now := p.clock.now().UnixNano()
	for k, w := range p.workers {
		w.attach(g.parts[k], now, exports)
	}
	return g, nil
}

// Detach takes the handlers of g out of its Pipeline. What they have counted can be asked for as before. A second Detach does
// nothing.
func (g *Group) Detach() {
	end := g.pipeline.clock.now()
	g.ended.CompareAndSwap(nil, &end)
	for k, w := range g.pipeline.workers {
		w.detach(g.parts[k])
	}
}

// now returns the time up to which the group counts: the present, unless it was detached before, or the pipeline has come to its end.
func (g *Group) now() time.Time {
	now := g.pipeline.clock.now()
	for _, end := range []*time.Time{g.ended.Load(), g.pipeline.ended.Load()} {
		if end != nil && end.Before(now) {
			now = *end
		}
	}
	return now
}

// Accounts says, by module name, what became of the events shown to each handler.
func (g *Group) Accounts() map[string]Account {
	sums := make(map[string]Account)
	for k, w := range g.pipeline.workers {
		w.mu.Lock()
		for i, s := range g.parts[k].shards {
			sum := sums[g.infos[i].Name]
			sum.Add(s.Account())
			sums[g.infos[i].Name] = sum
		}
		w.mu.Unlock()
	}
	return sums
}

// Open says, by module name, how many transactions wait for their reply, for the handlers that follow transactions.
func (g *Group) Open() map[string]int {
	sums := make(map[string]int)
	for k, w := range g.pipeline.workers {
		w.mu.Lock()
		for i, s := range g.parts[k].shards {
			if o, ok := s.(opener); ok {
				sums[g.infos[i].Name] += o.Open()
			}
		}
		w.mu.Unlock()
	}
	return sums
}

// opener is a Shard that follows transactions.
type opener interface{ Open() int }

// settler is a Shard with something that times out: Settle counts what has by nowNS, at the end of the input.
type settler interface{ Settle(nowNS int64) }

// Bucket returns the metrics of one period: 0 is the live one, 1 the one that closed last, for all
// modules. It is an error if a module does not keep so many periods, or has not seen them yet.
func (g *Group) Bucket(n int) (*Snapshot, error) {
	for _, info := range g.infos {
		if n < 0 || n >= info.Periods {
			return nil, fmt.Errorf("invalid metrics period, specify [0, %d]", info.Periods-1)
		}
	}
	return g.snapshot(n, n+1)
}

// Window returns the metrics of the last n minutes, merged: of the live period, the n-1 before it,
// and in a recording only of those that reach into these minutes. n must be from 2 to the number of
// periods that every module keeps.
func (g *Group) Window(n int) (*Snapshot, error) {
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

// within returns how many of the newest periods, n at most, a window of n has. A recording has no periods where nothing was sent:
// those that ended before the window begins are left out. pktvisor counts periods, however long ago they were.
func within(starts []int64, n int) int {
	k := min(n, len(starts))
	for k > 1 && starts[k-1]+int64(PeriodLength) <= starts[0]-int64(n-1)*int64(PeriodLength) {
		k--
	}
	return k
}

// snapshot merges the periods first to last-1 of every module, counted from the live one. Workers are held
// one after the other, each for as long as it takes to copy its live bucket.
func (g *Group) snapshot(first, last int) (*Snapshot, error) {
	s := &Snapshot{Modules: make([]Module, len(g.infos))}
	now := g.now()
	for i, info := range g.infos {
		starts := g.starts(i)
		last := last
		switch {
		case info.Periods == 1: // one bucket for everything, whenever a worker began it
			last = len(starts)
		case first == 0:
			last = within(starts, last)
		}
		if first >= max(len(starts), 1) {
			return nil, fmt.Errorf("requested metrics period has not yet accumulated, current range is [0, %d]", max(len(starts), 1)-1)
		}
		m := &s.Modules[i]
		m.Info, m.now, m.Live = info, now, g.pipeline.cfg.Live && first == 0
		g.fill(m, i, starts, first, min(last, len(starts)))
	}
	return s, nil
}

// starts returns the starts of the periods that module i of any worker has, the newest first.
func (g *Group) starts(i int) []int64 {
	var all []int64
	for k, w := range g.pipeline.workers {
		w.mu.Lock()
		all = g.parts[k].shards[i].buckets().starts(all)
		w.mu.Unlock()
	}
	slices.Sort(all)
	slices.Reverse(all)
	return slices.Compact(all)
}

// fill merges the periods starts[first:last] into m.
func (g *Group) fill(m *Module, i int, starts []int64, first, last int) {
	wanted := func(ns int64) bool { return slices.Contains(starts[first:last], ns) }
	lastNS := int64(0)
	for k, w := range g.pipeline.workers {
		shard := g.parts[k].shards[i].buckets()
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
	m.seconds, m.end = whole(m.Length), math.MaxInt64
	switch {
	case m.Live && m.seconds > 0: // the second that is not over would look like a bad one
		m.end = m.now.Unix()
	case first == 0: // the second of the latest event counts
		m.seconds++
	}
}

// Infos tells what the handlers of g are.
func (g *Group) Infos() []Info { return slices.Clone(g.infos) }
