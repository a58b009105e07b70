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

// Pair is what a key of a [TopPairs] weighs, on two scales, as bytes and packets are.
type Pair [2]uint64

// TopPairs finds the heavy hitters of a stream of keys that weigh something on two scales, in one
// table and with one probe for both. It works as [TopK] does: exact up to its capacity; beyond,
// each weight is known to within Error, which is at most Total / (0.2 · capacity), and half of that
// as long as the heavy keys of both scales are the same. The capacity is less where a [Budget] did
// not let the list grow.
//
// Keys are bytes of any length. Up to 23 of them are in their slot, of 48 bytes; longer ones in
// memory of the list's own. Keys are told apart by all of their bytes, and placed by a secret of
// the list, as those of other lists are. Of keys of one hash the list takes four and refuses the
// others, whose weights are in Total and Refused alone.
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
	arena    []byte // the long keys, one after the other
	spare    []byte // the arena before the last purge, for the next
	budget   *Budget
}

type pairSlot struct {
	hash uint64 // 0: free
	sum  Pair
	key  shortKey
}

const pairBytes = int(unsafe.Sizeof(pairSlot{}))

// shortKey is a key of up to 23 bytes, whose number is the last byte, or where a longer one stands
// in the arena.
type shortKey [3]uint64

const (
	shortMost = 23
	isLong    = 0xFF // in place of the number
)

// PairKey is a key that is made once and added to several lists. The zero PairKey is not a key.
type PairKey struct {
	hash  uint64
	short shortKey
	long  []byte // borrowed, of a long key
	buf   [shortMost + 1]byte
}

// Set makes k the key of these bytes, whose hash is h. Bytes of a long key are borrowed as long as
// k is used.
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

// Clear makes k no key.
func (k *PairKey) Clear() { k.hash = 0 }

// IsSet reports whether k is a key.
func (k *PairKey) IsSet() bool { return k.hash != 0 }

// Hash returns the hash of the key; 0 if there is none.
func (k *PairKey) Hash() uint64 { return k.hash }

// Limit sets the capacity of an empty list, which Reset keeps; 0 means [DefaultCapacity], and the
// most is 1<<20. The list asks budget for memory, unless that is nil.
func (t *TopPairs) Limit(capacity int, budget *Budget) {
	t.capacity, t.budget = min(max(capacity, 0), maxCapacity), budget
}

// Touch loads the slot of a key, so that an Add behind it does not wait. It returns something of
// what it has loaded, which the caller has to use. Twelve lists that are touched before the first
// Add wait for memory together: in benchmarks/flow_test.go a record took 13 per cent less time.
func (t *TopPairs) Touch(k *PairKey) uint64 {
	if len(t.slots) == 0 {
		return 0
	}
	return t.slots[t.home(k.hash)].hash
}

// Add counts a weight of k, and reports whether k is a new entry. It copies the key when that
// enters the list.
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

// home returns the slot from which on the keys of a hash are looked for.
func (t *TopPairs) home(h uint64) uint64 { return h * t.odd >> (t.shift & 63) }

// find returns the slot of k, or the free one where it belongs. It returns nil if k is refused.
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

// insert puts in a key that is not there, at free, which find returned. It returns false if the key
// is refused.
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

// freeFor returns the free slot for a key that is not there.
func (t *TopPairs) freeFor(h uint64) *pairSlot {
	mask := uint64(len(t.slots) - 1)
	for i := t.home(h); ; i++ {
		if s := &t.slots[i&mask]; s.hash == 0 {
			return s
		}
	}
}

// purge makes room, nearly always for a quarter of the entries or more. It subtracts the median of
// either weight, and drops what is left with neither. Where the heavy keys of the two scales
// differ, that may be few: then it subtracts the upper quartiles, of which half of the entries have
// neither.
func (t *TopPairs) purge() {
	most := t.used / 4 * 3
	t.subtract(1, 2)
	if t.used > most {
		t.subtract(3, 4)
	}
	if t.used > most { // no sample is as bad as that; what is in it goes now
		t.subtract(1, 1)
	}
	t.compact()
}

// subtract subtracts from each weight its num/den-quantile, drops what has nothing left, and moves
// every other entry to where find looks for it. Beginning behind a free slot, each entry can only
// move towards its home, past entries that have been settled; most are there already.
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
			s.hash = 0 // it may stay
			free := t.freeFor(h)
			*free = *s
			free.hash = h
		}
	}
}

// quantiles returns quantiles of a sample of the weights: those in the first slots, which are as
// good as any, since a secret chooses them.
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

// compact drops the long keys that are in the list no more.
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

// Top returns the n entries that weigh most on one of the scales, ties in the order of their bytes.
// Keys are copies.
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

// compare orders keys by their bytes. Those of short ones are in the words, the first in the lowest
// place.
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

// Total returns the sum of all that was added.
func (t *TopPairs) Total() Pair { return t.total }

// Error returns how far Upper may be above the true weights, and the most that a key that is not in
// the list can weigh.
func (t *TopPairs) Error() Pair { return t.error }

// Refused returns the weight of the keys that share their hash with four others.
func (t *TopPairs) Refused() Pair { return t.refused }

// Size returns the memory that the list has, in bytes.
func (t *TopPairs) Size() int { return cap(t.slots)*pairBytes + cap(t.arena) + cap(t.spare) }

// Merge is that of [TopK.Merge].
func (t *TopPairs) Merge(src *TopPairs) {
	t.merge(src, func(k *PairKey) uint64 { return k.hash })
}

// merge is Merge where under returns the hash that a key of src has in t.
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

// CopyFrom makes t equal to src, which stays as it was. It uses the memory that t has, and t's
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
