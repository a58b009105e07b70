package handler

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"visor/capture"
	"visor/decode"
	"visor/sketch/hash64"
)

// PeriodLength is the length of a period unless Config.Period sets another.
const PeriodLength = time.Minute

// Config configures a Pipeline.
type Config struct {
	// The Pipeline takes ownership and closes them. They are all live, so that the clock closes
	// periods and measures the live one, or all recordings; see [capture.LiveSource].
	Sources []capture.Source
	// workers that share the frames of each source, by [capture.Fanout]; 0 means 1
	Workers int
	// with distinct names; more may be attached while the Pipeline runs
	Handlers []Handler
	// each handler sees the events that passed its predecessor, instead of all
	Sequence bool
	// called with each closed period of Handlers, see [AttachConfig].Closed
	Closed func(*Snapshot)
	// local networks, for ingress and egress; if empty, the sources decide, see [capture.Owner]
	Hosts decode.NetSet
	// length of a period, in whole seconds; 0 means PeriodLength
	Period time.Duration
	// decodes link types that decode does not support; nil counts them as undecodable
	Fallback decode.LinkFallback
	// maximum number of DNS and BGP connections over TCP per worker; 0 means 65,536
	MaxConns int
	// bytes that each worker holds of incomplete IP datagrams; 0 means 4 MiB
	FragBytes int
	Logger    *slog.Logger // called when the clock steps; may be nil

	// bytes of TCP segments and incomplete messages that each worker holds; 0 means 8 MiB
	StreamBytes int
	DNSPorts    []uint16 // DNS ports; empty means DefaultDNSPorts
	// trusted proxies: a PROXY protocol header ahead of DNS replaces the client
	ProxyFrom []netip.Prefix

	// Hash hashes keys for the sketches. Pipelines whose answers are merged must share it. Nil
	// means a random hasher for live sources, so that outsiders cannot steer the counts. For
	// recordings nil means [hash64.Fixed], so that each run returns the same answer.
	Hash *hash64.Hasher

	flows *hash64.Hasher // hashes flows: a secret of the pipeline
	live  bool           // the sources are live
}

// Pipeline runs sources through handlers. It is safe for concurrent use.
type Pipeline struct {
	cfg     Config
	main    *Attachment // handlers of Config.Handlers
	workers []*worker
	clock   *clock
	started atomic.Bool               // Run was called
	ended   atomic.Pointer[time.Time] // when Run returned
	closing closing
	reasons ownReasons
}

// NewPipeline returns a Pipeline ready to Run, or an error listing the problems in cfg. Nothing is
// read before Run, which closes the sources. With an error, or without a call of Run, the caller
// closes them.
func NewPipeline(cfg Config) (*Pipeline, error) {
	var err error
	if cfg.live, err = areLive(cfg.Sources); err != nil {
		return nil, err
	}
	if _, err := infosOf(cfg.Handlers); err != nil {
		return nil, err // before any goroutine reads a source
	}
	if cfg.Period == 0 {
		cfg.Period = PeriodLength
	}
	if cfg.Period < time.Second || cfg.Period%time.Second != 0 {
		return nil, fmt.Errorf("handler: Config.Period is %v: must be whole seconds", cfg.Period)
	}
	cfg.flows = hash64.Random()
	if cfg.Hash == nil {
		if cfg.Hash = hash64.Fixed(); cfg.live {
			cfg.Hash = hash64.Random()
		}
	}
	p := &Pipeline{cfg: cfg, clock: newClock(cfg.Period)}
	p.clock.log = cfg.Logger
	for _, src := range p.cfg.queues() {
		p.workers = append(p.workers, newWorker(&p.cfg, src))
	}
	p.share()
	main, err := p.Attach(AttachConfig{Handlers: cfg.Handlers, Sequence: cfg.Sequence, Closed: cfg.Closed})
	if err != nil {
		return nil, err
	}
	p.main = main
	return p, nil
}

// isNil reports whether a handler or a source is nil, or the nil pointer of a constructor whose
// error was not checked.
func isNil(v any) bool {
	p := reflect.ValueOf(v)
	return v == nil || p.Kind() == reflect.Pointer && p.IsNil()
}

// areLive reports whether sources are live, or returns an error if only some are.
func areLive(sources []capture.Source) (bool, error) {
	live := 0
	for i, src := range sources {
		if isNil(src) {
			return false, fmt.Errorf("handler: Config.Sources[%d] is nil", i)
		}
		if capture.IsLive(src) {
			live++
		}
	}
	switch {
	case len(sources) == 0:
		return false, errors.New("handler: a pipeline needs at least one source")
	case live != 0 && live != len(sources):
		return false, fmt.Errorf("handler: %d of %d sources are live: must be all or none", live, len(sources))
	}
	return live > 0, nil
}

