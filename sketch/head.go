package sketch

import (
	"bytes"
	"cmp"
	"math"
	"slices"
)

// Head is the form in which a list travels: its heaviest entries, in descending order, with the
// rest in the error. The true count of each key is from Lower to Upper, and Upper is Lower + Error.
// A key without an entry has a count of at most Error.
type Head[K any] struct {
	Entries  []Entry[K]
	Total    uint64 // sum of all counts, including those without an entry
	Error    uint64
	Refused  uint64 // see [TopK.Refused]
	Capacity int    // of the list
}

// leastShare divides the total of a list. Head leaves out entries below that share.
const leastShare = 4096

// headed returns the leaders for a Head of n entries of a list.
func headed[K any](n int, total uint64, compare func(a, b K) int) leaders[K] {
	if n <= 0 {
		return leaders[K]{n: math.MaxInt, compare: compare}
	}
	// the entry after the last one decides what the cut subtracts
	return leaders[K]{n: n + 1, least: total / leastShare, compare: compare}
}

// cut returns the Head of the n first entries. It drops the others, and those below, like a purge:
// it subtracts the greatest dropped count from all, so that Upper stays.
func (h Head[K]) cut(entries []Entry[K], n int, below uint64) Head[K] {
	h.Entries = entries
	if n > 0 && len(entries) > n {
		below = entries[n].Lower
		h.Entries = entries[:n]
	}
	h.Error = sum(h.Error, below)
	for i := range h.Entries {
		h.Entries[i].Lower -= below
	}
	if n > 0 {
		h.trim(n / keptShare)
	}
	return h
}

// keptShare divides the number of entries that trim keeps.
const keptShare = 8

// trim drops the entries without a remaining count: a key without an entry has the same bounds. It
// keeps least entries, because a list of rare keys should show some of them.
func (h *Head[K]) trim(least int) {
	for len(h.Entries) > least && h.Entries[len(h.Entries)-1].Lower == 0 {
		h.Entries = h.Entries[:len(h.Entries)-1]
	}
}

// Head returns the n entries with the highest counts, without those below a 4096th of the total, or
// all entries if n is 0. Ties are in the order of compare.
func (t *TopK[K]) Head(n int, compare func(a, b K) int) Head[K] {
	h := Head[K]{Total: t.t.total, Error: t.t.error(), Refused: t.t.refused, Capacity: t.t.limit()}
	best := headed(n, h.Total, compare)
	t.offerAll(&best)
	return h.cut(best.sorted(), n, best.below)
}

// SetHead makes t the list that h describes. hash returns the hash of a key.
func (t *TopK[K]) SetHead(h Head[K], hash func(K) uint64) {
	t.Reset()
	t.t.capacity = min(max(h.Capacity, 0), maxCapacity)
	for _, e := range h.Entries {
		t.t.merge(max(hash(e.Key), 1), e.Lower, func(k K) bool { return k == e.Key }, func() K { return e.Key })
	}
	t.t.fit()
	t.t.set(h.Total, h.Error, h.Refused)
}

// set sets what a table of entries lacks.
func (t *table[V]) set(total, offset, refused uint64) {
	t.total, t.offset, t.refused = total, sum(t.offset, offset), sum(t.refused, refused)
}

// Head returns the same as [TopK.Head]. Ties are in the order of their bytes. Keys borrow from the
// list until it changes.
func (t *TopNames) Head(n int) Head[[]byte] {
	h := Head[[]byte]{Total: t.t.total, Error: t.t.error(), Refused: t.t.refused, Capacity: t.t.limit()}
	best := headed(n, h.Total, bytes.Compare)
	t.offerAll(&best)
	return h.cut(best.sorted(), n, best.below)
}

// SetHead makes t the list that h describes. hash returns the hash of a key. It copies the keys.
func (t *TopNames) SetHead(h Head[[]byte], hash func([]byte) uint64) {
	t.Reset()
	t.Limit(h.Capacity)
	t.MergeHead(h, hash)
}

// MergeHead adds the list that h describes, like Merge. hash returns the hash of a key: from the
// Hasher of the hashes in t. It copies new keys.
func (t *TopNames) MergeHead(h Head[[]byte], hash func([]byte) uint64) {
	if t.t.used == 0 {
		t.makeRoom(h.Entries)
	}
	for _, e := range h.Entries {
		is := func(s span) bool { return equal(t.name(s), e.Key) }
		t.t.merge(max(hash(e.Key), 1), e.Lower, is, func() span { return t.keep(e.Key) })
	}
	if t.t.fit() {
		t.compact()
	}
	t.t.set(sum(t.t.total, h.Total), h.Error, h.Refused)
}

// makeRoom makes an empty list large enough for entries.
func (t *TopNames) makeRoom(entries []Entry[[]byte]) {
	t.t.reserve(min(len(entries), maxCapacity))
	size := 0
	for i := range entries {
		size += len(entries[i].Key)
	}
	t.arena = slices.Grow(t.arena, size)
}

// Size returns the memory of the list in bytes.
func (t *TopNames) Size() int {
	const slotBytes, cellBytes = 24, 2
	return cap(t.t.slots)*slotBytes + cap(t.t.cells)*cellBytes + cap(t.arena) + cap(t.spare)
}

// Head returns the same as [TopK.Head], of the weights on one scale.
func (t *TopPairs) Head(n, scale int) Head[[]byte] {
	h := Head[[]byte]{Total: t.total[scale], Error: t.error[scale], Refused: t.refused[scale], Capacity: t.limit()}
	best := headed(n, h.Total, t.compare)
	return h.cut(t.best(&best, scale), n, best.below)
}

// SetHead makes one scale of t the list that h describes. t is empty at first, or has only the
// other scale. hash returns the hash of a key.
func (t *TopPairs) SetHead(h Head[[]byte], scale int, hash func([]byte) uint64) {
	var k PairKey
	for _, e := range h.Entries {
		var weight Pair
		weight[scale] = e.Lower
		k.Set(hash(e.Key), e.Key)
		if found, free := t.find(&k); found != nil {
			found.sum.add(weight)
		} else if e.Lower > 0 {
			t.insert(free, &k, weight)
		}
	}
	t.total[scale] = h.Total
	t.error[scale] = sum(t.error[scale], h.Error)
	t.refused[scale] = sum(t.refused[scale], h.Refused)
}

// Head returns the same as [TopK.Head].
func (t *TopCounts[K]) Head(n int) Head[K] {
	h := Head[K]{Total: t.Total(), Error: t.error, Capacity: 1 << 16}
	best := headed(n, h.Total, cmp.Compare[K])
	t.offerAll(&best)
	return h.cut(best.sorted(), n, best.below)
}

// SetHead makes t the list that h describes. A key whose count does not exceed the error has no
// entry then.
func (t *TopCounts[K]) SetHead(h Head[K]) {
	t.Reset()
	kept := uint64(0)
	for _, e := range h.Entries {
		t.Add(e.Key, e.Lower)
		kept = sum(kept, e.Lower)
	}
	t.rest, t.error = h.Total-min(kept, h.Total), h.Error
}
