package sketch

import (
	"bytes"
	"cmp"
	"math"
	"math/bits"
	"slices"

	"visor/sketch/hash64"
)

// TopDistinct finds the keys with the most distinct sub-keys: the domains with the most distinct
// names below them, the clients that ask for the most distinct names. It counts the sub-keys of
// each key and can weigh them, such as by the information in a name. It keeps examples of sub-keys
// as evidence.
//
// It samples keys as in Afek et al., "Efficient Distinct Heavy Hitters for DNS DDoS Attack
// Detection" (2016, arXiv 1612.02636). The seed of a key is the least hash of its pairs of key and
// sub-key, each divided by the weight. A full list drops the keys with the greatest seeds, an
// eighth of them. From then on, a key enters with a pair whose hash is below all dropped seeds. A
// list of the default capacity therefore lacks a key with the share s of all distinct weight with
// probability e^(-896·s): 1 in 7,000 for one per cent.
//
// Sub-keys are counted exactly up to 32 for each key. Beyond, the standard error is 5.2 per cent;
// after a merge it is 6.5 per cent. A key that entered a full list lacks the sub-keys that came
// before; see [Distinct.Missed].
//
// An evicted key takes its counter with it: counters never pass to another key. Of the methods for
// this problem, one hands the counter of the least key to a newcomer (Lee and Masson, arXiv
// 2402.08604). US patent 12,111,819 B1 claims that; its abstract and claim 16 were read. Patents on
// the method used here were not searched for. This is not legal advice.
//
// Memory is at most 0.54 MB with the default capacity, whatever the stream contains. Keys are
// compared by all of their bytes, and placed by a secret of the list. It holds four keys with the
// same hash and refuses further ones.
//
// A TopDistinct is owned by one goroutine. The zero TopDistinct is ready to use.
type TopDistinct struct {
	keyIndex
	full      bool // keys were dropped; only pairs below threshold let keys enter
	threshold uint64
	entries   []distinctKey
	capacity  int    // 0: distinctKeys
	arena     []byte // keys, with gaps
	live      int    // bytes of arena in use
	refused   uint64 // pairs
	cut       uint64 // see Cut
	evidence  evidence
	present   keyFilter
}

const (
	distinctKeys = 1024
	keyMost      = 255       // bytes of a key; longer ones are cut
	arenaBytes   = 128 << 10 // with gaps
	arenaLive    = arenaBytes / 4 * 3
)

// distinctKey is a key with its counter.
type distinctKey struct {
	hash    uint64
	seed    uint64 // the least of its pairs' hashes, each divided by its weight
	at      uint32 // of the key in the arena
	length  uint8
	samples uint8   // one more than the number of its samples; 0 without
	cut     uint32  // sub-keys that cuts may have left out, at most
	missed  float32 // expected weight of the pairs before it entered, at most
	counter distinctCounter
}

// Distinct is a key with the number of its distinct sub-keys.
type Distinct struct {
	Key    []byte // a copy
	Count  uint64 // distinct sub-keys counted for it
	Weight uint64 // the sum of their weights
	// Missed is a bound on the expected number of sub-keys that Count lacks, because they occurred
	// before the key entered the list, or because lists were cut on their way. The probability of
	// more than 7 times as many is below 0.1 per cent.
	Missed uint64
	Exact  bool // Count is exact, apart from Missed
	// Samples are copies of up to 8 sub-keys, chosen at random. 64 of the heaviest keys have
	// samples, of the time since they were among these.
	Samples [][]byte
}

// Limit sets the capacity of an empty list; 0 means 1024, which is also the maximum. Reset keeps
// the capacity.
func (t *TopDistinct) Limit(capacity int) { t.capacity = min(max(capacity, 0), distinctKeys) }

func (t *TopDistinct) limit() int { return cmp.Or(t.capacity, distinctKeys) }

