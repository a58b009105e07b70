package otlp

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
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
	Interval time.Duration     // between looks for periods that have ended; 0 means 60 s
	Budget   time.Duration     // how long is kept what the receiver does not take; 0 means 15 minutes
	Pending  int               // bytes that are kept at most; 0 means 64 MiB
	Backoff  time.Duration     // before the second try, doubled for each further one up to 30 s; 0 means 1 s
	Timeout  time.Duration     // of a try, and for the last ones at the end; 0 means 10 s
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

// Stats counts requests.
type Stats struct {
	Sent    uint64 // taken by the receiver
	Retries uint64 // tries after the first
	Lost    uint64 // refused, too old, or too many
	Pending int    // wait for the receiver
}

// Pusher pushes metrics. It is safe for concurrent use.
type Pusher struct {
	cfg  Config
	send transport

	collecting sync.Mutex                     // guards what follows
	seen       map[asker]map[string]time.Time // start of the latest period that was queued, by module
	gone       *metrics.ResourceMetrics       // of sources that have gone
	over       bool                           // nothing is queued any more

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
		cfg: cfg, send: send, seen: make(map[asker]map[string]time.Time), gone: &metrics.ResourceMetrics{}, more: make(chan struct{}, 1),
	}, nil
}

// Run pushes until ctx is done, then what has not been pushed yet, the running periods too, for at most Config.Timeout. It returns an
// error if something was lost at the end.
func (p *Pusher) Run(ctx context.Context) error {
	drain, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	delivered := make(chan struct{})
	go func() {
		defer close(delivered)
		p.deliver(drain)
	}()
	tick := time.NewTicker(p.cfg.Interval)
	defer tick.Stop()
	for done := false; !done; {
		select {
		case <-tick.C:
			p.collect(false)
		case <-ctx.Done():
			done = true
		}
	}
	p.collect(true)
	close(p.more)
	stop := time.AfterFunc(p.cfg.Timeout, cancel)
	defer stop.Stop()
	<-delivered
	if n := p.Stats().Pending; n > 0 {
		return errors.New("otlp: the receiver did not take all before the end")
	}
	return nil
}

// Stats returns what has happened so far.
func (p *Pusher) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Pending = len(p.pending)
	return s
}

// maxRequest is the size, bytes, from which on a request is closed: receivers take 4 MiB by gRPC's default.
const maxRequest = 1 << 20

// collect queues the periods that have ended since the last time; at the end the running ones too.
func (p *Pusher) collect(end bool) {
	p.collecting.Lock()
	defer p.collecting.Unlock()
	p.over = end
	seen := make(map[asker]map[string]time.Time)
	out := p.gone
	p.gone = &metrics.ResourceMetrics{}
	for _, src := range p.cfg.Sources() {
		last := p.seen[src.Of]
		if last == nil {
			last = make(map[string]time.Time)
		}
		seen[src.Of] = last
		for _, modules := range fresh(src.Of, last, end) {
			out.ScopeMetrics = append(out.ScopeMetrics, scope(src.Policy, modules))
			if proto.Size(out) > maxRequest {
				p.enqueue(out)
				out = &metrics.ResourceMetrics{}
			}
		}
	}
	p.seen = seen // those that have gone are forgotten
	if len(out.ScopeMetrics) > 0 {
		p.enqueue(out)
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
	last := p.seen[src.Of]
	if last == nil {
		last = make(map[string]time.Time)
	}
	delete(p.seen, src.Of)
	for _, modules := range fresh(src.Of, last, true) {
		p.gone.ScopeMetrics = append(p.gone.ScopeMetrics, scope(src.Policy, modules))
	}
	if proto.Size(p.gone) > maxRequest {
		p.enqueue(p.gone)
		p.gone = &metrics.ResourceMetrics{}
	}
}

// fresh returns the modules with a period that is not in last, period by period, the oldest first, and notes them there. Modules that keep
// a single period never end one: these are always fresh.
func fresh(src asker, last map[string]time.Time, end bool) (out [][]handler.Module) {
	found := make(map[string]time.Time) // start of the oldest period found: if one ends meanwhile, the same one follows once more
	for n := 0; ; n++ {
		snap, err := src.Bucket(n)
		if err != nil {
			break
		}
		var modules []handler.Module
		for _, m := range snap.Modules {
			running := n == 0 && !end && m.Periods > 1
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
		p.drop("too much waits for the receiver")
	}
	select {
	case p.more <- struct{}{}:
	default:
	}
}

// drop gives up the oldest request. The caller holds mu.
func (p *Pusher) drop(why string) {
	p.bytes -= p.pending[0].size
	p.pending = p.pending[1:]
	p.stats.Lost++
	p.cfg.Logger.Error("metrics are lost", "receiver", p.cfg.Endpoint, "because", why)
}

// oldest returns the request that has waited longest, past those that have waited too long.
func (p *Pusher) oldest() (parcel, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.pending) > 0 && time.Since(p.pending[0].born) > p.cfg.Budget {
		p.drop("the receiver was away for too long")
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
		p.drop("the receiver refused them: " + refused)
	case refused == "":
		p.stats.Sent++
		if waits {
			p.bytes -= sent.size
			p.pending = p.pending[1:]
		} else {
			p.stats.Lost-- // dropped while it was on its way, and not lost after all
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
