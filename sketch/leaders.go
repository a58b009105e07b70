package sketch

import "slices"

// leaders collects the n highest of many entries, for lists that show only their head. It takes a
// few steps for each entry instead of sorting them all.
type leaders[K any] struct {
	n       int
	compare func(a, b K) int // decides between equal counts
	heap    []Entry[K]       // the highest so far; a parent comes after its children
	least   uint64           // entries with less are left out
	below   uint64           // the greatest count that was left out for that
}

// worse reports whether an entry with that lower bound would change nothing, if all entries have
// the same error. It is a quick test before offer.
func (l *leaders[K]) worse(lower uint64) bool {
	return len(l.heap) >= l.n && l.n > 0 && lower < l.heap[0].Lower
}

// offer inserts e if it belongs to the highest so far.
func (l *leaders[K]) offer(e Entry[K]) {
	switch {
	case e.Lower < l.least:
		l.below = max(l.below, e.Lower)
	case len(l.heap) < l.n:
		l.heap = append(l.heap, e)
		l.up(len(l.heap) - 1)
	case l.n > 0 && l.before(&e, &l.heap[0]):
		l.heap[0] = e
		l.down(0)
	}
}

// up moves entry i to its place among its parents.
func (l *leaders[K]) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !l.before(&l.heap[parent], &l.heap[i]) {
			return
		}
		l.heap[i], l.heap[parent] = l.heap[parent], l.heap[i]
		i = parent
	}
}

// down moves entry i to its place among its children.
func (l *leaders[K]) down(i int) {
	for {
		last := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(l.heap); child++ {
			if l.before(&l.heap[last], &l.heap[child]) {
				last = child
			}
		}
		if last == i {
			return
		}
		l.heap[i], l.heap[last] = l.heap[last], l.heap[i]
		i = last
	}
}

// sorted returns the highest entries in order. The leaders are of no use afterwards.
func (l *leaders[K]) sorted() []Entry[K] {
	slices.SortFunc(l.heap, func(a, b Entry[K]) int {
		if l.before(&a, &b) {
			return -1
		}
		return 1
	})
	return l.heap
}

// before reports whether a comes before b. Keys are distinct.
func (l *leaders[K]) before(a, b *Entry[K]) bool {
	if a.Upper != b.Upper {
		return a.Upper > b.Upper
	}
	return l.compare(a.Key, b.Key) < 0
}
