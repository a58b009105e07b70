package sketch

import "slices"

// DefaultCapacity is the number of entries that a list holds before it forgets the rarest: that of the
// reference, whose lists are exact up to it.
const DefaultCapacity = 6144

const minSlots = 128

// table is a bounded hash table of counts by the frequent-items algorithm of Anderson et al., "A
// High-Performance Algorithm for Identifying Frequent Items in Data Streams" (2017): when it is full, the median of the
// counts is subtracted from all of them and what falls to zero is dropped. offset is the sum of what was
// subtracted: a key has count to count+offset occurrences, a key not in the table at most offset.
//
// Keys are told apart by their 64-bit hash alone. Two of n random keys share one with a probability of n²/2⁶⁵:
// 10⁻¹² for a full table.
type table[V any] struct {
	slots    []entry[V] // open addressing, linear probing; a power of two; hash 0 is free
	used     int
	capacity int
	offset   uint64
	total    uint64
	evicted  uint64
	sample   []uint64
}

type entry[V any] struct {
	hash  uint64
	count uint64
	value V
}

// find returns the slot of h, or the free one where it belongs. The table must have slots.
func (t *table[V]) find(h uint64) *entry[V] {
	mask := uint64(len(t.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		if e := &t.slots[i]; e.hash == h || e.hash == 0 {
			return e
		}
	}
}

// bump adds n to h if it is in the table; else it returns the slot where insert may put it.
func (t *table[V]) bump(h, n uint64) (free *entry[V]) {
	if len(t.slots) == 0 {
		t.grow()
	}
	e := t.find(h)
	if e.hash == 0 {
		return e
	}
	e.count += n
	return nil
}

// insert puts in a hash that is not there, at free, which bump returned. It reports whether the table was purged for it.
func (t *table[V]) insert(free *entry[V], h, n uint64, v V) (purged bool) {
	switch {
	case t.used >= t.limit():
		t.purge()
		free, purged = t.find(h), true
	case 4*(t.used+1) > 3*len(t.slots):
		t.grow()
		free = t.find(h)
	}
	*free = entry[V]{hash: h, count: n, value: v}
	t.used++
	return purged
}

// limit returns the capacity.
func (t *table[V]) limit() int {
	if t.capacity > 0 {
		return t.capacity
	}
	return DefaultCapacity
}

// grow doubles the slots.
func (t *table[V]) grow() {
	old := t.slots
	t.slots = make([]entry[V], max(minSlots, 2*len(old)))
	for i := range old {
		if old[i].hash != 0 {
			*t.find(old[i].hash) = old[i]
		}
	}
}

// purge subtracts the median count and drops what falls to zero.
func (t *table[V]) purge() {
	median := t.median()
	t.offset += median
	for i := range t.slots {
		e := &t.slots[i]
		switch {
		case e.hash == 0:
		case e.count <= median:
			*e = entry[V]{}
			t.used--
			t.evicted++
		default:
			e.count -= median
		}
	}
	t.settle()
}

// median returns the median of a sample of the counts: that of the first slots, which are as good as any, since hashes
// choose them. Its rank is from 40 to 60 per cent but for one time in a thousand.
func (t *table[V]) median() uint64 {
	const most = 256
	t.sample = slices.Grow(t.sample[:0], most)
	for i := range t.slots {
		if t.slots[i].hash != 0 {
			t.sample = append(t.sample, t.slots[i].count)
		}
		if len(t.sample) == most {
			break
		}
	}
	slices.Sort(t.sample)
	return t.sample[len(t.sample)/2]
}

// settle moves every entry to where find looks for it, after others were dropped. Beginning behind a free slot,
// each entry can only move towards its home, past entries that have been settled.
func (t *table[V]) settle() {
	n := len(t.slots)
	start := slices.IndexFunc(t.slots, func(e entry[V]) bool { return e.hash == 0 })
	for i := range n {
		slot := &t.slots[(start+i)%n]
		if slot.hash == 0 {
			continue
		}
		e := *slot
		*slot = entry[V]{}
		*t.find(e.hash) = e
	}
}

func (t *table[V]) reset() {
	clear(t.slots)
	t.used, t.offset, t.total, t.evicted = 0, 0, 0, 0
}
