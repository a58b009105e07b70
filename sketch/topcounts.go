package sketch

import (
	"cmp"
	"encoding/binary"
)

// pageKeys is the number of counts in a page of a TopCounts.
const pageKeys = 256

// TopCounts counts keys of 16 bits, as ports and types are, exactly: each key has a counter. These come in pages of 256
// as keys need them, of 2 KiB each and 512 KiB together. There is no hash, and no key is ever evicted, which a [TopK] does
// thousands of times a second when clients choose their ports at random. A TopCounts is owned by one goroutine. The zero
// TopCounts is ready to use.
type TopCounts[K ~uint16] struct {
	pages [1 << 16 / pageKeys]*[pageKeys]uint64
}

// Add counts n more of key.
func (t *TopCounts[K]) Add(key K, n uint64) {
	p := t.pages[key/pageKeys]
	if p == nil {
		p = t.page(key)
	}
	p[key%pageKeys] = sum(p[key%pageKeys], n)
}

// page makes the page of key. It is out of line so that Add is inlined.
//
//go:noinline
func (t *TopCounts[K]) page(key K) *[pageKeys]uint64 {
	p := new([pageKeys]uint64)
	t.pages[key/pageKeys] = p
	return p
}

// Top returns the n keys of the highest counts, ties in the order of the keys. Lower and Upper are equal.
func (t *TopCounts[K]) Top(n int) []Entry[K] {
	best := leaders[K]{n: n, compare: cmp.Compare[K]}
	for key, count := range t.counts {
		best.offer(Entry[K]{key, count, count})
	}
	return best.top
}

// Len returns the number of distinct keys.
func (t *TopCounts[K]) Len() (n int) {
	for range t.counts {
		n++
	}
	return n
}

// counts yields the keys that were counted, in ascending order.
func (t *TopCounts[K]) counts(yield func(K, uint64) bool) {
	for i, p := range t.pages {
		if p == nil {
			continue
		}
		for j, count := range p {
			if count > 0 && !yield(K(i*pageKeys+j), count) {
				return
			}
		}
	}
}

// Total returns the sum of all that was added.
func (t *TopCounts[K]) Total() (total uint64) {
	for _, count := range t.counts {
		total = sum(total, count)
	}
	return total
}

// Merge adds the counts of src, which stays as it was.
func (t *TopCounts[K]) Merge(src *TopCounts[K]) {
	for key, count := range src.counts {
		t.Add(key, count)
	}
}

// CopyFrom makes t equal to src, which stays as it was. It uses the memory that t has.
func (t *TopCounts[K]) CopyFrom(src *TopCounts[K]) { copyPages(t.pages[:], src.pages[:]) }

// copyPages makes the pages of dst equal to those of src. Pages that src lacks are emptied.
func copyPages[P any](dst, src []*P) {
	for i, p := range src {
		switch {
		case p == nil && dst[i] == nil:
		case p == nil:
			*dst[i] = *new(P)
		case dst[i] == nil:
			dst[i] = new(P)
			fallthrough
		default:
			*dst[i] = *p
		}
	}
}

// Reset empties the list and keeps its memory.
func (t *TopCounts[K]) Reset() {
	for _, p := range t.pages {
		if p != nil {
			clear(p[:])
		}
	}
}

// MarshalBinary returns the list as bytes: the version, then for each key its distance from the key before and its count, as
// unsigned varints. It never fails.
func (t *TopCounts[K]) MarshalBinary() ([]byte, error) {
	b := []byte{tableVersion}
	last := K(0)
	for key, count := range t.counts {
		b = binary.AppendUvarint(b, uint64(key-last))
		b = binary.AppendUvarint(b, count)
		last = key
	}
	return b, nil
}

// UnmarshalBinary sets t to the list that MarshalBinary made data of. Bytes that cannot be such a list are an error, and
// leave t as it was.
func (t *TopCounts[K]) UnmarshalBinary(data []byte) error {
	if len(data) == 0 || data[0] != tableVersion {
		return errCorrupt("a list", "unknown version")
	}
	var out TopCounts[K]
	key := uint64(0)
	for r, first := (&reader{what: "a list", b: data[1:]}), true; len(r.b) > 0; first = false {
		step, count := r.uvarint(), r.uvarint()
		if r.err != nil {
			return r.err
		}
		if key += step; count == 0 || step == 0 && !first || step > 0xFFFF || key > 0xFFFF {
			return errCorrupt("a list", "keys are out of order")
		}
		out.Add(K(key), count)
	}
	*t = out
	return nil
}
