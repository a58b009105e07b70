package window

import (
	"math"
	"time"
)

// Periods tells which period an event belongs to, by the times of the events in the order of their
// arrival. A period begins at the first event that is not before the end of the one before, however
// long the gap; earlier events, also those whose clock stepped back, belong to the current one.
// A Periods is owned by one goroutine.
type Periods struct {
	length int64
	start  int64
	next   int64 // end of the current period; 0 before the first event
	begun  bool
}

// NewPeriods returns a Periods of the given length, at least 1 ns. None has begun.
func NewPeriods(length time.Duration) *Periods { return &Periods{length: max(int64(length), 1)} }

// Epoch returns the start of the period that an event at tsNS belongs to, in ns since the epoch of tsNS.
// The start tells periods apart: it grows from one to the next, unless Begin was given an earlier one.
func (p *Periods) Epoch(tsNS int64) int64 {
	if tsNS >= p.next || !p.begun {
		p.Begin(tsNS)
	}
	return p.start
}

// Begin makes startNS the start of the current period, whether or not the one before has ended. A period
// that would end behind the last time that an int64 holds, in the year 2262, ends then.
func (p *Periods) Begin(startNS int64) {
	p.start, p.next, p.begun = startNS, startNS+p.length, true
	if p.next < startNS {
		p.next = math.MaxInt64
	}
}

// Due reports whether the current period has ended at nowNS, and when: for a clock that closes periods
// in which nothing arrives. None is due before the first has begun.
func (p *Periods) Due(nowNS int64) (endNS int64, ok bool) {
	return p.next, p.begun && nowNS >= p.next
}
