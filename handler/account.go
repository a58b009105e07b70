package handler

import "time"

// Account says what became of events: Offered is always the sum of the others. A pipeline counts
// frames, a handler the events that it was shown (packets or DNS messages).
type Account struct {
	Offered     uint64 `json:"offered"`     // came in, or was lost before it could
	Analysed    uint64 `json:"analysed"`    // went through everything
	Filtered    uint64 `json:"filtered"`    // did not pass a filter
	NotSampled  uint64 `json:"not_sampled"` // counted, but left out by deep sampling
	Undecodable uint64 `json:"undecodable"` // could not be understood
	Dropped     uint64 `json:"dropped"`     // lost by the kernel, an interface or a full queue
}

// Add adds b to a.
func (a *Account) Add(b Account) {
	a.Offered += b.Offered
	a.Analysed += b.Analysed
	a.Filtered += b.Filtered
	a.NotSampled += b.NotSampled
	a.Undecodable += b.Undecodable
	a.Dropped += b.Dropped
}

// Span is the time from the earliest frame to the latest. The zero Span has seen none.
type Span struct {
	firstNS, lastNS int64
	known           bool
}

// First returns the time of the earliest frame; it is zero if there was none.
func (s Span) First() time.Time { return s.at(s.firstNS) }

// Last returns the time of the latest frame; it is zero if there was none.
func (s Span) Last() time.Time { return s.at(s.lastNS) }

func (s Span) at(ns int64) time.Time {
	if !s.known {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

// cover makes s include the time from firstNS to lastNS.
func (s *Span) cover(firstNS, lastNS int64) {
	if s.known {
		firstNS, lastNS = min(s.firstNS, firstNS), max(s.lastNS, lastNS)
	}
	*s = Span{firstNS, lastNS, true}
}