// Add counts a pair of a key and a sub-key, with the hash and the bytes of each. The bytes of the
// sub-key serve as an example alone. The weight of a sub-key is 1 or more and must be the same each
// time. All hashes must come from a single hash64.Hasher.
func (t *TopDistinct) Add(h uint64, key []byte, sub uint64, subkey []byte, weight uint32) {
	h, weight = max(h, 1), max(weight, 1)
	pair := pairHash(h, sub)
	if t.full && !t.present.has(h*t.odd) && !below(pair, t.threshold, weight) {
		return // as most pairs do, without a search in the index
	}
	key = key[:min(len(key), keyMost)]
	e, free := t.find(h, key)
	switch {
	case e != nil:
	case t.full && !below(pair, t.threshold, weight):
		return
	case free < 0 && len(t.index) > 0:
		t.refused = sum(t.refused, 1)
		return
	default:
		if e = t.enterWith(free, h, key, pair, weight); e == nil {
			return
		}
	}
	if below(pair, e.seed, weight) {
		e.seed = seedOf(pair, weight)
	}
	if e.counter.add(pair, weight) {
		t.assign(e)
	}
	if e.samples > 0 {
		t.evidence.groups[e.samples-1].offer(pair, subkey)
	}
}

// enterWith makes an entry for a key with its first pair, if that is below the threshold.
func (t *TopDistinct) enterWith(free int, h uint64, key []byte, pair uint64, weight uint32) *distinctKey {
	missed := missedBelow(t.full, t.threshold)
	if !t.fits(len(key)) {
		t.makeRoom(len(key))
		if t.full && !below(pair, t.threshold, weight) {
			return nil
		}
		_, free = t.find(h, key)
	}
	return t.enter(free, h, key, missed)
}

// seedOf returns pair/weight, at least 1.
func seedOf(pair uint64, weight uint32) uint64 { return max(pair/uint64(weight), 1) }

// missedBelow returns the expected weight of a key's pairs until one is below the threshold.
func missedBelow(full bool, threshold uint64) float32 {
	if !full {
		return 0
	}
	return float32(math.MaxUint64 / float64(threshold))
}

// pairHash returns the hash of a pair, never 0.
func pairHash(h, sub uint64) uint64 {
	return max(hash64.Mix(h*0x9E3779B97F4A7C15^bits.RotateLeft64(sub, 32)), 1)
}

// below reports whether pair/weight < limit.
func below(pair, limit uint64, weight uint32) bool {
	high, low := bits.Mul64(limit, uint64(weight))
	return high != 0 || pair < low
}

// find returns the entry of a key. If there is none, it returns the free place in the index for it,
// or -1 if the key is refused.
func (t *TopDistinct) find(h uint64, key []byte) (e *distinctKey, free int) {
	mask, twins := uint64(len(t.index)-1), 0
	product := h * t.odd
	place := product >> (t.shift & 63)
	want := tag(product)
	for range min(maxProbe, len(t.index)) {
		ref := t.index[place&mask]
		if ref == 0 {
			return nil, int(place & mask)
		}
		if ref&^refMask == want {
			if e := &t.entries[ref&refMask-1]; e.hash == h {
				if bytes.Equal(t.key(e), key) {
					return e, 0
				}
				if twins++; twins == maxTwins {
					return nil, -1
				}
			}
		}
		place++
	}
	return nil, -1
}

// place returns the place of an entry in the index.
func (t *TopDistinct) place(e *distinctKey) uint64 {
	mask := uint64(len(t.index) - 1)
	place := e.hash * t.odd >> (t.shift & 63)
	for &t.entries[t.index[place&mask]&refMask-1] != e {
		place++
	}
	return place & mask
}

func (t *TopDistinct) key(e *distinctKey) []byte { return t.arena[e.at:][:e.length] }

// missing returns the expected sub-keys of a key before it entered the list, at most.
func (e *distinctKey) missing() float64 {
	if e.counter.weight <= 0 {
		return 0
	}
	return float64(e.missed) * e.counter.count / e.counter.weight
}

