package handler

import (
	"cmp"
	"slices"
)

// period identifies a period. Within an era, periods are consecutive. An era begins when time goes
// back.
type period struct {
	era   int   // counts from 1; 0 is before the first period
	start int64 // ns since 1970
}

func (p period) compare(q period) int {
	return cmp.Or(cmp.Compare(p.era, q.era), cmp.Compare(p.start, q.start))
}

// stretch is the time that a bucket covers.
type stretch struct {
	period
	since  int64 // ns; the start, or the start of the current era for a bucket that never closes
	before int64 // ns that such a bucket lasted in earlier eras
	end    int64 // ns; valid if closed
	closed bool
	lastNS int64 // ns; latest frame, or start
}

// begin makes p the bucket's period, or its latest period.
func (s *stretch) begin(p period) {
	switch {
	case s.era == 0:
		*s = stretch{period: p, since: p.start, lastNS: p.start}
	case s.era != p.era:
		s.before += s.end - s.since
		s.era, s.since, s.lastNS = p.era, p.start, p.start
	}
	s.closed = false
}

func (s *stretch) close(endNS int64) { s.end, s.closed = endNS, true }

// extent is the combined time of stretches: of one period in several workers, or of consecutive
// periods.
type extent struct {
	eras   []era // in order of addition
	before int64
}

// the covered part of an era, in ns
type era struct {
	number     int
	start, end int64
}

// add adds s, which lasts until openNS if it is open.
func (e *extent) add(s stretch, openNS int64) {
	end := s.end
	if !s.closed {
		end = openNS
	}
	e.before = max(e.before, s.before)
	i := slices.IndexFunc(e.eras, func(x era) bool { return x.number == s.era })
	if i < 0 {
		e.eras = append(e.eras, era{s.era, s.since, end})
		return
	}
	e.eras[i].start, e.eras[i].end = min(e.eras[i].start, s.since), max(e.eras[i].end, end)
}

// seconds returns the length of e in whole seconds.
func (e *extent) seconds() (sum int64) {
	for _, x := range e.eras {
		sum += max(0, secondOf(x.end).Unix()-secondOf(x.start).Unix())
	}
	return sum + e.before/1e9
}
