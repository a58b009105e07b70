package window

import (
	"math"
	"time"
)

// Periods assigns events to periods by their timestamps, in order of arrival. A period begins at
// the first event at or after the end of the previous one, however long the gap. Earlier events,
// including those whose clock stepped back, belong to the current period. A Periods is owned by one
// goroutine.
type Periods struct {
	length int64
	start  int64
	next   int64 // end of the current period; 0 before the first event
	begun  bool
}

// NewPeriods returns a Periods of the given length, at least 1 ns. Before the first event it has no
// period.
func NewPeriods(length time.Duration) *Periods { return &Periods{length: max(int64(length), 1)} }

// Epoch returns the start of the period of an event at tsNS, in nanoseconds since the epoch of
// tsNS. The start identifies the period: it grows from one period to the next, unless Begin set an
// earlier one.
func (p *Periods) Epoch(tsNS int64) int64 {
	if tsNS >= p.next || !p.begun {
		p.Begin(tsNS)
	}
	return p.start
}

// Begin makes startNS the start of the current period, whether or not the previous one has ended. A
// period that would end after the last time in an int64, in the year 2262, ends there.
func (p *Periods) Begin(startNS int64) {
	p.start, p.next, p.begun = startNS, startNS+p.length, true
	if p.next < startNS {
		p.next = math.MaxInt64
	}
}

// Due reports whether the current period has ended at nowNS, and when it ended. A clock uses it to
// close periods without events. Before the first period it returns false.
func (p *Periods) Due(nowNS int64) (endNS int64, ok bool) {
	return p.next, p.begun && nowNS >= p.next
}
