package handler

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"visor/capture"
	"visor/decode"
	"visor/sketch/hash64"
)

// PeriodLength is how long a period lasts.
const PeriodLength = time.Minute

// Config configures a Pipeline.
type Config struct {
	Sources []capture.Source // the Pipeline takes ownership and closes them
	// workers that share the frames of each source, by [capture.Fanout]; 0 means 1
	Workers int
	// with distinct names; more may be attached while the Pipeline runs
	Handlers []Handler
	// each handler sees what its predecessor let through, instead of everything
	Sequence bool
	// the own networks, for ingress and egress; empty: sources that know them decide, see
	// [capture.Owner]
	Hosts decode.HostNets
	// the sources are live: the clock closes periods and measures the live one
	Live bool
	// decodes link types that decode does not know; nil counts them as undecodable
	Fallback decode.LinkFallback
	// TCP connections that each worker follows at once, of DNS and BGP; 0 means 65,536
	MaxConns int
	// bytes that each worker holds of incomplete IP datagrams; 0 means 4 MiB
	FragBytes int
	Logger    *slog.Logger // told when the clock steps; nil is silence

	// bytes that each worker holds of TCP segments and messages that are not complete; 0 means 8
	// MiB
	StreamBytes int
	DNSPorts    []uint16 // ports of DNS; empty means DefaultDNSPorts
	// proxies whose PROXY protocol headers ahead of DNS are believed: the client they name counts
	ProxyFrom []netip.Prefix

	// Hash feeds the sketches. Pipelines whose answers are to merge must share it. Nil means a
	// random one if the sources are live, so that nobody outside can steer what they count, and
	// else [hash64.Fixed], so that a recording has the same answer each time.
	Hash *hash64.Hasher

	flows *hash64.Hasher // of flows: a secret of the pipeline
}

// Pipeline runs sources through handlers. It is safe for concurrent use.
type Pipeline struct {
	cfg     Config
	main    *Group // of Config.Handlers
	workers []*worker
	clock   *clock
	ended   atomic.Pointer[time.Time] // when Run returned
}

// NewPipeline returns a Pipeline that is ready to Run, or what is wrong with cfg.
func NewPipeline(cfg Config) (*Pipeline, error) {
	if len(cfg.Sources) == 0 {
		return nil, errors.New("handler: a pipeline needs at least one source")
	}
	if _, err := infosOf(cfg.Handlers); err != nil {
		return nil, err // before a goroutine reads a source
	}
	cfg.flows = hash64.Random()
	if cfg.Hash == nil {
		if cfg.Hash = hash64.Fixed(); cfg.Live {
			cfg.Hash = hash64.Random()
		}
	}
	p := &Pipeline{cfg: cfg, clock: newClock()}
	p.clock.log = cfg.Logger
	for _, src := range p.cfg.queues() {
		p.workers = append(p.workers, newWorker(&p.cfg, src))
	}
	p.share()
	main, err := p.Attach(GroupConfig{cfg.Handlers, cfg.Sequence})
	if err != nil {
		return nil, err
	}
	p.main = main
	return p, nil
}

// queues returns the source of each worker. A recording is divided into periods before it is
// spread, so that all workers change them at the same frame.
func (cfg *Config) queues() (out []capture.Source) {
	for _, src := range cfg.Sources {
		if !cfg.Live {
			src = newRecorded(src)
		}
		if cfg.Workers > 1 {
			out = append(out, capture.Fanout(src, capture.FanoutConfig{Queues: cfg.Workers, Hash: cfg.Hash})...)
		} else {
			out = append(out, src)
		}
	}
	return out
}

// share makes the workers have their periods in common: by the clock, or by meeting where a period
// of a recording begins. Several recordings have periods of their own.
func (p *Pipeline) share() {
	if !p.cfg.Live && (len(p.cfg.Sources) > 1 || len(p.workers) == 1) {
		return
	}
	m := newMeeting(len(p.workers))
	for _, w := range p.workers {
		w.common = true
		if p.cfg.Live {
			w.clock = p.clock
		} else {
			w.meeting = m
		}
	}
}

