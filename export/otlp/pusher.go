package otlp

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	metrics "go.opentelemetry.io/proto/slim/otlp/metrics/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"visor/handler"
)

// Config configures a Pusher. Endpoint and Sources are required.
type Config struct {
	// URL of the receiver with the scheme http, https, grpc or grpcs, such as
	// http://localhost:4318/v1/metrics (the default path) or grpc://localhost:4317
	Endpoint string
	Sources  func() []Source // returns the sources to push; called at each interval
	Interval time.Duration   // interval between pushes of closed periods; 0 means 60 s
	// how long requests are kept that the receiver does not accept; 0 means 15 minutes
	Budget  time.Duration
	Pending int // maximum size of the kept requests in bytes; 0 means 64 MiB
	// wait before the second attempt, doubled for each further one up to 30 s; 0 means 1 s
	Backoff time.Duration
	Timeout time.Duration     // timeout of an attempt; 0 means 10 s
	Drain   time.Duration     // time for the last attempts at the end; 0 means 1 s
	Headers map[string]string // added to each request
	Form    Form              // metrics to push; 0 means Periods
	// attributes of the resource, such as service.instance.id. Several agents that push Cumulative
	// metrics to one receiver need different ones.
	Resource map[string]string
	TLS      *tls.Config // for https and grpcs; nil means the default
	// logs losses and an unreachable receiver; nil disables logging
	Logger *slog.Logger
}

func (cfg Config) withDefaults() Config {
	cfg.Interval = cmp.Or(cfg.Interval, time.Minute)
	cfg.Budget = cmp.Or(cfg.Budget, 15*time.Minute)
	cfg.Pending = cmp.Or(cfg.Pending, 64<<20)
	cfg.Backoff = cmp.Or(cfg.Backoff, time.Second)
	cfg.Timeout = cmp.Or(cfg.Timeout, 10*time.Second)
	cfg.Drain = cmp.Or(cfg.Drain, time.Second)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return cfg
}

// Source is a policy to push.
type Source struct {
	Policy string
	// a *handler.Pipeline, a *handler.Attachment, or a *policy.Running; see [Marshal] for snapshots
	Of asker
}

// asker is the source of a policy's metrics. Bucket is called with 0, 1 and so on until it returns
// an error, at most as often as a module keeps periods.
type asker interface {
	Bucket(n int) (*handler.Snapshot, error)
	Totals() []handler.Totals
}

// Stats counts requests. Each request has the metrics of one or more periods, or totals.
type Stats struct {
	Sent       uint64 // accepted by the receiver
	Refused    uint64 // lost: rejected by the receiver
	Expired    uint64 // lost: waited longer than Config.Budget
	Overflowed uint64 // lost: more than Config.Pending was waiting
	Retries    uint64 // attempts after the first
	Rejected   uint64 // data points that the receiver rejected in accepted requests
	Pending    uint64 // waiting for the receiver
}

// Lost returns the number of lost requests.
func (s Stats) Lost() uint64 { return s.Refused + s.Expired + s.Overflowed }

// Pusher pushes metrics. It is safe for concurrent use.
type Pusher struct {
	cfg  Config
	send transport
	away bool // of deliver: the last attempt found no receiver that accepts or rejects

	collecting sync.Mutex               // guards the following fields
	seen       map[asker]*pushed        // state of each source
	ready      *metrics.ResourceMetrics // metrics for the next push
	size       int                      // about its size in bytes
	over       bool                     // no more requests are queued

	mu      sync.Mutex
	pending []parcel // the oldest first
	sending bool     // the oldest is being sent
	bytes   int
	stats   Stats
	more    chan struct{} // has an entry if pending may have one
}

// New returns a Pusher that is ready to Run, or an error if cfg is invalid.
func New(cfg Config) (*Pusher, error) {
	cfg = cfg.withDefaults()
	if cfg.Sources == nil {
		return nil, errors.New("otlp: Config.Sources is required")
	}
	if cfg.Form < Periods || cfg.Form > Both {
		return nil, fmt.Errorf("otlp: Config.Form %d does not exist", cfg.Form)
	}
	send, err := newTransport(&cfg)
	if err != nil {
		return nil, err
	}
	p := &Pusher{cfg: cfg, send: send, seen: make(map[asker]*pushed), more: make(chan struct{}, 1)}
	p.empty()
	return p, nil
}

// empty makes ready have the resource without metrics.
func (p *Pusher) empty() {
	p.ready = &metrics.ResourceMetrics{Resource: newResource(p.cfg.Resource)}
	p.size = proto.Size(p.ready)
}

// Run pushes until ctx is done. Then it pushes the remaining periods, including the live ones, for
// at most Config.Drain. It returns an error that describes the losses at the end.
func (p *Pusher) Run(ctx context.Context) error {
	drain, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	delivered := make(chan struct{})
	go func() {
		defer close(delivered)
		p.deliver(drain, ctx.Done())
	}()
	look, push := time.NewTicker(min(p.cfg.Interval, maxLook)), time.NewTicker(p.cfg.Interval)
	defer look.Stop()
	defer push.Stop()
	for done := false; !done; {
		select {
		case <-look.C:
			p.collect(looking)
		case <-push.C:
			p.collect(pushing)
		case <-ctx.Done():
			done = true
		}
	}
	p.collect(ending)
	close(p.more)
	stop := time.AfterFunc(p.cfg.Drain, cancel)
	defer stop.Stop()
	<-delivered
	return p.undelivered()
}

