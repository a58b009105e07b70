package handler

import (
	"sync"
	"time"
)

// clock tells the periods of a live pipeline: they follow each other from its start on, the same for all workers. A frame's own
// time decides, but it cannot open a period ahead of the clock, nor go back to a former one.
type clock struct {
	now   func() time.Time
	start int64 // ns
}

// period returns the start of the period that ns is in.
func (c *clock) period(ns int64) int64 {
	if ns < c.start {
		return c.start
	}
	return ns - (ns-c.start)%int64(PeriodLength)
}

// startClock begins the first period of all workers, and closes periods as they end, also where nothing arrives. The function
// that it returns ends that.
func (p *Pipeline) startClock() (stop func()) {
	now := SecondOf(p.clock.now().UnixNano())
	p.clock.start = now.start // so that no second is in two periods
	p.advance(p.clock.start)
	done := make(chan struct{})
	var ticking sync.WaitGroup
	ticking.Go(func() { p.tick(done) })
	return func() {
		close(done)
		ticking.Wait()
	}
}

func (p *Pipeline) advance(epoch int64) {
	for _, w := range p.workers {
		w.mu.Lock()
		w.advance(epoch)
		w.mu.Unlock()
	}
}

func (p *Pipeline) tick(done <-chan struct{}) {
	for {
		now := p.clock.now().UnixNano()
		next := p.clock.period(now) + int64(PeriodLength)
		timer := time.NewTimer(time.Duration(next - now))
		select {
		case <-timer.C:
		case <-done:
			timer.Stop()
			return
		}
		p.advance(next)
	}
}

// advance makes the period that starts at epoch the live one. The periods before it in which nothing arrived are empty ones.
func (w *worker) advance(epoch int64) {
	if !w.begun {
		w.enter(epoch)
	}
	for at := max(w.epoch+int64(PeriodLength), epoch-maxPeriods*int64(PeriodLength)); at <= epoch; at += int64(PeriodLength) {
		w.enter(at)
	}
}

// liveEpoch returns the period that a frame of time ns is counted in, at the time nowNS.
func (w *worker) liveEpoch(ns, nowNS int64) int64 {
	return max(w.epoch, w.clock.period(min(ns, nowNS)))
}