// Run reads all sources to their end, or until ctx is done, and closes them. It returns nil at the
// end of all recordings and when ctx is done, or the errors of the sources, joined. What was
// counted stays available in all cases.
func (p *Pipeline) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, p.closeSources)
	defer stop()
	if p.cfg.Live {
		defer p.startClock()()
	}
	errs := make([]error, len(p.workers))
	var wg sync.WaitGroup
	for i, w := range p.workers {
		wg.Go(func() { errs[i] = w.run() })
	}
	wg.Wait()
	p.settle()
	p.closeSources()
	end := p.clock.now()
	p.ended.Store(&end)
	if ctx.Err() != nil {
		return nil
	}
	return errors.Join(distinct(errs)...)
}

// settle counts what has timed out when the input ends, which for all workers is the time of the
// latest frame.
func (p *Pipeline) settle() {
	endNS := p.Span().lastNS
	for _, w := range p.workers {
		w.settle(endNS)
	}
}

// distinct drops repetitions: the queues of one source end with the same error.
func distinct(errs []error) []error {
	var out []error
	for _, err := range errs {
		if err != nil && (len(out) == 0 || out[len(out)-1].Error() != err.Error()) {
			out = append(out, err)
		}
	}
	return out
}

func (p *Pipeline) closeSources() {
	for _, w := range p.workers {
		_ = w.src.Close() // the reading side reports what matters
	}
}

// Account says what became of the frames. Offered is always the sum of the other terms.
func (p *Pipeline) Account() Account {
	var sum Account
	for _, w := range p.workers {
		sum.Add(w.balance())
	}
	return sum
}

// Span returns the times of the earliest and the latest frame, those that could not be decoded
// included. Filtered frames and lost ones do not count. It is zero before the first frame.
func (p *Pipeline) Span() Span {
	var sum Span
	for _, w := range p.workers {
		w.mu.Lock()
		span := w.span
		w.mu.Unlock()
		if span.known {
			sum.cover(span.firstNS, span.lastNS)
		}
	}
	return sum
}

// Reasons returns why input was not analysed, the most frequent reason first. Each text stands
// once; the counts of all sources and workers are added.
func (p *Pipeline) Reasons() []capture.Reason {
	counts := make(map[string]uint64)
	for _, w := range p.workers {
		for _, r := range w.reasons() {
			counts[r.Text] += r.Count
		}
	}
	out := make([]capture.Reason, 0, len(counts))
	for text, n := range counts {
		out = append(out, capture.Reason{Text: text, Count: n})
	}
	slices.SortFunc(out, func(a, b capture.Reason) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Text, b.Text))
	})
	return out
}

// HandlerAccounts says, by module name, what became of the events shown to each of Config.Handlers.
func (p *Pipeline) HandlerAccounts() map[string]Account { return p.main.Accounts() }

// Bucket returns the metrics of one period of Config.Handlers, see [Group.Bucket].
func (p *Pipeline) Bucket(n int) (*Snapshot, error) { return p.main.Bucket(n) }

// Window returns the metrics of several periods of Config.Handlers, see [Group.Window].
func (p *Pipeline) Window(n int) (*Snapshot, error) { return p.main.Window(n) }

// HostNets returns the networks that tell directions now: Config.Hosts, or what the sources know.
// It returns nil if there are none.
func (p *Pipeline) HostNets() *decode.HostNets {
	own, _ := p.workers[0].own()
	if own.Empty() {
		return nil
	}
	return own
}

// Ways returns how many DNS messages went which way since the Pipeline was made, by
// [decode.Direction]. Those to a multicast address are left out.
func (p *Pipeline) Ways() (sum [3]uint64) {
	for _, w := range p.workers {
		w.mu.Lock()
		for dir, n := range w.ways {
			sum[dir] += n
		}
		w.mu.Unlock()
	}
	return sum
}

// isEnd reports whether err is how a source ends when nothing is wrong.
func isEnd(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, capture.ErrClosed) }
