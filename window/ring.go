package window

import (
	"iter"
	"sync/atomic"
)

// Bucket is the element of a Ring, usually a pointer to a struct of counters and sketches.
type Bucket[B any] interface {
	Reset()      // empties it and keeps its memory for reuse
	Merge(src B) // adds src and leaves it unchanged
}

// Ring holds the live bucket and the last closed ones, n in all. A Ring is owned by one goroutine;
// others may read buckets that the owner pinned for them.
//
// Buckets that its methods return are borrowed: each is reset and reused after n further periods.
type Ring[B Bucket[B]] struct {
	slots []*slot[B] // slots[0] is live, slots[1] closed last
	size  int
	fresh func() B
}

type slot[B any] struct {
	bucket B
	pins   atomic.Int32 // readers that still use the bucket
}

// NewRing returns a Ring of n buckets, at least 1. It calls fresh for each bucket when it is
// needed, and for the live one immediately. With a single bucket no period ever closes: the live
// bucket holds all events.
func NewRing[B Bucket[B]](n int, fresh func() B) *Ring[B] {
	r := &Ring[B]{size: max(n, 1), fresh: fresh}
	r.slots = append(make([]*slot[B], 0, r.size), &slot[B]{bucket: fresh()})
	return r
}

// Shift closes the live period: an empty bucket becomes the live one. It reuses the oldest bucket,
// unless there is room for a new one or the oldest is pinned. A pinned one is left to the garbage
// collector.
func (r *Ring[B]) Shift() {
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

// Pin returns the closed buckets that wanted accepts. It calls wanted for each, the newest first.
// The buckets stay unchanged until Release; the Ring continues with new buckets in their place.
// Only the owner of the Ring may call Pin, but any goroutine may read and release the result. A
// bucket may be pinned several times.
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

// Release returns the buckets to the Ring. Call it once, and do not read them afterwards.
func (p Pinned[B]) Release() {
	for _, s := range p.slots {
		s.pins.Add(-1)
	}
}
