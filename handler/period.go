package handler

import (
	"cmp"
	"slices"
)

// period names a period. Within an era periods follow each other; an era begins when time goes
// back.
type period struct {
	era   int   // from 1; 0 is before the first period
	start int64 // ns since 1970
}

func (p period) compare(q period) int {
	return cmp.Or(cmp.Compare(p.era, q.era), cmp.Compare(p.start, q.start))
}

// stretch is the time of a bucket.
type stretch struct {
	period
	since  int64 // ns: start, or where the era began in which a bucket goes on that never closes
	before int64 // ns that such a bucket lasted in former eras
	end    int64 // ns, once it is closed
	closed bool
	lastNS int64 // latest frame, or start
}

// begin makes p the period of the bucket, or its latest one.
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

// extent is the time of several stretches: of the same period in several workers, and of periods
// that follow each other.
type extent struct {
	eras   []era // in the order in which they were added
	before int64
}

// span of an era that is covered, in ns.
type era struct {
	number     int
	start, end int64
}

// add covers s, which lasts until openNS if it is not closed.
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

// seconds returns how long e is, in whole seconds.
func (e *extent) seconds() (sum int64) {
	for _, x := range e.eras {
		sum += max(0, SecondOf(x.end).Unix()-SecondOf(x.start).Unix())
	}
	return sum + e.before/1e9
}
