package sketch

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"slices"
	"unsafe"
)

// Pair is the weight of a key of a [TopPairs] on two scales, such as bytes and packets.
type Pair [2]uint64

// TopPairs finds the heavy hitters of a stream of keys with weights on two scales. Both share one
// table and one lookup. Like [TopK], it is exact up to its capacity. Beyond, each weight is known
// to within Error, which is at most Total / (0.2 · capacity). While the same keys are heavy on both
// scales, Error is at most half of that. The capacity is less where a [Budget] did not let the list
// grow.
//
// Keys are bytes of any length. A slot has 48 bytes and stores up to 23 bytes of key; longer keys
// are stored in the list's arena. Keys are compared by all of their bytes, and placed by a secret
// of the list, as in other lists. The list holds four keys with the same hash and refuses further
// ones. Refused weights count only in Total and Refused.
//
// A TopPairs is owned by one goroutine. The zero TopPairs has the [DefaultCapacity] and is ready to
// use.
type TopPairs struct {
	slots    []pairSlot // open addressing, linear probing; a power of two, a quarter of them free
	odd      uint64     // the secret: a slot is the highest bits of hash · odd
	shift    uint8      // 64 − log2(len(slots))
	used     int
	capacity int // 0: DefaultCapacity
	error    Pair
	total    Pair
	refused  Pair
	arena    []byte // the long keys, concatenated
	spare    []byte // the arena before the last purge, reused by the next one
	budget   *Budget
}

type pairSlot struct {
	hash uint64 // 0: free
	sum  Pair
	key  shortKey
}

const pairBytes = int(unsafe.Sizeof(pairSlot{}))

// shortKey stores a key of up to 23 bytes, with its length in the last byte, or the position of a
// longer key in the arena.
type shortKey [3]uint64

const (
	shortMost = 23
	isLong    = 0xFF // in place of the length
)

// PairKey is a key that is prepared once and added to several lists. The zero PairKey is not a key.
type PairKey struct {
	hash  uint64
	short shortKey
	long  []byte // a long key, borrowed
	buf   [shortMost + 1]byte
}

// Set makes k the key of these bytes, whose hash is h. The bytes of a long key are borrowed while k
// is used.
func (k *PairKey) Set(h uint64, key []byte) {
	k.hash, k.long = max(h, 1), nil // 0 marks a free slot
	if len(key) > shortMost {
		k.short, k.long = shortKey{2: isLong << 56}, key
		return
	}
	k.buf = [shortMost + 1]byte{}
	copy(k.buf[:], key)
	k.buf[shortMost] = byte(len(key))
	for i := range k.short {
		k.short[i] = binary.LittleEndian.Uint64(k.buf[8*i:])
	}
}

// Clear makes k the zero PairKey.
func (k *PairKey) Clear() { k.hash = 0 }

// IsSet reports whether k is a key.
func (k *PairKey) IsSet() bool { return k.hash != 0 }

// Hash returns the hash of the key, or 0 without a key.
func (k *PairKey) Hash() uint64 { return k.hash }

// Limit sets the capacity of an empty list; 0 means [DefaultCapacity], and the maximum is 1<<20.
// Reset keeps the capacity. The list requests its memory from budget, unless that is nil.
func (t *TopPairs) Limit(capacity int, budget *Budget) {
	t.capacity, t.budget = min(max(capacity, 0), maxCapacity), budget
}

// Touch loads the slot of a key, so that a later Add does not wait for memory. It returns a value
// from the slot, which the caller has to use. If twelve lists are touched before the first Add,
// their loads overlap: in benchmarks/flow_test.go a record took 13 per cent less time.
func (t *TopPairs) Touch(k *PairKey) uint64 {
	if len(t.slots) == 0 {
		return 0
	}
	return t.slots[t.home(k.hash)].hash
}

// Add adds a weight to k and reports whether k is a new entry. It copies the key when that enters
// the list.
func (t *TopPairs) Add(k *PairKey, weight Pair) (entered bool) {
	if k.hash == 0 || weight == (Pair{}) {
		return false
	}
	t.total.add(weight)
	if len(t.slots) == 0 {
		t.grow()
	}
	s := t.find(k)
	switch {
	case s == nil:
		t.refused.add(weight)
		return false
	case s.hash != 0:
		s.sum.add(weight)
		return false
	}
	return t.insert(s, k, weight)
}

func (p *Pair) add(q Pair) { p[0], p[1] = sum(p[0], q[0]), sum(p[1], q[1]) }

// home returns the slot at which the search for the keys of a hash begins.
func (t *TopPairs) home(h uint64) uint64 { return h * t.odd >> (t.shift & 63) }

