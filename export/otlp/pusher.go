package otlp

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	metrics "go.opentelemetry.io/proto/slim/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"

	"visor/handler"
)

// Config configures a Pusher. Endpoint and Sources are required.
type Config struct {
	Endpoint string            // of the receiver: http, https, grpc or grpcs, as http://localhost:4318/v1/metrics (the default path) or grpc://localhost:4317
	Sources  func() []Source   // what is pushed; it is asked at each interval
	Interval time.Duration     // between pushes of the periods that have ended; 0 means 60 s
	Budget   time.Duration     // how long is kept what the receiver does not take; 0 means 15 minutes
	Pending  int               // bytes that are kept at most; 0 means 64 MiB
	Backoff  time.Duration     // before the second try, doubled for each further one up to 30 s; 0 means 1 s
	Timeout  time.Duration     // of a try; 0 means 10 s
	Drain    time.Duration     // for the last tries at the end; 0 means 1 s
	Headers  map[string]string // of each request
	TLS      *tls.Config       // of https and grpcs; nil is the default
	Logger   *slog.Logger      // told of what is lost, and of a receiver that is away; nil is silence
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

// Source is a policy, as the receiver is shown it.
type Source struct {
	Policy string
	Of     asker
}

// asker is what a policy is asked: a *handler.Pipeline, a *handler.Group, or a policy of visor/handler/policy.
type asker interface {
	Bucket(n int) (*handler.Snapshot, error)
}

// Stats counts requests. Each has metrics of one period or more.
type Stats struct {
	Sent       uint64 // the receiver took them
	Refused    uint64 // lost: the receiver refused them
	Expired    uint64 // lost: they waited for longer than Config.Budget
	Overflowed uint64 // lost: more than Config.Pending waited
	Retries    uint64 // tries after the first
	Rejected   uint64 // data points that the receiver left out of requests that it took
	Pending    uint64 // wait for the receiver
}

// Lost returns how many requests are lost.
func (s Stats) Lost() uint64 { return s.Refused + s.Expired + s.Overflowed }

// Pusher pushes metrics. It is safe for concurrent use.
type Pusher struct {
	cfg  Config
	send transport

	collecting sync.Mutex               // guards what follows
	seen       map[asker]*pushed        // what was pushed of each source
	ready      *metrics.ResourceMetrics // is queued at the next push
	over       bool                     // nothing is queued any more

	mu      sync.Mutex
	pending []parcel
	bytes   int
	stats   Stats
	more    chan struct{} // has an entry if pending may have one
}

// parcel is a request that waits.
type parcel struct {
	req  *request
	size int
	born time.Time
}

// New returns a Pusher that is ready to Run, or what is wrong with cfg.
func New(cfg Config) (*Pusher, error) {
	cfg = cfg.withDefaults()
	if cfg.Sources == nil {
		return nil, errors.New("otlp: Config.Sources is required")
	}
	send, err := newTransport(&cfg)
	if err != nil {
		return nil, err
	}
	return &Pusher{
		cfg: cfg, send: send, seen: make(map[asker]*pushed), ready: &metrics.ResourceMetrics{}, more: make(chan struct{}, 1),
	}, nil
}

// Run pushes until ctx is done, then what has not been pushed yet, the running periods too, for at most Config.Drain. It returns an
// error that says what was lost at the end.
func (p *Pusher) Run(ctx context.Context) error {
	drain, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	delivered := make(chan struct{})
	go func() {
		defer close(delivered)
		p.deliver(drain)
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

// undelivered says what still waits, nil if nothing does.
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
				policies[strings.TrimPrefix(s.Scope.Name, scopePrefix)] = true
			}
		}
	}
	return fmt.Errorf("otlp: %s did not take all before the end: %d requests with %d metrics are lost, of the policies %s", p.cfg.Endpoint,
		len(p.pending), count, strings.Join(slices.Sorted(maps.Keys(policies)), ", "))
}

// Stats returns what has happened so far.
func (p *Pusher) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Pending = uint64(len(p.pending))
	return s
}

// maxRequest is the size, bytes, from which on a request is closed: receivers take 4 MiB by gRPC's default.
const maxRequest = 1 << 20

// maxLook is how long the Pusher waits between looks for periods that have ended, however rarely it pushes: a policy may keep a single
// period that has ended.
const maxLook = 30 * time.Second

// occasion is why periods are collected.
type occasion int

const (
	looking occasion = iota // they wait for the next push
	pushing
	ending // the running periods are pushed too
)

// collect gathers the periods that have ended since the last time, and queues them unless it was only looking for them.
func (p *Pusher) collect(why occasion) {
	p.collecting.Lock()
	defer p.collecting.Unlock()
	p.over = why == ending
	for _, src := range p.cfg.Sources() {
		p.gather(src, p.starts(src.Of), why)
	}
	maps.DeleteFunc(p.seen, func(_ asker, s *pushed) bool { return time.Since(s.at) > forgetAfter })
	if why != looking {
		p.queue(0)
	}
}

// pushed is what was pushed of a source.
type pushed struct {
	last map[string]time.Time // start of the latest period, by module
	at   time.Time            // when the source was there
}

// forgetAfter is how long a source is remembered that has gone, in case that its Last comes: the host
// drops it from Config.Sources first.
const forgetAfter = time.Minute

