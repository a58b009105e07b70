package sketch

import (
	"cmp"
	"slices"
)

// Entry is an element of a list. The true count is from Lower to Upper.
type Entry[K any] struct {
	Key          K
	Lower, Upper uint64
}

// TopK finds the heavy hitters of a stream of keys of a fixed size.
type TopK[K comparable] struct{ t table[K] }

// NewTopK returns a TopK for capacity entries.
func NewTopK[K comparable](capacity int) *TopK[K] {
	return &TopK[K]{table[K]{capacity: capacity}}
}

// Add counts n more of key, whose hash is h.
func (t *TopK[K]) Add(h uint64, key K, n uint64) {
	h = max(h, 1) // 0 marks a free slot
	t.t.total += n
	if free := t.t.bump(h, n); free != nil {
		t.t.insert(free, h, n, key)
	}
}

// Top returns the n entries of the highest counts, ties in the order of compare.
func (t *TopK[K]) Top(n int, compare func(a, b K) int) []Entry[K] {
	var all []Entry[K]
	for i := range t.t.slots {
		if e := &t.t.slots[i]; e.hash != 0 {
			all = append(all, Entry[K]{e.value, e.count, e.count + t.t.offset})
		}
	}
	slices.SortFunc(all, func(a, b Entry[K]) int {
		return cmp.Or(cmp.Compare(b.Upper, a.Upper), compare(a.Key, b.Key))
	})
	return all[:min(n, len(all))]
}

// Merge adds what src has counted.
func (t *TopK[K]) Merge(src *TopK[K]) {
	t.t.offset += src.t.offset
	for i := range src.t.slots {
		if e := &src.t.slots[i]; e.hash != 0 {
			t.Add(e.hash, e.value, e.count)
		}
	}
	t.t.total += src.t.total
}

// Reset empties the list and keeps its memory.
func (t *TopK[K]) Reset() { t.t.reset() }