// find returns the slot of k, or the free slot for it. It returns nil if k is refused.
func (t *TopPairs) find(k *PairKey) *pairSlot {
	mask, twins := uint64(len(t.slots)-1), 0
	i := t.home(k.hash)
	for range maxProbe {
		s := &t.slots[i&mask]
		switch {
		case s.hash == 0:
			return s
		case s.hash != k.hash:
		case t.has(s, k):
			return s
		default:
			if twins++; twins == maxTwins {
				return nil
			}
		}
		i++
	}
	return nil
}

func (t *TopPairs) has(s *pairSlot, k *PairKey) bool {
	if k.long == nil {
		return s.key == k.short
	}
	return s.key.isLong() && bytes.Equal(t.long(s.key), k.long)
}

func (k shortKey) isLong() bool { return k[2]>>56 == isLong }

// long returns a key in the arena.
func (t *TopPairs) long(k shortKey) []byte { return t.arena[k[0] : k[0]+k[1]] }

// insert stores a new key at free, which find returned. It returns false if the key is refused.
func (t *TopPairs) insert(free *pairSlot, k *PairKey, weight Pair) bool {
	most := len(t.slots) / 4 * 3
	if t.used >= min(most, t.limit()) {
		if t.used < most || !t.mayGrow() {
			t.purge()
		} else {
			t.grow()
		}
		if free = t.find(k); free == nil {
			t.refused.add(weight)
			return false
		}
	}
	*free = pairSlot{k.hash, weight, k.short}
	if k.long != nil {
		free.key[0], free.key[1] = uint64(len(t.arena)), uint64(len(k.long))
		t.keep(k.long)
	}
	t.used++
	return true
}

// keep appends a long key to the arena.
func (t *TopPairs) keep(key []byte) {
	before := cap(t.arena)
	t.arena = append(t.arena, key...)
	t.budget.use(cap(t.arena) - before)
}

func (t *TopPairs) limit() int {
	if t.capacity > 0 {
		return t.capacity
	}
	return DefaultCapacity
}

const minPairSlots = 8

func (t *TopPairs) mayGrow() bool {
	return len(t.slots)/4*3 < t.limit() && t.budget.take(len(t.slots)*pairBytes)
}

// grow doubles the slots.
func (t *TopPairs) grow() {
	old := t.slots
	if len(old) == 0 {
		t.budget.use(minPairSlots * pairBytes)
	}
	t.slots = make([]pairSlot, max(minPairSlots, 2*len(old)))
	t.shift = uint8(64 - bits.TrailingZeros(uint(len(t.slots))))
	for t.odd < 2 {
		t.odd = rand.Uint64() | 1
	}
	for i := range old {
		if old[i].hash != 0 {
			*t.freeFor(old[i].hash) = old[i]
		}
	}
}

// freeFor returns the free slot for a key that is not in the list.
func (t *TopPairs) freeFor(h uint64) *pairSlot {
	mask := uint64(len(t.slots) - 1)
	for i := t.home(h); ; i++ {
		if s := &t.slots[i&mask]; s.hash == 0 {
			return s
		}
	}
}

// purge makes room, nearly always for a quarter of the entries or more. It subtracts the median of
// each scale and drops entries without a remaining weight. If the two scales have different heavy
// keys, that may drop few entries. Then it subtracts the upper quartiles, which drops half of the
// entries.
func (t *TopPairs) purge() {
	most := t.used / 4 * 3
	t.subtract(1, 2)
	if t.used > most {
		t.subtract(3, 4)
	}
	if t.used > most { // the sample missed this one; drop its entries now
		t.subtract(1, 1)
	}
	t.compact()
}

// subtract subtracts the num/den-quantile of each scale and drops entries without a remaining
// weight. It moves every other entry to where find looks for it. Because it begins behind a free
// slot, an entry can only move towards its home, past settled entries. Most are there already.
func (t *TopPairs) subtract(num, den int) {
	less := t.quantiles(num, den)
	t.error.add(less)
	mask := len(t.slots) - 1
	start := slices.IndexFunc(t.slots, func(s pairSlot) bool { return s.hash == 0 })
	for n := range t.slots {
		i := (start + n) & mask
		s := &t.slots[i]
		if s.hash == 0 {
			continue
		}
		s.sum[0] -= min(s.sum[0], less[0])
		s.sum[1] -= min(s.sum[1], less[1])
		switch {
		case s.sum == Pair{}:
			s.hash = 0
			t.used--
		case int(t.home(s.hash)) != i:
			h := s.hash
			s.hash = 0 // s may stay in its slot
			free := t.freeFor(h)
			*free = *s
			free.hash = h
		}
	}
}

