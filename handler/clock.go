package handler

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"visor/capture"
)

// clock assigns events of a live pipeline to periods. Periods are consecutive, start when the
// pipeline starts, and are the same for all workers. A frame's timestamp selects its period, but
// never a period ahead of the clock or an earlier one. When the clock steps, forward or back, the
// live period ends and an era begins.
type clock struct {
	// the time, and the monotonic time since the start
	read   func() (wallNS int64, running time.Duration)
	log    *slog.Logger
	era    atomic.Pointer[liveEra] // nil until the pipeline runs
	steps  atomic.Uint64
	length int64 // of a period, in ns
}

// liveEra is the time from one step of the clock to the next.
type liveEra struct {
	number  int
	start   int64         // ns; whole seconds, so that each second is in one period
	began   time.Duration // monotonic time at the start
	wallNS  int64         // wall clock at the start
	endedNS int64         // wall clock without the step: the end of the previous era
	length  int64         // of a period, in ns
}

// newClock returns a clock that reads the system's and has periods of the given length.
func newClock(length time.Duration) *clock {
	base := time.Now()
	return &clock{length: int64(length), read: func() (int64, time.Duration) {
		now := time.Now()
		return now.UnixNano(), now.Sub(base)
	}}
}

// now returns the time.
func (c *clock) now() time.Time {
	wall, _ := c.read()
	return time.Unix(0, wall)
}

// smallStep is the largest step of the clock that does not begin an era. Daemons that discipline
// the clock step it by less when they start.
const smallStep = time.Second

// step returns the total step of the clock since the era began.
func (e *liveEra) step(wallNS int64, running time.Duration) time.Duration {
	return time.Duration(wallNS-e.wallNS) - (running - e.began)
}

// stepped reports whether the clock was stepped in the era.
func (e *liveEra) stepped(wallNS int64, running time.Duration) bool {
	return e.step(wallNS, running).Abs() > smallStep
}

// begin begins an era at a time.
func (c *clock) begin(wallNS int64, running time.Duration) {
	second := secondOf(wallNS)
	next := &liveEra{number: 1, start: second.start, began: running, wallNS: wallNS, length: c.length}
	if last := c.era.Load(); last != nil {
		next.number, next.endedNS = last.number+1, last.wallNS+int64(running-last.began)
	}
	c.era.Store(next)
}

// observe returns the current period. It begins an era if the clock was stepped.
func (c *clock) observe() period {
	wallNS, running := c.read()
	if e := c.era.Load(); e.stepped(wallNS, running) {
		step := e.step(wallNS, running)
		c.begin(wallNS, running)
		c.steps.Add(1)
		if c.log != nil {
			c.log.Warn("the clock was put: a period begins", "by", step)
		}
	}
	return c.era.Load().period(wallNS)
}

// period returns the period that contains ns.
func (e *liveEra) period(ns int64) period {
	if ns < e.start {
		return period{e.number, e.start}
	}
	return period{e.number, ns - (ns-e.start)%e.length}
}

// ClockSteps returns the number of clock steps over a second while the pipeline ran live. Each step
// began a period.
func (p *Pipeline) ClockSteps() uint64 { return p.clock.steps.Load() }

// startClock begins the first period of all workers. It closes periods as they end, even without
// traffic. The returned function stops that.
func (p *Pipeline) startClock() (stop func()) {
	p.clock.begin(p.clock.read())
	p.advance(p.clock.observe())
	done := make(chan struct{})
	var ticking sync.WaitGroup
	ticking.Go(func() { p.tick(done) })
	return func() {
		close(done)
		ticking.Wait()
	}
}

func (p *Pipeline) advance(to period) {
	for _, w := range p.workers {
		w.mu.Lock()
		w.advance(to)
		w.mu.Unlock()
	}
}

// tick reads the clock each second and when a period ends.
func (p *Pipeline) tick(done <-chan struct{}) {
	for {
		wallNS, _ := p.clock.read()
		next := p.clock.era.Load().period(wallNS).start + p.clock.length
		timer := time.NewTimer(min(time.Duration(next-wallNS), time.Second))
		select {
		case <-timer.C:
		case <-done:
			timer.Stop()
			return
		}
		p.advance(p.clock.observe())
		p.deliver()
	}
}

// advance makes a period the live one. Skipped periods without events are empty.
func (w *worker) advance(to period) {
	switch {
	case to.compare(w.period) <= 0:
		return
	case to.era == w.period.era:
		length := w.clock.length
		for at := max(w.period.start+length, to.start-maxPeriods*length); at < to.start; at += length {
			w.enter(period{to.era, at}, at)
		}
		w.enter(to, to.start)
	default:
		w.enter(to, w.clock.era.Load().endedNS)
	}
}

// processLive counts a batch of a live source.
func (w *worker) processLive(frames []capture.Frame) {
	wallNS, running := w.clock.read()
	era := w.clock.era.Load()
	// the live period counts the frames until the change is noticed
	stepped := era.stepped(wallNS, running)
	w.now = secondOf(wallNS)
	w.correct(frames, wallNS)
	for len(frames) > 0 {
		if !stepped {
			w.advance(era.period(min(frames[0].TimeNS, wallNS)))
		}
		n, end := 1, w.period.start+era.length
		for n < len(frames) && (stepped || min(frames[n].TimeNS, wallNS) < end) {
			n++
		}
		w.analyse(frames[:n])
		frames = frames[n:]
	}
}

// correct replaces wrong timestamps of frames with the present time.
func (w *worker) correct(frames []capture.Frame, nowNS int64) {
	for i := range frames {
		if f := &frames[i]; uint64(f.TimeNS-nowNS+believable) > 2*uint64(believable) {
			f.TimeNS = nowNS
			w.strays++
		}
	}
}