// queues returns the source of each worker. A recording is divided into periods before it is spread
// over workers, so that all of them change periods at the same frame.
func (cfg *Config) queues() (out []capture.Source) {
	for _, src := range cfg.Sources {
		if !cfg.live {
			src = newRecorded(src, cfg.Period)
		}
		if cfg.Workers > 1 {
			out = append(out, capture.Fanout(src, capture.FanoutConfig{Queues: cfg.Workers, Hash: cfg.Hash})...)
		} else {
			out = append(out, src)
		}
	}
	return out
}

// common reports whether all workers have the same periods.
func (p *Pipeline) common() bool { return p.cfg.live || len(p.cfg.Sources) == 1 }

// share sets in all workers the same periods. Live workers follow the clock. Workers of one
// recording meet at the start of a period. Several recordings have separate periods.
func (p *Pipeline) share() {
	if !p.common() {
		return
	}
	m := newMeeting(len(p.workers), p.deliver)
	for _, w := range p.workers {
		w.common = true
		if p.cfg.live {
			w.clock = p.clock
		} else {
			w.meeting = m
		}
	}
}

// Run reads all sources to their end, or until ctx is done, and closes them. It returns nil at the
// end of all recordings or when ctx is done, and otherwise the joined errors of the sources. The
// counts stay available in all cases. A second Run is an error.
func (p *Pipeline) Run(ctx context.Context) error {
	if p.started.Swap(true) {
		return errors.New("handler: the pipeline has been run")
	}
	stop := context.AfterFunc(ctx, p.closeSources)
	defer stop()
	if p.cfg.live {
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
	p.deliver()
	if ctx.Err() != nil {
		return nil
	}
	return errors.Join(distinct(errs)...)
}

// Finished reports whether all sources have ended. Handlers that are attached now receive nothing.
// Run may still deliver the last periods.
func (p *Pipeline) Finished() bool {
	for _, w := range p.workers {
		w.mu.Lock()
		finished := w.finished
		w.mu.Unlock()
		if !finished {
			return false
		}
	}
	return true
}

// settle counts everything that has timed out by the end of the input, the time of the latest frame
// of all workers.
func (p *Pipeline) settle() {
	endNS := p.span().lastNS
	for _, w := range p.workers {
		w.settle(endNS)
	}
}

// distinct drops repeated errors: all queues of one source end with the same error.
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
		_ = w.src.Close() // the reading side reports the error that matters
	}
}

// Account counts the frames by outcome. Offered equals the sum of the other fields.
func (p *Pipeline) Account() Account {
	var sum Account
	for _, w := range p.workers {
		sum.Add(w.balance())
	}
	return sum
}

// Span returns the times of the earliest and the latest frame, including undecodable frames.
// Filtered and lost frames do not count. Both times are zero before the first frame.
func (p *Pipeline) Span() (first, last time.Time) {
	s := p.span()
	if !s.known {
		return first, last
	}
	return time.Unix(0, s.firstNS), time.Unix(0, s.lastNS)
}

// span returns the time covered by the frames of all workers.
func (p *Pipeline) span() (sum span) {
	for _, w := range p.workers {
		w.mu.Lock()
		s := w.span
		w.mu.Unlock()
		if s.known {
			sum.cover(s.firstNS, s.lastNS)
		}
	}
	return sum
}

// Reasons returns the reasons why input was not analyzed, the most frequent first. Each text occurs
// once, with the sum of the counts of all sources and workers. There are at most 256 texts.
func (p *Pipeline) Reasons() []capture.Reason {
	var all []capture.Reason
	for _, w := range p.workers {
		all = append(all, w.reasons()...)
	}
	return append([]capture.Reason{}, p.reasons.bound(reasonsOf(all))...) // not nil, for JSON
}

// HandlerAccounts returns the outcomes of the events shown to each of Config.Handlers, by module
// name.
func (p *Pipeline) HandlerAccounts() map[string]Account { return p.main.Accounts() }

// Bucket returns the metrics of one period of Config.Handlers: 0 is the live one, and 1 the last
// closed one; see [Attachment.Bucket].
func (p *Pipeline) Bucket(n int) (*Snapshot, error) { return p.main.Bucket(n) }

// Window returns the merged metrics of the n newest periods of Config.Handlers, including the live
// one. n is from 2 to Settings.Periods, which are 5 by default; see [Attachment.Window].
func (p *Pipeline) Window(n int) (*Snapshot, error) { return p.main.Window(n) }

// Latest returns the period for monitoring: the last closed one, or the live one before any has
// closed.
func (p *Pipeline) Latest() (*Snapshot, error) {
	if s, err := p.Bucket(1); err == nil {
		return s, nil
	}
	return p.Bucket(0)
}

// Hosts returns the networks that currently determine directions: Config.Hosts or the sources'
// networks. It returns nil if both are empty.
func (p *Pipeline) Hosts() *decode.NetSet {
	own, _ := p.workers[0].own()
	return own
}

// Ways returns the number of DNS messages by [decode.Direction] since the Pipeline was created.
// Messages to a multicast address are left out.
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

// isEnd reports whether err marks the normal end of a source.
func isEnd(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, capture.ErrClosed) }