// quantiles returns quantiles of a sample of the weights. It samples the first slots, which are
// random because a secret places the keys.
func (t *TopPairs) quantiles(num, den int) (q Pair) {
	const most = 64
	var first, second [most]uint64
	n := 0
	for i := 0; i < len(t.slots) && n < most; i++ {
		if s := &t.slots[i]; s.hash != 0 {
			first[n], second[n] = s.sum[0], s.sum[1]
			n++
		}
	}
	slices.Sort(first[:n])
	slices.Sort(second[:n])
	at := min(n*num/den, n-1)
	return Pair{first[at], second[at]}
}

// compact drops the long keys that are no longer in the list.
func (t *TopPairs) compact() {
	if len(t.arena) == 0 {
		return
	}
	before := cap(t.spare)
	t.spare = slices.Grow(t.spare[:0], len(t.arena))
	t.budget.use(cap(t.spare) - before)
	for i := range t.slots {
		if s := &t.slots[i]; s.hash != 0 && s.key.isLong() {
			at := uint64(len(t.spare))
			t.spare = append(t.spare, t.long(s.key)...)
			s.key[0] = at
		}
	}
	t.arena, t.spare = t.spare, t.arena
}

// Top returns the n entries with the greatest weights on one scale. Ties are in the order of their
// bytes. Keys are copies.
func (t *TopPairs) Top(n, scale int) (out []Entry[[]byte]) {
	best := leaders[*pairSlot]{n: n, compare: t.compare}
	for i := range t.slots {
		if s := &t.slots[i]; s.hash != 0 && s.sum[scale] > 0 {
			best.offer(Entry[*pairSlot]{s, s.sum[scale], sum(s.sum[scale], t.error[scale])})
		}
	}
	for _, e := range best.top {
		out = append(out, Entry[[]byte]{t.name(e.Key), e.Lower, e.Upper})
	}
	return out
}

// compare orders keys by their bytes. Words hold the bytes of short keys, the first byte in the
// lowest place.
func (t *TopPairs) compare(a, b *pairSlot) int {
	if a.key.isLong() || b.key.isLong() {
		return bytes.Compare(t.name(a), t.name(b))
	}
	for i := range a.key {
		if c := cmp.Compare(bits.ReverseBytes64(a.key[i]), bits.ReverseBytes64(b.key[i])); c != 0 {
			return c
		}
	}
	return 0
}

// name returns a copy of a key.
func (t *TopPairs) name(s *pairSlot) []byte {
	if s.key.isLong() {
		return bytes.Clone(t.long(s.key))
	}
	var b []byte
	for _, word := range s.key {
		b = binary.LittleEndian.AppendUint64(b, word)
	}
	return b[:b[shortMost]]
}

// Len returns the number of keys in the list.
func (t *TopPairs) Len() int { return t.used }

// Total returns the sum of all added weights.
func (t *TopPairs) Total() Pair { return t.total }

// Error returns the most by which Upper may exceed the true weights. It is also the greatest
// possible weight of a key that is not in the list.
func (t *TopPairs) Error() Pair { return t.error }

// Refused returns the weight of keys that share their hash with four others.
func (t *TopPairs) Refused() Pair { return t.refused }

// Size returns the memory of the list in bytes.
func (t *TopPairs) Size() int { return cap(t.slots)*pairBytes + cap(t.arena) + cap(t.spare) }

// Merge merges src into t like [TopK.Merge].
func (t *TopPairs) Merge(src *TopPairs) {
	t.merge(src, func(k *PairKey) uint64 { return k.hash })
}

// merge is Merge with a function under that returns the hash for a key of src in t.
func (t *TopPairs) merge(src *TopPairs, under func(*PairKey) uint64) {
	total := t.total
	total.add(src.total)
	t.error.add(src.error)
	t.refused.add(src.refused)
	var k PairKey
	for i := range src.slots {
		if s := &src.slots[i]; s.hash != 0 {
			k.hash, k.short, k.long = s.hash, s.key, nil
			if s.key.isLong() {
				k.short, k.long = shortKey{2: isLong << 56}, src.long(s.key)
			}
			k.hash = under(&k)
			t.Add(&k, s.sum)
		}
	}
	t.total = total
}

// CopyFrom makes t equal to src, which stays unchanged. It reuses the memory of t and keeps t's
// budget.
func (t *TopPairs) CopyFrom(src *TopPairs) {
	slots, arena, spare, budget := append(t.slots[:0], src.slots...), append(t.arena[:0], src.arena...), t.spare, t.budget
	*t = *src
	t.slots, t.arena, t.spare, t.budget = slots, arena, spare, budget
}

// Reset empties the list and keeps its memory.
func (t *TopPairs) Reset() {
	clear(t.slots)
	t.used, t.error, t.total, t.refused, t.arena = 0, Pair{}, Pair{}, Pair{}, t.arena[:0]
}
