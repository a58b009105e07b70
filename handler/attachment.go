package handler

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"visor/handler/anonymize"
	"visor/sketch/hash64"
)

// Attachment is a set of handlers that are attached, detached and queried together, such as the
// handlers of a policy. It is safe for concurrent use.
type Attachment struct {
	pipeline *Pipeline
	infos    []Info
	since    time.Time                 // when it was attached
	parts    []*member                 // one per worker
	ended    atomic.Pointer[time.Time] // time of detachment
	querying sync.Mutex                // held while a query uses the copies of live buckets
	delivery *delivery                 // of closed periods; nil without Closed
}

// AttachConfig configures an Attachment.
type AttachConfig struct {
	Handlers []Handler
	Sequence bool // each handler sees the events that passed its predecessor, instead of all

	// Closed, unless nil, receives the metrics of each period once, in the order of periods: a
	// period when it closes, and the last one when Run or Detach returns. The snapshot belongs to
	// Closed. A recording waits for Closed to return, so nothing is missed at any speed. A live
	// pipeline does not wait: a period is lost, with a warning in the log, if Closed takes longer
	// than the periods kept. It must not call Detach. Each handler must keep at least 2 periods.
	// Several recordings in one pipeline have separate periods, so Attach refuses Closed for them.
	Closed func(*Snapshot)

	// Replaces, unless nil, is an Attachment of the same Pipeline. It sees no batch from now on, so
	// that one of both sees each batch. The caller detaches it.
	Replaces *Attachment
}

// member is an Attachment's part in one worker.
type member struct {
	shards   []Shard
	sequence bool
}

// refused returns the number of keys refused by the shards' lists. The caller holds the worker's
// lock.
func (m *member) refused() (n uint64) {
	for _, s := range m.shards {
		n += s.buckets().refused()
	}
	return n
}

// newMembers returns an Attachment's parts for n workers.
func newMembers(cfg *AttachConfig, n int, hash *hash64.Hasher) []*member {
	members, caches := make([]*member, n), make([]*anonymize.Cache, n)
	for k := range members {
		members[k] = &member{sequence: cfg.Sequence}
	}
	for _, h := range cfg.Handlers {
		for k, s := range newShards(h, n) {
			caches[k] = s.buckets().share(caches[k])
			s.buckets().keyed(hash)
			if s, ok := s.(keyed); ok {
				s.Keyed(hash)
			}
			if cfg.Sequence {
				s.Forwarded() // the shard keeps forwarded events from now on
			}
			members[k].shards = append(members[k].shards, s)
		}
	}
	return members
}

// sharder is a Handler whose shards share state. NewShards returns the shards for n workers of a
// pipeline.
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

// Attach adds handlers to a Pipeline, which may be running. They see each batch that begins after
// the call, in all workers, and no earlier batch. Other handlers miss nothing.
func (p *Pipeline) Attach(cfg AttachConfig) (*Attachment, error) {
	infos, err := infosOf(cfg.Handlers)
	if err != nil {
		return nil, err
	}
	if cfg.Replaces != nil && cfg.Replaces.pipeline != p {
		return nil, errors.New("handler: AttachConfig.Replaces is of another Pipeline")
	}
	g := &Attachment{pipeline: p, infos: infos}
	if cfg.Closed != nil {
		if g.delivery, err = newDelivery(p, infos, cfg.Closed); err != nil {
			return nil, err
		}
	}
	exports := slices.ContainsFunc(infos, func(i Info) bool { return i.WantsFlows })
	if g.delivery != nil {
		g.delivery.input = p.input()
	}
	g.parts = newMembers(&cfg, len(p.workers), p.cfg.Hash)
	g.since = p.clock.now()
	now := g.since.UnixNano()
	for k, w := range p.workers {
		var former *member
		if cfg.Replaces != nil {
			former = cfg.Replaces.parts[k]
		}
		w.attach(g.parts[k], former, now, exports)
	}
	p.closing.add(g)
	return g, nil
}

// infosOf returns the Info of each handler, or an error if one is nil or two have the same name.
func infosOf(handlers []Handler) (infos []Info, err error) {
	seen := make(map[string]bool)
	for i, h := range handlers {
		if isNil(h) {
			return nil, fmt.Errorf("handler: Config.Handlers[%d] is nil", i)
		}
		info := h.Info()
		if seen[info.Name] {
			return nil, fmt.Errorf("handler: module name '%s' already exists", info.Name)
		}
		seen[info.Name] = true
		infos = append(infos, info)
	}
	return infos, nil
}

// Detach removes the handlers of g from its Pipeline. Queries for their counts keep working. A
// second Detach does nothing.
func (g *Attachment) Detach() {
	end := g.pipeline.clock.now()
	g.ended.CompareAndSwap(nil, &end)
	for k, w := range g.pipeline.workers {
		w.detach(g.parts[k])
	}
	g.pipeline.closing.remove(g)
	g.deliver()
}

// over reports whether g has stopped counting.
func (g *Attachment) over() bool { return g.ended.Load() != nil || g.pipeline.ended.Load() != nil }

// now returns the end of the time that g has counted. It is the time of detachment, the end
// of the pipeline, or otherwise the present.
func (g *Attachment) now() time.Time {
	now := g.pipeline.clock.now()
	for _, end := range []*time.Time{g.ended.Load(), g.pipeline.ended.Load()} {
		if end != nil && end.Before(now) {
			now = *end
		}
	}
	return now
}

// Accounts returns the outcomes of the events shown to each handler, by module name.
func (g *Attachment) Accounts() map[string]Account {
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

// Open returns the number of transactions that wait for a reply, by module name. It includes only
// handlers that track transactions.
func (g *Attachment) Open() map[string]int {
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

// keyed is a Shard that passes the hasher of keys to another object, such as a geo.Cache.
type keyed interface{ Keyed(h *hash64.Hasher) }

// opener is a Shard that tracks transactions.
type opener interface{ Open() int }

// settler is a Shard with timeouts. Settle counts everything that has timed out by nowNS, at the
// end of the input.
type settler interface{ Settle(nowNS int64) }

// Infos describes the handlers of g.
func (g *Attachment) Infos() []Info { return slices.Clone(g.infos) }