// starts returns the starts of what was pushed of a source, which is there now.
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
	for _, modules := range fresh(src.Of, last, why) {
		p.ready.ScopeMetrics = append(p.ready.ScopeMetrics, scope(src.Policy, modules))
		p.queue(maxRequest)
	}
}

// queue lets what is ready wait for the receiver, if it is larger than size.
func (p *Pusher) queue(size int) {
	if proto.Size(p.ready) > size {
		p.enqueue(p.ready)
		p.ready = &metrics.ResourceMetrics{}
	}
}

// Last takes what a source has counted that was not pushed yet, the running period too: the source is no longer among those that
// Config.Sources gives. It is pushed with the next periods.
func (p *Pusher) Last(src Source) {
	p.collecting.Lock()
	defer p.collecting.Unlock()
	if p.over {
		return
	}
	last := p.starts(src.Of)
	delete(p.seen, src.Of)
	p.gather(src, last, ending)
}

// fresh returns the modules with a period that is not in last, period by period, the oldest first, and notes them there. Modules that keep
// a single period never end one: these are fresh at each push.
func fresh(src asker, last map[string]time.Time, why occasion) (out [][]handler.Module) {
	found := make(map[string]time.Time) // start of the oldest period found: if one ends meanwhile, the same one follows once more
	for n := 0; ; n++ {
		snap, err := src.Bucket(n)
		if err != nil {
			break
		}
		var modules []handler.Module
		for _, m := range snap.Modules {
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

// enqueue lets a request wait, and drops the oldest ones if there are too many.
func (p *Pusher) enqueue(m *metrics.ResourceMetrics) {
	req := &request{ResourceMetrics: []*metrics.ResourceMetrics{m}}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending = append(p.pending, parcel{req, proto.Size(req), time.Now()})
	p.bytes += p.pending[len(p.pending)-1].size
	for p.bytes > p.cfg.Pending && len(p.pending) > 1 {
		p.drop(&p.stats.Overflowed, "too much waits for the receiver")
	}
	select {
	case p.more <- struct{}{}:
	default:
	}
}

// drop forgets the oldest request and counts it in lost. The caller holds mu.
func (p *Pusher) drop(lost *uint64, why string) {
	p.bytes -= p.pending[0].size
	p.pending = p.pending[1:]
	*lost++
	p.cfg.Logger.Error("metrics are lost", "receiver", p.cfg.Endpoint, "because", why)
}

// oldest returns the request that has waited longest, past those that have waited too long.
func (p *Pusher) oldest() (parcel, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.pending) > 0 && time.Since(p.pending[0].born) > p.cfg.Budget {
		p.drop(&p.stats.Expired, "the receiver was away for too long")
	}
	if len(p.pending) == 0 {
		return parcel{}, false
	}
	return p.pending[0], true
}

// deliver sends what waits, in its order, until more is closed and nothing waits, or ctx is done.
func (p *Pusher) deliver(ctx context.Context) {
	for open := true; open; {
		_, open = <-p.more
		pause := p.cfg.Backoff
		for ctx.Err() == nil {
			next, waits := p.oldest()
			if !waits {
				break
			}
			if wait := p.attempt(ctx, next, pause); wait > 0 {
				sleep(ctx, wait)
				pause = min(2*pause, 30*time.Second)
				p.count(func(s *Stats) { s.Retries++ })
			} else {
				pause = p.cfg.Backoff
			}
		}
	}
}

// attempt sends a request once. It returns how long to wait before the next try, or 0 if the request is done with.
func (p *Pusher) attempt(ctx context.Context, next parcel, pause time.Duration) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	resp, err := p.send(ctx, next.req)
	if err == nil {
		p.done(next, "")
		if part := resp.GetPartialSuccess(); part.GetRejectedDataPoints() > 0 {
			p.cfg.Logger.Error("metrics are lost", "receiver", p.cfg.Endpoint, "points", part.RejectedDataPoints, "because", part.ErrorMessage)
			p.count(func(s *Stats) { s.Rejected += uint64(part.RejectedDataPoints) })
		}
		return 0
	}
	if refused, ok := errors.AsType[refusal](err); ok {
		p.done(next, refused.Error())
		return 0
	}
	p.cfg.Logger.Warn("receiver does not take metrics, trying again", "receiver", p.cfg.Endpoint, "error", err)
	wait := pause*3/4 + rand.N(pause/2+1) // so that many agents do not come back at once
	if asked, ok := errors.AsType[later](err); ok {
		wait = max(wait, min(asked.after, p.cfg.Budget))
	}
	return wait
}

// done takes a request out of those that wait, unless it was dropped meanwhile.
func (p *Pusher) done(sent parcel, refused string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	waits := len(p.pending) > 0 && p.pending[0].req == sent.req
	switch {
	case refused != "" && waits:
		p.drop(&p.stats.Refused, "the receiver refused them: "+refused)
	case refused == "":
		p.stats.Sent++
		if waits {
			p.bytes -= sent.size
			p.pending = p.pending[1:]
		} else {
			p.stats.Overflowed-- // dropped while it was on its way, and not lost after all
		}
	}
}

func (p *Pusher) count(change func(*Stats)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.stats)
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
