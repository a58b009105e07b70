package sketch

import (
	"encoding/binary"
)

// Entry is an element of a list. The true count is from Lower to Upper, which are equal while the
// list is exact.
type Entry[K any] struct {
	Key          K
	Lower, Upper uint64
}

// TopK finds the heavy hitters of a stream of keys of a fixed size. Callers hash a key once and
// pass the hash to all sketches.
//
// It is exact up to its capacity of distinct keys. Beyond, the counts of all keys are known to
// within Error, which is at most Total / (0.2 · capacity). With the default capacity, a key with
// 0.1 per cent of a stream is never missed. Memory is 16 bytes per slot plus the key's size, with
// four slots for three keys of the capacity: 192 KiB for IPv4 addresses.
//
// A TopK is owned by one goroutine. The zero TopK has the [DefaultCapacity] and is ready to use.
type TopK[K comparable] struct{ t table[K] }

// NewTopK returns a TopK for capacity distinct keys; 0 means [DefaultCapacity], and the maximum is
// 1<<20.
func NewTopK[K comparable](capacity int) *TopK[K] {
	return &TopK[K]{table[K]{capacity: min(max(capacity, 0), maxCapacity)}}
}

// Add adds n to the count of key, whose hash is h.
func (t *TopK[K]) Add(h uint64, key K, n uint64) {
	if n == 0 {
		return
	}
	h = max(h, 1) // 0 marks a free slot
	t.t.total = sum(t.t.total, n)
	if e := t.t.first(h); e != nil && e.hash == h && e.value == key {
		e.count = sum(e.count, n)
		return
	}
	t.add(h, key, n)
}

// add is Add for a key that is not in the first slot.
func (t *TopK[K]) add(h uint64, key K, n uint64) {
	i := t.t.find(h)
	if i >= 0 && t.t.slots[i].hash == h && t.t.slots[i].value != key {
		i = t.t.other(h, func(v K) bool { return v == key })
	}
	if i >= 0 && t.t.slots[i].hash == h {
		t.t.slots[i].count = sum(t.t.slots[i].count, n)
		return
	}
	if i >= 0 && t.t.skip(h, n) {
		return
	}
	t.t.enter(i, h, n, key)
}

// Top returns the n entries with the highest counts, ties in the order of compare.
func (t *TopK[K]) Top(n int, compare func(a, b K) int) []Entry[K] {
	best := leaders[K]{n: n, compare: compare}
	t.offerAll(&best)
	return best.sorted()
}

func (t *TopK[K]) offerAll(best *leaders[K]) {
	for i := range t.t.slots {
		if e := &t.t.slots[i]; e.hash != 0 && !best.worse(e.count) {
			best.offer(Entry[K]{e.value, e.count, sum(e.count, t.t.error())})
		}
	}
}

// Len returns the number of keys in the list.
func (t *TopK[K]) Len() int { return t.t.used }

// Total returns the sum of all added counts.
func (t *TopK[K]) Total() uint64 { return t.t.total }

// Error returns the most by which Upper may exceed the true count. It is also the greatest possible
// count of a key that is not in the list. 0 means that the list is exact.
func (t *TopK[K]) Error() uint64 { return t.t.error() }

// Refused returns the sum of counts that the list cannot hold: the counts of keys whose hash four
// others in it share. It is 0 unless an attacker chose keys for their hashes.
func (t *TopK[K]) Refused() uint64 { return t.t.refused }

// Merge adds the counts of src, which stays unchanged. The errors of both add up. The hashes of
// both must come from the same Hasher; see MergeKeys.
func (t *TopK[K]) Merge(src *TopK[K]) {
	t.merge(src, func(e *entry[K]) uint64 { return e.hash })
}

// merge is Merge with a function under that returns the hash for an entry of src in t.
func (t *TopK[K]) merge(src *TopK[K], under func(*entry[K]) uint64) {
	total := sum(t.t.total, src.t.total)
	t.t.offset = sum(t.t.offset, src.t.error())
	for i := range src.t.slots {
		if e := &src.t.slots[i]; e.hash != 0 {
			t.t.merge(under(e), e.count, func(v K) bool { return v == e.value }, func() K { return e.value })
		}
	}
	t.t.fit()
	t.t.total = total
	t.t.refused = sum(t.t.refused, src.t.refused)
}

// Reset empties the list and keeps its memory.
func (t *TopK[K]) Reset() { t.t.reset() }

// CopyFrom makes t equal to src, which stays unchanged. It reuses the memory of t.
func (t *TopK[K]) CopyFrom(src *TopK[K]) { t.t.copyFrom(&src.t) }

// MarshalBinary returns the list as bytes. Keys must have a fixed size for encoding/binary:
// numbers, and arrays of them.
func (t *TopK[K]) MarshalBinary() ([]byte, error) {
	return t.t.appendTo(nil, func(b []byte, key K) ([]byte, error) { return binary.Append(b, binary.LittleEndian, key) })
}

// UnmarshalBinary sets t from the output of MarshalBinary. Other bytes are an error and leave t
// unchanged.
func (t *TopK[K]) UnmarshalBinary(data []byte) error {
	var zero K
	size := binary.Size(zero)
	if size < 0 {
		return errCorrupt("a list", "its keys have no fixed size")
	}
	return t.t.read(data, func(r *reader) (key K) {
		if b := r.take(uint64(size)); b != nil {
			_, r.err = binary.Decode(b, binary.LittleEndian, &key)
		}
		return key
	}, func(a, b K) bool { return a == b })
}
