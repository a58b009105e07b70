package window

import (
	"iter"
	"sync/atomic"
	"time"
)

// Bucket is what a Ring holds, as a rule a pointer to a struct of counters and sketches.
type Bucket[B any] interface {
	Reset()      // empties it and keeps its memory for reuse
	Merge(src B) // adds src, which stays as it was
}

// Ring is the live bucket and the last closed ones, n in all. A Ring is owned by one goroutine; others
// may read the buckets that it pinned for them.
//
// Buckets that its methods return are borrowed: each is emptied and used again when n further periods have begun.
type Ring[B Bucket[B]] struct {
	slots   []*slot[B] // slots[0] is the live one, slots[1] closed last
	size    int
	fresh   func() B
	periods *Periods
}

type slot[B any] struct {
	bucket B
	pins   atomic.Int32 // readers that still need the bucket as it is
}

// NewRing returns a Ring of n buckets, at least 1, made by fresh as they are needed: the live one now. Periods have the
// given length, at least 1 ns. With a single bucket no period ever closes: the live bucket has all events.
func NewRing[B Bucket[B]](n int, length time.Duration, fresh func() B) *Ring[B] {
	r := &Ring[B]{size: max(n, 1), fresh: fresh, periods: NewPeriods(length)}
	r.slots = append(make([]*slot[B], 0, r.size), &slot[B]{bucket: fresh()})
	return r
}

// Live returns the bucket for an event at tsNS, closing the live period first if it has ended by then. The first event
// begins the first period. Times are ns since any epoch, the same for all calls.
func (r *Ring[B]) Live(tsNS int64) B {
	start := r.periods.start
	begun := r.periods.begun
	if r.periods.Epoch(tsNS) != start && begun {
		r.push()
	}
	return r.slots[0].bucket
}

// Tick closes the live period if it has ended by nowNS though nothing arrived, and as many empty periods
// after it as have passed, up to the size of the ring. Periods then follow each other without gaps, but after so long a
// silence that all buckets are empty: the live one then starts at nowNS. Before the first event it does nothing.
func (r *Ring[B]) Tick(nowNS int64) {
	for range r.size {
		end, ok := r.periods.Due(nowNS)
		if !ok {
			return
		}
		r.Shift(end)
	}
	if _, ok := r.periods.Due(nowNS); ok {
		r.periods.Begin(nowNS)
	}
}

// Shift closes the live period, whether or not it has ended; the new one starts at startNS. It is for who
// keeps the [Periods] of several Rings.
func (r *Ring[B]) Shift(startNS int64) {
	r.periods.Begin(startNS)
	r.push()
}

// push makes an empty bucket the live one: the oldest, or a new one while there is room or while
// somebody reads the oldest, which is then left to the garbage collector.
func (r *Ring[B]) push() {
	if r.size == 1 {
		return
	}
	var s *slot[B]
	if len(r.slots) < r.size {
		r.slots = append(r.slots, nil)
		s = &slot[B]{bucket: r.fresh()}
	} else if s = r.slots[r.size-1]; s.pins.Load() > 0 {
		s = &slot[B]{bucket: r.fresh()}
	} else {
		s.bucket.Reset()
	}
	copy(r.slots[1:], r.slots)
	r.slots[0] = s
}

// Current returns the live bucket, whatever the time.
func (r *Ring[B]) Current() B { return r.slots[0].bucket }

// Len returns the number of buckets in use, the live one and the closed ones: 1 to n.
func (r *Ring[B]) Len() int { return len(r.slots) }

// Bucket returns the i-th bucket: 0 is the live one, 1 closed last. It returns false if there is none.
func (r *Ring[B]) Bucket(i int) (B, bool) {
	if i < 0 || i >= len(r.slots) {
		var zero B
		return zero, false
	}
	return r.slots[i].bucket, true
}

// All returns the buckets in use, the live one first.
func (r *Ring[B]) All() iter.Seq[B] {
	return func(yield func(B) bool) {
		for _, s := range r.slots {
			if !yield(s.bucket) {
				return
			}
		}
	}
}

// Pin returns the closed buckets that wanted accepts, which it is asked of the newest first. They stay as they are
// until Release; the Ring goes on with new buckets in their place. Pin is called by the owner of the Ring, what
// it returns may be read and released by any goroutine. A bucket may be pinned several times.
func (r *Ring[B]) Pin(wanted func(B) bool) Pinned[B] {
	var p Pinned[B]
	for _, s := range r.slots[1:] {
		if wanted(s.bucket) {
			s.pins.Add(1)
			p.slots = append(p.slots, s)
		}
	}
	return p
}

// Pinned is a set of closed buckets that do not change. It is immutable; the zero Pinned is empty.
type Pinned[B any] struct{ slots []*slot[B] }

// All returns the buckets, the newest first.
func (p Pinned[B]) All() iter.Seq[B] {
	return func(yield func(B) bool) {
		for _, s := range p.slots {
			if !yield(s.bucket) {
				return
			}
		}
	}
}

// Release gives the buckets back to the Ring: they must not be read any more. It must be called once.
func (p Pinned[B]) Release() {
	for _, s := range p.slots {
		s.pins.Add(-1)
	}
}
