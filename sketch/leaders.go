package sketch

import "slices"

// leaders collects the n highest of many entries, for lists that show only their head. It takes a
// few steps for each entry instead of sorting them all.
type leaders[K any] struct {
	n       int
	compare func(a, b K) int // decides between equal counts
	top     []Entry[K]       // in order
}

// offer inserts e if it belongs to the highest so far.
func (l *leaders[K]) offer(e Entry[K]) {
	if l.n <= 0 || len(l.top) == l.n && l.before(&l.top[l.n-1], &e) {
		return
	}
	i, _ := slices.BinarySearchFunc(l.top, e, func(a, e Entry[K]) int {
		if l.before(&a, &e) {
			return -1
		}
		return 1
	})
	if len(l.top) == l.n {
		l.top = l.top[:l.n-1]
	}
	l.top = slices.Insert(l.top, i, e)
}

// before reports whether a comes before b. Keys are distinct.
func (l *leaders[K]) before(a, b *Entry[K]) bool {
	if a.Upper != b.Upper {
		return a.Upper > b.Upper
	}
	return l.compare(a.Key, b.Key) < 0
}
