package window

import (
	"iter"
	"sync/atomic"
	"time"
)

// Bucket is what a Ring holds.
type Bucket[B any] interface {
	Reset()      // empties it and keeps its memory for reuse
	Merge(src B) // adds src, which stays as it was
}

// Ring is the live bucket and the last closed ones, n in all. A Ring is owned by one goroutine; others
// may read the buckets that it pinned for them.
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

// NewRing returns a Ring of n buckets, at least 1, made by fresh as they are needed. With a single
// bucket no period ever closes.
func NewRing[B Bucket[B]](n int, length time.Duration, fresh func() B) *Ring[B] {
	r := &Ring[B]{size: max(n, 1), fresh: fresh, periods: NewPeriods(length)}
	r.slots = append(make([]*slot[B], 0, r.size), &slot[B]{bucket: fresh()})
	return r
}

// Live returns the bucket for an event at tsNS, closing the live period first if it has ended by then.
func (r *Ring[B]) Live(tsNS int64) B {
	start := r.periods.start
	begun := r.periods.begun
	if r.periods.Epoch(tsNS) != start && begun {
		r.push()
	}
	return r.slots[0].bucket
}

// Tick closes the live period if it has ended by nowNS though nothing arrived, and as many empty periods
// after it as have passed, up to the size of the ring.
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

// Shift closes the live period; the new one starts at startNS.
func (r *Ring[B]) Shift(startNS int64) {
	r.periods.Begin(startNS)
	r.push()
}

// push makes an empty bucket the live one: the oldest, or a new one while there is room or while
// somebody reads the oldest.
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

// Current returns the live bucket.
func (r *Ring[B]) Current() B { return r.slots[0].bucket }

// Len returns the number of buckets in use, at least 1.
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

// Pin returns the closed buckets that wanted accepts. They stay as they are until Release, which
// any goroutine may call; the Ring goes on with new buckets in their place.
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

// Pinned is a set of closed buckets that do not change.
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

// Release gives the buckets back to the Ring. It must be called once.
func (p Pinned[B]) Release() {
	for _, s := range p.slots {
		s.pins.Add(-1)
	}
}
