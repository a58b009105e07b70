package sketch

import (
	"cmp"
	"encoding/binary"
	"math"
)

const (
	pageKeys = 256 // counts in a page of a TopCounts
	lowBits  = 8   // bits of a count in its low part
)

// TopCounts counts keys of 16 bits, such as ports and types, exactly: each key has a counter. It
// allocates counters on demand in pages of 256 keys. It needs no hash and never evicts a key,
// unlike [TopK], which evicts thousands a second when clients choose their ports at random. A
// TopCounts is owned by one goroutine. The zero TopCounts is ready to use.
//
// Only a list that was cut, see [TopCounts.SetHead], or merged with such a list has an error.
//
// A counter has two parts: the low 8 bits, 64 KiB together, and the others, at most 512 KiB. Few
// counts need the others, so the counters of random ports stay in the second cache: 2 per cent of
// a DNS packet's time.
type TopCounts[K ~uint16] struct {
	pages [1 << 16 / pageKeys]*[pageKeys]uint8
	highs [1 << 16 / pageKeys]*[pageKeys]uint64 // in units of 1<<lowBits; a page may be nil
	rest  uint64                                // the part of Total that is in no page
	error uint64
}

// Add adds n to the count of key.
func (t *TopCounts[K]) Add(key K, n uint64) {
	if p := t.pages[key/pageKeys]; p != nil {
		if low := uint64(p[key%pageKeys]) + n; low|n <= math.MaxUint8 {
			p[key%pageKeys] = uint8(low)
			return
		}
	}
	t.add(key, n)
}

// AddOne adds 1 to the count of key, or returns false where that needs more work; then the caller
// calls Add. It is inlined, which a function that calls another for that work would not be.
func (t *TopCounts[K]) AddOne(key K) bool {
	p := t.pages[key/pageKeys]
	if p == nil || p[key%pageKeys] == math.MaxUint8 {
		return false
	}
	p[key%pageKeys]++
	return true
}

// add is Add where a page is missing or the low part overflows.
func (t *TopCounts[K]) add(key K, n uint64) {
	page, i := key/pageKeys, key%pageKeys
	if t.pages[page] == nil {
		t.pages[page] = new([pageKeys]uint8)
	}
	count := sum(t.count(key), n)
	if count > math.MaxUint8 && t.highs[page] == nil {
		t.highs[page] = new([pageKeys]uint64)
	}
	t.pages[page][i] = uint8(count)
	if high := t.highs[page]; high != nil {
		high[i] = count >> lowBits
	}
}

// count returns the count of a key in a page that exists.
func (t *TopCounts[K]) count(key K) uint64 {
	page, i := key/pageKeys, key%pageKeys
	return joined(t.pages[page][i], t.highs[page], int(i))
}

// joined returns the count with a low part, and the high part at place i of a page that may be nil.
func joined(low uint8, high *[pageKeys]uint64, i int) uint64 {
	if high == nil {
		return uint64(low)
	}
	return high[i]<<lowBits | uint64(low)
}

// Top returns the n keys with the highest counts, ties in the order of the keys. Upper is Lower
// plus Error.
func (t *TopCounts[K]) Top(n int) []Entry[K] {
	best := leaders[K]{n: n, compare: cmp.Compare[K]}
	t.offerAll(&best)
	return best.sorted()
}

func (t *TopCounts[K]) offerAll(best *leaders[K]) {
	for i, p := range t.pages {
		if p == nil {
			continue
		}
		for j, low := range p {
			if count := joined(low, t.highs[i], j); count > 0 && !best.worse(count) {
				best.offer(Entry[K]{K(i*pageKeys + j), count, sum(count, t.error)})
			}
		}
	}
}

// Len returns the number of distinct keys.
func (t *TopCounts[K]) Len() (n int) {
	for range t.All {
		n++
	}
	return n
}

// All yields the keys with their counts, in ascending order of keys.
func (t *TopCounts[K]) All(yield func(key K, count uint64) bool) {
	for i, p := range t.pages {
		if p == nil {
			continue
		}
		for j, low := range p {
			if count := joined(low, t.highs[i], j); count > 0 && !yield(K(i*pageKeys+j), count) {
				return
			}
		}
	}
}

// Total returns the sum of all counts.
func (t *TopCounts[K]) Total() (total uint64) {
	total = t.rest
	for i, p := range t.pages {
		if p == nil {
			continue
		}
		low := uint64(0)
		for _, n := range p {
			low += uint64(n)
		}
		total = sum(total, low)
		if high := t.highs[i]; high != nil {
			for _, n := range high {
				total = sum(total, n<<lowBits)
			}
		}
	}
	return total
}

// Error returns the most by which Upper may exceed the true count. It is also the greatest possible
// count of a key that is not in the list. 0 means that the list is exact.
func (t *TopCounts[K]) Error() uint64 { return t.error }

// Merge adds the counts of src, which stays unchanged.
func (t *TopCounts[K]) Merge(src *TopCounts[K]) {
	for key, count := range src.All {
		t.Add(key, count)
	}
	t.rest, t.error = sum(t.rest, src.rest), sum(t.error, src.error)
}

// CopyFrom makes t equal to src, which stays unchanged. It reuses the memory of t.
func (t *TopCounts[K]) CopyFrom(src *TopCounts[K]) {
	copyPages(t.pages[:], src.pages[:])
	copyPages(t.highs[:], src.highs[:])
	t.rest, t.error = src.rest, src.error
}

// copyPages makes the pages of dst equal to the pages of src. Pages that src lacks are emptied.
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
	for i, p := range t.pages {
		if p != nil {
			clear(p[:])
		}
		if high := t.highs[i]; high != nil {
			clear(high[:])
		}
	}
	t.rest, t.error = 0, 0
}

// cutVersion is the version of a list of numbers that was cut.
const cutVersion = 2

// MarshalBinary returns the version, then for each key its distance from the previous key and its
// count, as unsigned varints. A list that was cut has another version, followed by the counts
// without an entry and the error. It never fails.
func (t *TopCounts[K]) MarshalBinary() ([]byte, error) {
	b := []byte{tableVersion}
	if t.rest > 0 || t.error > 0 {
		b = binary.AppendUvarint(binary.AppendUvarint([]byte{cutVersion}, t.rest), t.error)
	}
	last := K(0)
	for key, count := range t.All {
		b = binary.AppendUvarint(b, uint64(key-last))
		b = binary.AppendUvarint(b, count)
		last = key
	}
	return b, nil
}

// UnmarshalBinary sets t from the output of MarshalBinary. Other bytes are an error and leave t
// unchanged.
func (t *TopCounts[K]) UnmarshalBinary(data []byte) error {
	if len(data) == 0 || data[0] != tableVersion && data[0] != cutVersion {
		return errCorrupt("a list", "unknown version")
	}
	var out TopCounts[K]
	r := &reader{what: "a list", b: data[1:]}
	if data[0] == cutVersion {
		out.rest, out.error = r.uvarint(), r.uvarint()
	}
	key := uint64(0)
	for first := true; len(r.b) > 0; first = false {
		step, count := r.uvarint(), r.uvarint()
		if r.err != nil {
			return r.err
		}
		if key += step; count == 0 || step == 0 && !first || step > 0xFFFF || key > 0xFFFF {
			return errCorrupt("a list", "keys are out of order")
		}
		out.Add(K(key), count)
	}
	if r.err == nil {
		*t = out
	}
	return r.err
}
