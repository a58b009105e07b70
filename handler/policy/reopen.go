package policy

import (
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"visor/capture"
	"visor/decode"
)

// The time between two attempts to reopen an input.
const (
	firstRetry = 250 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// Outage describes the outages of a live input, for example an interface that is deleted and
// recreated.
type Outage struct {
	Err   error         // why it is down now; nil while it is up
	Since time.Time     // start of the outage; zero while it is up
	Gaps  uint64        // number of outages
	Down  time.Duration // total duration
}

// reopening is the source of a live input. After a failure it reopens the input while the pipeline
// continues with empty periods.
type reopening struct {
	open func() (capture.Source, error)
	log  *slog.Logger // with the input's name
	kick chan struct{}
	gone chan struct{}
	once sync.Once

	mu       sync.Mutex // guards the fields below
	src      capture.Source
	outage   Outage
	drops    uint64 // of former sources, like the fields below
	filtered uint64
	reasons  map[string]uint64
}

var (
	_ capture.LiveSource    = (*reopening)(nil)
	_ capture.DropCounter   = (*reopening)(nil)
	_ capture.FilterCounter = (*reopening)(nil)
	_ capture.Reasoner      = (*reopening)(nil)
	_ capture.Owner         = (*reopening)(nil)
)

func newReopening(src capture.Source, open func() (capture.Source, error), log *slog.Logger) *reopening {
	return &reopening{
		src: src, open: open, log: log, kick: make(chan struct{}, 1), gone: make(chan struct{}), reasons: make(map[string]uint64),
	}
}

// ReadBatch implements capture.Source. While the input is down, it waits.
func (r *reopening) ReadBatch(b *capture.Batch) error {
	for {
		src := r.current()
		if src == nil {
			return capture.ErrClosed
		}
		err := src.ReadBatch(b)
		if err == nil || errors.Is(err, io.EOF) || r.closed() {
			return err
		}
		r.fail(src, err)
		if !r.restore() {
			return capture.ErrClosed
		}
	}
}

// Live returns true: a recording is not opened again.
func (r *reopening) Live() bool { return true }

func (r *reopening) closed() bool {
	select {
	case <-r.gone:
		return true
	default:
		return false
	}
}

func (r *reopening) current() capture.Source {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.src
}

// fail closes a failed source and keeps its counts.
func (r *reopening) fail(src capture.Source, err error) {
	_ = src.Close() // err already has the relevant text
	r.mu.Lock()
	defer r.mu.Unlock()
	r.src = nil
	r.drops += capture.DropsOf(src)
	r.filtered += capture.FilteredOf(src)
	for _, reason := range capture.ReasonsOf(src) {
		r.reasons[reason.Text] += reason.Count
	}
	r.outage.Err, r.outage.Since = err, time.Now()
	r.outage.Gaps++
	r.log.Error("input is down; it is opened again when that can be done", "error", err)
}

// restore reopens the input as soon as possible. It returns false if r was closed.
func (r *reopening) restore() bool {
	for pause := firstRetry; ; pause = min(2*pause, lastRetry) {
		timer := time.NewTimer(pause)
		select {
		case <-r.gone:
			timer.Stop()
			return false
		case <-r.kick:
			timer.Stop()
		case <-timer.C:
		}
		src, err := r.open()
		if err == nil {
			return r.resume(src)
		}
		r.mu.Lock()
		r.outage.Err = err
		r.mu.Unlock()
	}
}

// resume continues with a source. It returns false if r was closed meanwhile.
func (r *reopening) resume(src capture.Source) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed() {
		_ = src.Close()
		return false
	}
	down := time.Since(r.outage.Since)
	r.src = src
	r.outage = Outage{Gaps: r.outage.Gaps, Down: r.outage.Down + down}
	r.log.Info("input is up again", "down", down.Round(time.Millisecond))
	return true
}

// retry reopens the input at once, if it is down.
func (r *reopening) retry() {
	select {
	case r.kick <- struct{}{}:
	default:
	}
}

// state returns the outages so far.
func (r *reopening) state() Outage {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.outage
	if !o.Since.IsZero() {
		o.Down += time.Since(o.Since)
	}
	return o
}

// Drops returns the frames lost by all sources so far.
func (r *reopening) Drops() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.drops + capture.DropsOf(r.src)
}

// Filtered returns the frames rejected by the filters of all sources so far.
func (r *reopening) Filtered() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.filtered + capture.FilteredOf(r.src)
}

// Reasons returns the reasons why input was left out, for all sources so far.
func (r *reopening) Reasons() (out []capture.Reason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for text, n := range r.reasons {
		out = append(out, capture.Reason{Text: text, Count: n})
	}
	return append(out, capture.ReasonsOf(r.src)...)
}

// Own returns the addresses of this host, or none while the input is down.
func (r *reopening) Own() *decode.NetSet { return capture.OwnOf(r.current()) }

// Close ends r: ReadBatch returns [capture.ErrClosed].
func (r *reopening) Close() (err error) {
	r.once.Do(func() {
		close(r.gone)
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.src != nil {
			err = r.src.Close()
		}
	})
	return err
}
