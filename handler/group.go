package handler

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"visor/sketch/hash64"
)

// Group is a set of handlers that come and go together, and are asked together: those of a policy.
// It is safe for concurrent use.
type Group struct {
	pipeline *Pipeline
	infos    []Info
	parts    []*member                 // by worker
	ended    atomic.Pointer[time.Time] // when it was detached
	querying sync.Mutex                // held while a query uses the copies of live buckets
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

// refused returns what lists of the shards have refused. It is called under the lock of the worker.
func (m *member) refused() (n uint64) {
	for _, s := range m.shards {
		n += s.buckets().refused()
	}
	return n
}

// newMembers returns the parts of a Group in n workers.
func newMembers(cfg *GroupConfig, n int, hash *hash64.Hasher) []*member {
	members := make([]*member, n)
	for k := range members {
		members[k] = &member{sequence: cfg.Sequence}
	}
	for _, h := range cfg.Handlers {
		for k, s := range newShards(h, n) {
			s.buckets().keyed(hash)
			if s, ok := s.(keyed); ok {
				s.Keyed(hash)
			}
			if cfg.Sequence {
				s.Passed() // from now on it keeps what passes
			}
			members[k].shards = append(members[k].shards, s)
		}
	}
	return members
}

// sharder is a Handler whose shards have something in common: NewShards returns those of n workers
// of a pipeline.
type sharder interface{ NewShards(n int) []Shard }

func newShards(h Handler, n int) (out []Shard) {
	if h, ok := h.(sharder); ok {
		return h.NewShards(n)
	}
	for range n {
		out = append(out, h.NewShard())
	}
	return out
}

// Attach adds handlers to a Pipeline, which may be running: they see each batch that begins after
// that, in all workers, and nothing of what came before. No other handler misses anything.
func (p *Pipeline) Attach(cfg GroupConfig) (*Group, error) {
	infos, err := infosOf(cfg.Handlers)
	if err != nil {
		return nil, err
	}
	g := &Group{pipeline: p, infos: infos}
	exports := slices.ContainsFunc(infos, func(i Info) bool { return i.Exports })
	g.parts = newMembers(&cfg, len(p.workers), p.cfg.Hash)
	now := p.clock.now().UnixNano()
	for k, w := range p.workers {
		w.attach(g.parts[k], now, exports)
	}
	return g, nil
}

// infosOf returns the Info of each handler, or an error if two have the same name.
func infosOf(handlers []Handler) (infos []Info, err error) {
	seen := make(map[string]bool)
	for _, h := range handlers {
		info := h.Info()
		if seen[info.Name] {
			return nil, fmt.Errorf("handler: module name '%s' already exists", info.Name)
		}
		seen[info.Name] = true
		infos = append(infos, info)
	}
	return infos, nil
}

// Detach takes the handlers of g out of its Pipeline. What they have counted can be asked for as
// before. A second Detach does nothing.
func (g *Group) Detach() {
	end := g.pipeline.clock.now()
	g.ended.CompareAndSwap(nil, &end)
	for k, w := range g.pipeline.workers {
		w.detach(g.parts[k])
	}
}

// over reports whether g counts no more.
func (g *Group) over() bool { return g.ended.Load() != nil || g.pipeline.ended.Load() != nil }

// now returns the time up to which the group counts: the present, unless it was detached before, or
// the pipeline has come to its end.
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

// Open says, by module name, how many transactions wait for their reply, for the handlers that
// follow transactions.
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

// keyed is a Shard that hands on what hashes keys, to a geo.Cache for one.
type keyed interface{ Keyed(h *hash64.Hasher) }

// opener is a Shard that follows transactions.
type opener interface{ Open() int }

// settler is a Shard with something that times out: Settle counts what has by nowNS, at the end of
// the input.
type settler interface{ Settle(nowNS int64) }

// Infos tells what the handlers of g are.
func (g *Group) Infos() []Info { return slices.Clone(g.infos) }