// enter makes an entry for a key, for which there is room. It returns nil if the key is refused.
func (t *TopDistinct) enter(free int, h uint64, key []byte, missed float32) *distinctKey {
	if free < 0 {
		t.refused = sum(t.refused, 1)
		return nil
	}
	t.entries = append(t.entries, distinctKey{
		hash: h, seed: math.MaxUint64, at: uint32(len(t.arena)), length: uint8(len(key)), missed: missed, cut: uint32(t.cut),
	})
	t.arena = append(t.arena, key...)
	t.live += len(key)
	t.index[free] = tag(h*t.odd) | uint32(len(t.entries))
	t.present.add(h * t.odd)
	return &t.entries[len(t.entries)-1]
}

// assign keeps evidence for e if it is heavy.
func (t *TopDistinct) assign(e *distinctKey) {
	i, taken, from := t.evidence.assign(int(e.samples)-1, e.counter.count)
	if !taken {
		return
	}
	if from >= 0 {
		t.entries[from].samples = 0
	}
	e.samples = uint8(i + 1)
	t.evidence.owners[i] = uint16(t.index[t.place(e)]&refMask - 1)
}

// fits reports whether a key of n bytes can enter without changes.
func (t *TopDistinct) fits(n int) bool {
	return len(t.entries) < min(cap(t.entries), t.limit()) && 2*len(t.entries) < len(t.index) && len(t.arena)+n <= cap(t.arena)
}

// makeRoom grows the list, or drops keys, so that a key of n bytes can enter.
func (t *TopDistinct) makeRoom(n int) {
	for len(t.entries) >= t.limit() || t.live+n > arenaLive {
		t.drop(max(len(t.entries)/8, 1))
	}
	if len(t.arena)+n > arenaBytes {
		t.compact()
	}
	if need := len(t.arena) + n; need > cap(t.arena) {
		t.arena = append(make([]byte, 0, min(max(2*cap(t.arena), 1024), arenaBytes)), t.arena...)
	}
	if len(t.entries) >= cap(t.entries) {
		t.entries = append(make([]distinctKey, 0, min(max(2*len(t.entries), 16), t.limit())), t.entries...)
	}
	t.reindex()
}

// drop drops the n keys with the greatest seeds. The least of these is the new threshold.
func (t *TopDistinct) drop(n int) {
	var seeds [distinctKeys]uint64
	for i := range t.entries {
		seeds[i] = t.entries[i].seed
	}
	all := seeds[:len(t.entries)]
	t.dropFrom(nth(all, len(all)-n))
}

// nth returns the number that would be at place n if all were sorted. It reorders them. Numbers
// in random order, such as hashes, need about three comparisons each.
func nth(all []uint64, n int) uint64 {
	for len(all) > 1 {
		pivot := max(min(all[0], all[len(all)-1]), min(max(all[0], all[len(all)-1]), all[len(all)/2]))
		i, j := 0, len(all)-1
		for i <= j { // all before i are at most the pivot, all behind j at least
			for all[i] < pivot {
				i++
			}
			for all[j] > pivot {
				j--
			}
			if i <= j {
				all[i], all[j] = all[j], all[i]
				i, j = i+1, j-1
			}
		}
		switch {
		case n <= j:
			all = all[:j+1]
		case n >= i:
			all, n = all[i:], n-i
		default:
			return pivot
		}
	}
	return all[0]
}

// dropFrom drops the keys with a seed of threshold or more.
func (t *TopDistinct) dropFrom(threshold uint64) {
	t.full, t.threshold = true, threshold
	for i := 0; i < len(t.entries); {
		e := &t.entries[i]
		if e.seed < threshold {
			i++
			continue
		}
		t.live -= int(e.length)
		if e.samples > 0 {
			t.evidence.release(int(e.samples - 1))
		}
		// the last entry takes the place; entries are large, and most stay
		last := len(t.entries) - 1
		if *e = t.entries[last]; i < last && e.samples > 0 {
			t.evidence.owners[e.samples-1] = uint16(i)
		}
		t.entries = t.entries[:last]
	}
}