// undelivered returns an error that describes the waiting requests, or nil without any.
func (p *Pusher) undelivered() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.pending) == 0 {
		return nil
	}
	count, policies := 0, make(map[string]bool)
	for _, waits := range p.pending {
		for _, m := range waits.req.ResourceMetrics {
			for _, s := range m.ScopeMetrics {
				count += len(s.Metrics)
				policies[s.Scope.Attributes[0].Value.GetStringValue()] = true
			}
		}
	}
	return fmt.Errorf("otlp: %s did not take all before the end: %d requests with %d metrics are lost, of the policies %s", p.cfg.Endpoint,
		len(p.pending), count, strings.Join(slices.Sorted(maps.Keys(policies)), ", "))
}

// Stats returns the counts so far.
func (p *Pusher) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Pending = uint64(len(p.pending))
	return s
}

// maxRequest is the size in bytes that a request does not exceed, unless a single metric is larger.
// By default receivers accept 4 MiB over gRPC, and 1 MiB behind nginx.
const maxRequest = 1_000_000

// maxLook is the longest interval between checks for closed periods, independent of Interval. A
// policy may keep a single closed period.
const maxLook = 30 * time.Second

// occasion is the reason for collecting periods.
type occasion int

const (
	looking occasion = iota // periods wait for the next push
	pushing
	ending // the live periods are pushed too
)

// collect gathers the periods that have closed since the last call. It queues them, unless the
// occasion is looking.
func (p *Pusher) collect(why occasion) {
	p.collecting.Lock()
	defer p.collecting.Unlock()
	p.over = why == ending
	for _, src := range p.cfg.Sources() {
		p.gather(src, p.starts(src.Of), why)
		if p.cfg.Form.totals() && why != looking {
			p.total(src)
		}
	}
	maps.DeleteFunc(p.seen, func(_ asker, s *pushed) bool { return time.Since(s.at) > forgetAfter })
	if why != looking {
		p.queue()
	}
}

// pushed is the state of a source.
type pushed struct {
	last map[string]time.Time // start of the latest pushed period, by module
	at   time.Time            // last time that the source was present
}

// forgetAfter is how long the state of a removed source is kept for its Last, because the host
// first removes it from Config.Sources.
const forgetAfter = time.Minute

// starts returns the starts of the pushed periods of a source, and marks the source as present.
func (p *Pusher) starts(src asker) map[string]time.Time {
	s := p.seen[src]
	if s == nil {
		s = &pushed{last: make(map[string]time.Time)}
		p.seen[src] = s
	}
	s.at = time.Now()
	return s.last
}

// gather adds the periods of a source that are not in last.
func (p *Pusher) gather(src Source, last map[string]time.Time, why occasion) {
	if !p.cfg.Form.periods() {
		return
	}
	for _, modules := range fresh(src.Of, last, why) {
		p.add(scope(src.Policy, modules))
	}
}

// add adds metrics of a policy to the next push. A scope that does not fit into a request continues
// in the next one.
func (p *Pusher) add(s *metrics.ScopeMetrics) {
	var part *metrics.ScopeMetrics // of ready
	for _, m := range s.Metrics {
		size := protowire.SizeTag(2) + protowire.SizeBytes(proto.Size(m))
		if p.size+size > maxRequest {
			p.queue()
			part = nil
		}
		if part == nil {
			part = &metrics.ScopeMetrics{Scope: s.Scope}
			p.ready.ScopeMetrics = append(p.ready.ScopeMetrics, part)
			p.size += proto.Size(part) + scopeOverhead
		}
		part.Metrics = append(part.Metrics, m)
		p.size += size
	}
}

// scopeOverhead is the number of bytes of the tags and lengths around a scope.
const scopeOverhead = 16

// queue queues the gathered metrics.
func (p *Pusher) queue() {
	if len(p.ready.ScopeMetrics) > 0 {
		p.enqueue(p.ready)
		p.empty()
	}
}

// Last gathers the counts of a source that were not pushed yet, including the live period, and its
// totals, unless a policy that replaced it continues them. Call it
// after Config.Sources no longer returns the source. They are pushed with the next periods.
func (p *Pusher) Last(src Source) {
	p.collecting.Lock()
	defer p.collecting.Unlock()
	if p.over {
		return
	}
	last := p.starts(src.Of)
	delete(p.seen, src.Of)
	p.gather(src, last, ending)
	if p.cfg.Form.totals() {
		p.total(src)
	}
}

// fresh returns the modules with a period that is not in last, period by period, the oldest first,
// and updates last. Modules that keep a single period never end it, so they are fresh at each push.
func fresh(src asker, last map[string]time.Time, why occasion) (out [][]handler.Module) {
	// start of the oldest period found, because a period may end between two calls and then appear
	// twice
	found := make(map[string]time.Time)
	for n, kept := 0, 1; n < kept; n++ {
		snap, err := src.Bucket(n)
		if err != nil {
			break
		}
		var modules []handler.Module
		for _, m := range snap.Modules {
			kept = max(kept, m.Periods)
			running := n == 0 && why != ending && (m.Periods > 1 || why == looking)
			newer, again := m.Start.After(last[m.Name]), !found[m.Name].IsZero() && !m.Start.Before(found[m.Name])
			if !running && !m.Start.IsZero() && newer && !again && !m.Silent() {
				modules = append(modules, m)
				found[m.Name] = m.Start
			}
		}
		if len(modules) > 0 {
			out = append(out, modules)
		}
	}
	slices.Reverse(out)
	for _, modules := range out {
		for _, m := range modules {
			if m.Periods > 1 {
				last[m.Name] = m.Start
			}
		}
	}
	return out
}

func (p *Pusher) count(change func(*Stats)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.stats)
}