// compact closes the gaps in the arena.
func (t *TopDistinct) compact() {
	var entries [distinctKeys]*distinctKey
	inOrder := entries[:len(t.entries)]
	for i := range inOrder {
		inOrder[i] = &t.entries[i]
	}
	slices.SortFunc(inOrder, func(a, b *distinctKey) int { return cmp.Compare(a.at, b.at) })
	used := t.arena[:0]
	for _, e := range inOrder {
		at := uint32(len(used))
		used = append(used, t.key(e)...)
		e.at = at
	}
	t.arena = used
}

// reindex makes the index of all entries.
func (t *TopDistinct) reindex() {
	t.rebuild(min(cap(t.entries), t.limit()), len(t.entries), func(n int) uint64 { return t.entries[n].hash })
	t.present = keyFilter{}
	for i := range t.entries {
		t.present.add(t.entries[i].hash * t.odd)
	}
}

// Top returns the n keys with the most distinct sub-keys, ties in the order of their bytes.
func (t *TopDistinct) Top(n int) []Distinct {
	return t.top(n, func(c *distinctCounter) float64 { return c.count })
}

// TopWeight returns the n keys with the greatest weight of distinct sub-keys.
func (t *TopDistinct) TopWeight(n int) []Distinct {
	return t.top(n, func(c *distinctCounter) float64 { return c.weight })
}

func (t *TopDistinct) top(n int, by func(*distinctCounter) float64) (out []Distinct) {
	all := make([]*distinctKey, len(t.entries))
	for i := range all {
		all[i] = &t.entries[i]
	}
	slices.SortFunc(all, func(a, b *distinctKey) int {
		return cmp.Or(cmp.Compare(by(&b.counter), by(&a.counter)), bytes.Compare(t.key(a), t.key(b)))
	})
	for _, e := range all[:min(max(n, 0), len(all))] {
		out = append(out, t.distinct(e))
	}
	return out
}

func (t *TopDistinct) distinct(e *distinctKey) Distinct {
	c := &e.counter
	d := Distinct{Key: bytes.Clone(t.key(e)), Count: rounded(c.count), Weight: rounded(c.weight), Exact: !c.dense}
	d.Missed = sum(rounded(e.missing()), uint64(e.cut))
	if e.samples > 0 {
		d.Samples = t.evidence.groups[e.samples-1].samples()
	}
	return d
}

func rounded(x float64) uint64 {
	if x >= math.MaxUint64 {
		return math.MaxUint64
	}
	return uint64(math.Round(x))
}

// Len returns the number of keys in the list.
func (t *TopDistinct) Len() int { return len(t.entries) }

// Complete reports whether all keys are in the list, apart from refused ones.
func (t *TopDistinct) Complete() bool { return !t.full && t.cut == 0 }

// Refused returns the number of calls of Add with a key that shares its hash with four others.
func (t *TopDistinct) Refused() uint64 { return t.refused }

// CopyFrom makes t equal to src, which stays unchanged. It reuses the memory of t.
func (t *TopDistinct) CopyFrom(src *TopDistinct) {
	was := *t
	*t = *src
	t.index, t.entries = append(was.index[:0], src.index...), append(was.entries[:0], src.entries...)
	t.arena = append(was.arena[:0], src.arena...)
	t.evidence.groups = append(was.evidence.groups[:0], src.evidence.groups...)
}

// Reset empties the list and keeps its memory.
func (t *TopDistinct) Reset() {
	clear(t.index)
	t.entries, t.arena, t.live = t.entries[:0], t.arena[:0], 0
	t.full, t.threshold, t.refused, t.cut = false, 0, 0, 0
	t.present = keyFilter{}
	t.evidence.reset()
}

// Size returns the memory of the list in bytes.
func (t *TopDistinct) Size() int {
	return 4*cap(t.index) + distinctKeyBytes*cap(t.entries) + cap(t.arena) + t.evidence.size()
}
