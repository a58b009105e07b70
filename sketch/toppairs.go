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
// to within Error, which is at most Total / (0.12 · capacity). Of that, 5/8 are due to purges and
// 3/8 to light keys that were kept out. Usually it is below Total / (0.5 · capacity). The capacity
// is less where a [Budget] did not let the list grow.
//
// Keys are bytes of any length. An entry has 48 bytes and stores up to 23 bytes of key; longer keys
// are stored in the list's arena. Keys are compared by all of their bytes, and placed by a secret
// of the list, as in other lists. The list holds four keys with the same hash and refuses further
// ones. Refused weights count only in Total and Refused.
//
// A key that is not in a full list does not enter it at once: that would cause a purge each few
// hundred keys while a sender makes up new ones. Instead, its weights count in a cell, which other
// keys share. A key enters when its cell is full. Thus light keys read and write one cache line.
//
// A TopPairs is owned by one goroutine. The zero TopPairs has the [DefaultCapacity] and is ready to
// use.
type TopPairs struct {
	index    []pairLine // a power of two
	odd      uint64     // the secret: a key's place in index is the highest bits of hash · odd
	shift    uint8      // 64 − log2(the references in index)
	gated    bool       // cells are in use
	gate     pairGate
	total    Pair
	entries  []pairEntry // in the order of arrival
	capacity int         // 0: DefaultCapacity
	error    Pair
	refused  Pair
	arena    []byte // the long keys, concatenated
	spare    []byte // the arena before the last purge, reused by the next one
	budget   *Budget
}

type pairEntry struct {
	hash uint64
	sum  Pair
	key  shortKey
}

const pairBytes = int(unsafe.Sizeof(pairEntry{}))

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
}

// Set makes k the key of these bytes, whose hash is h. The bytes of a long key are borrowed while k
// is used.
func (k *PairKey) Set(h uint64, key []byte) {
	k.hash, k.long = max(h, 1), nil // 0 marks a free slot
	if len(key) > shortMost {
		k.short, k.long = shortKey{2: isLong << 56}, key
		return
	}
	var buf [shortMost + 1]byte
	copy(buf[:], key)
	buf[shortMost] = byte(len(key))
	for i := range k.short {
		k.short[i] = binary.LittleEndian.Uint64(buf[8*i:])
	}
}

// SetWords makes k the key of the first n bytes of three words in little endian, whose hash is h.
// It does what Set does, in a few instructions. n is at most 23, and the other bytes must be 0.
//
// The words are not an array: a copy of an array that was just written waits for these writes.
func (k *PairKey) SetWords(h, first, second, third uint64, n int) {
	k.hash, k.long = max(h, 1), nil
	k.short[0], k.short[1], k.short[2] = first, second, third|uint64(n)<<56
}

// AppendTo appends the bytes of k.
func (k *PairKey) AppendTo(dst []byte) []byte {
	if k.short.isLong() {
		return append(dst, k.long...)
	}
	return k.short.appendTo(dst)
}

// appendTo appends the bytes of a short key.
func (k shortKey) appendTo(dst []byte) []byte {
	n := len(dst)
	for _, word := range k {
		dst = binary.LittleEndian.AppendUint64(dst, word)
	}
	return dst[:n+int(dst[n+shortMost])]
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

// Touch loads the line of a key in the index, so that a later Add does not wait for memory. It
// returns a value from it, which the caller has to use. If twelve lists are touched before the
// first Add, their loads overlap: in benchmarks/flow_test.go a record took 13 per cent less time.
func (t *TopPairs) Touch(k *PairKey) uint64 {
	if len(t.index) == 0 {
		return 0
	}
	return uint64(t.index[k.hash*t.odd>>(t.shift&63)/lineRefs].refs[0])
}

// Add adds a weight to k and reports whether k was not in the list. It copies the key when that
// enters the list.
func (t *TopPairs) Add(k *PairKey, weight Pair) (isNew bool) {
	if k.hash == 0 || weight == (Pair{}) {
		return false
	}
	t.total.add(weight)
	e, free := t.find(k)
	if e != nil {
		e.sum.add(weight)
		return false
	}
	if !t.gated || !t.gate.stops(t.cell(k), weight) {
		t.insert(free, k, weight)
	}
	return true
}

func (p *Pair) add(q Pair) { p[0], p[1] = sum(p[0], q[0]), sum(p[1], q[1]) }

// find returns the entry of k. If there is none, it returns the free element of the index for k, or
// nil if k is refused.
func (t *TopPairs) find(k *PairKey) (e *pairEntry, free *uint32) {
	index, mask, twins := t.index, uint64(len(t.index)-1), 0
	product := k.hash * t.odd
	place := product >> (t.shift & 63)
	want := tag(product)
	for range min(maxLines, len(index)) {
		refs := &index[place/lineRefs&mask].refs
		for range lineRefs {
			ref := refs[place%lineRefs]
			if ref == 0 {
				return nil, &refs[place%lineRefs]
			}
			if ref&^refMask == want {
				switch e := &t.entries[ref&refMask-1]; {
				case e.hash != k.hash:
				case t.has(e, k):
					return e, nil
				default:
					if twins++; twins == maxTwins {
						return nil, nil
					}
				}
			}
			place = place&^(lineRefs-1) | (place+1)%lineRefs
		}
		place += lineRefs
	}
	return nil, nil
}

// cell returns the cell of a key that is not in the list.
func (t *TopPairs) cell(k *PairKey) *pairCell {
	place := k.hash * t.odd >> (t.shift & 63)
	return &t.index[place/lineRefs].cells[place%lineRefs/(lineRefs/lineCells)]
}

func (t *TopPairs) has(e *pairEntry, k *PairKey) bool {
	if k.long == nil {
		return e.key == k.short
	}
	return e.key.isLong() && bytes.Equal(t.long(e.key), k.long)
}

func (k shortKey) isLong() bool { return k[2]>>56 == isLong }

// compare orders short keys by their bytes. Words hold these, the first byte in the lowest place.
func (k shortKey) compare(o shortKey) int {
	for i := range k {
		if c := cmp.Compare(bits.ReverseBytes64(k[i]), bits.ReverseBytes64(o[i])); c != 0 {
			return c
		}
	}
	return 0
}

// long returns a key in the arena.
func (t *TopPairs) long(k shortKey) []byte { return t.arena[k[0] : k[0]+k[1]] }

// insert stores a new key, for which find returned a place in the index.
func (t *TopPairs) insert(free *uint32, k *PairKey, weight Pair) {
	if len(t.entries) >= min(t.room(), t.limit()) && (free != nil || len(t.index) == 0) {
		if t.mayGrow() {
			t.grow()
		} else {
			t.purge()
		}
		_, free = t.find(k)
	}
	if free == nil {
		t.refused.add(weight)
		return
	}
	t.entries = append(t.entries, pairEntry{k.hash, weight, k.short})
	*free = tag(k.hash*t.odd) | uint32(len(t.entries))
	if k.long != nil {
		at := &t.entries[len(t.entries)-1].key
		at[0], at[1] = uint64(len(t.arena)), uint64(len(k.long))
		t.keep(k.long)
	}
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

const minPairs = 8

// room returns the number of entries for which there is memory.
func (t *TopPairs) room() int { return min(cap(t.entries), len(t.index)*lineRefs/2) }

// mayGrow reports whether there is memory for twice as many entries, or for the first ones.
func (t *TopPairs) mayGrow() bool {
	n := t.room()
	return n == 0 || n < t.limit() && t.budget.take(t.bytesOf(t.next())-t.bytesOf(n))
}

// next returns the number of entries after growing.
func (t *TopPairs) next() int { return max(minPairs, min(2*t.room(), t.limit())) }

// bytesOf returns the memory of n entries and their index.
func (t *TopPairs) bytesOf(n int) int { return n*pairBytes + linesFor(n)*lineBytes }

// linesFor returns the length of the index of n entries. Half of its elements or more stay free.
func linesFor(n int) int { return 1 << bits.Len(uint((2*n-1)/lineRefs)) }

// grow doubles the entries.
func (t *TopPairs) grow() {
	n := t.next()
	if t.room() == 0 {
		t.budget.use(t.bytesOf(n))
	}
	if cap(t.entries) < n {
		t.entries = append(make([]pairEntry, 0, n), t.entries...)
	}
	t.index = make([]pairLine, linesFor(n))
	t.gated, t.gate = false, pairGate{}
	t.shift = uint8(64 - bits.TrailingZeros(uint(len(t.index)*lineRefs)))
	for t.odd < 2 {
		t.odd = rand.Uint64() | 1
	}
	t.reindex()
}

// reindex rebuilds the references of the index.
func (t *TopPairs) reindex() {
	for i := range t.index {
		t.index[i].refs = [lineRefs]uint32{}
	}
	for n := range t.entries {
		product := t.entries[n].hash * t.odd
		*t.free(product >> (t.shift & 63)) = tag(product) | uint32(n+1)
	}
}

// free returns the element of the index for a key that is not in the list.
func (t *TopPairs) free(place uint64) *uint32 {
	for mask := uint64(len(t.index) - 1); ; place += lineRefs {
		refs := &t.index[place/lineRefs&mask].refs
		for range lineRefs {
			if refs[place%lineRefs] == 0 {
				return &refs[place%lineRefs]
			}
			place = place&^(lineRefs-1) | (place+1)%lineRefs
		}
	}
}

// purge makes room, nearly always for a quarter of the entries or more. It subtracts the median of
// each scale and drops entries without a remaining weight. If the two scales have different heavy
// keys, that may drop few entries. Then it subtracts the upper quartiles, which drops half of the
// entries. From the first purge on, the gate keeps light keys out.
func (t *TopPairs) purge() {
	most, before := len(t.entries)/4*3, t.error
	t.subtract(t.quantiles(1, 2))
	if len(t.entries) > most {
		t.subtract(t.quantiles(3, 4))
	}
	if len(t.entries) > most { // the sample missed this one; drop its entries now
		t.subtract(t.quantiles(1, 1))
	}
	t.reindex()
	t.compact()
	t.gated = true
	t.error.add(t.gate.raise(Pair{t.error[0] - before[0], t.error[1] - before[1]}, t.index))
}

// subtract subtracts a weight from all entries and drops those without a remaining weight.
func (t *TopPairs) subtract(less Pair) {
	t.error.add(less)
	kept := t.entries[:0]
	for i := range t.entries {
		e := &t.entries[i]
		e.sum[0] -= min(e.sum[0], less[0])
		e.sum[1] -= min(e.sum[1], less[1])
		if e.sum != (Pair{}) {
			kept = append(kept, *e)
		}
	}
	t.entries = kept
}

// quantiles returns quantiles of a sample of the weights. Its steps begin at a random entry, since
// senders decide the order of the entries.
func (t *TopPairs) quantiles(num, den int) Pair {
	const most = 64
	var first, second [most]uint64
	n := min(len(t.entries), most)
	at := rand.IntN(len(t.entries))
	for i := range n {
		e := &t.entries[(at+i*len(t.entries)/n)%len(t.entries)]
		first[i], second[i] = e.sum[0], e.sum[1]
	}
	slices.Sort(first[:n])
	slices.Sort(second[:n])
	i := min(n*num/den, n-1)
	return Pair{first[i], second[i]}
}

// compact drops the long keys that are no longer in the list.
func (t *TopPairs) compact() {
	if len(t.arena) == 0 {
		return
	}
	before := cap(t.spare)
	t.spare = slices.Grow(t.spare[:0], len(t.arena))
	t.budget.use(cap(t.spare) - before)
	for i := range t.entries {
		if e := &t.entries[i]; e.key.isLong() {
			at := uint64(len(t.spare))
			t.spare = append(t.spare, t.long(e.key)...)
			e.key[0] = at
		}
	}
	t.arena, t.spare = t.spare, t.arena
}

// Top returns the n entries with the greatest weights on one scale. Ties are in the order of their
// bytes. Keys are copies.
func (t *TopPairs) Top(n, scale int) []Entry[[]byte] {
	return t.best(&leaders[*pairEntry]{n: n, compare: t.compare}, scale)
}

// best returns the best entries on a scale, in order.
func (t *TopPairs) best(best *leaders[*pairEntry], scale int) (out []Entry[[]byte]) {
	for i := range t.entries {
		if e := &t.entries[i]; e.sum[scale] > 0 && !best.worse(e.sum[scale]) {
			best.offer(Entry[*pairEntry]{e, e.sum[scale], sum(e.sum[scale], t.error[scale])})
		}
	}
	for _, e := range best.sorted() {
		out = append(out, Entry[[]byte]{t.name(e.Key), e.Lower, e.Upper})
	}
	return out
}

// compare orders keys by their bytes.
func (t *TopPairs) compare(a, b *pairEntry) int {
	if a.key.isLong() || b.key.isLong() {
		return bytes.Compare(t.name(a), t.name(b))
	}
	return a.key.compare(b.key)
}

// name returns a copy of a key.
func (t *TopPairs) name(s *pairEntry) []byte {
	if s.key.isLong() {
		return bytes.Clone(t.long(s.key))
	}
	return s.key.appendTo(nil)
}

// Len returns the number of keys in the list.
func (t *TopPairs) Len() int { return len(t.entries) }

// Total returns the sum of all added weights.
func (t *TopPairs) Total() Pair { return t.total }

// Error returns the most by which Upper may exceed the true weights. It is also the greatest
// possible weight of a key that is not in the list.
func (t *TopPairs) Error() Pair { return t.error }

// Refused returns the weight of keys that share their hash with four others.
func (t *TopPairs) Refused() Pair { return t.refused }

// Size returns the memory of the list in bytes.
func (t *TopPairs) Size() int {
	return cap(t.entries)*pairBytes + cap(t.index)*lineBytes + cap(t.arena) + cap(t.spare)
}

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
	for i := range src.entries {
		e := &src.entries[i]
		k.hash, k.short, k.long = e.hash, e.key, nil
		if e.key.isLong() {
			k.short, k.long = shortKey{2: isLong << 56}, src.long(e.key)
		}
		k.hash = under(&k)
		if found, free := t.find(&k); found != nil {
			found.sum.add(e.sum)
		} else {
			t.insert(free, &k, e.sum)
		}
	}
	t.total = total
}

// CopyFrom makes t equal to src, which stays unchanged. It reuses the memory of t and keeps t's
// budget.
func (t *TopPairs) CopyFrom(src *TopPairs) {
	was := *t
	*t = *src
	t.index, t.entries = append(was.index[:0], src.index...), append(was.entries[:0], src.entries...)
	t.arena, t.spare, t.budget = append(was.arena[:0], src.arena...), was.spare, was.budget
	t.ungate()
}

// Reset empties the list and keeps its memory.
func (t *TopPairs) Reset() {
	clear(t.index)
	t.gated, t.gate = false, pairGate{}
	t.entries, t.arena = t.entries[:0], t.arena[:0]
	t.error, t.total, t.refused = Pair{}, Pair{}, Pair{}
}

// ungate empties the cells. The error keeps what they may have held.
func (t *TopPairs) ungate() {
	if !t.gated {
		return
	}
	t.gated, t.gate = false, pairGate{}
	for i := range t.index {
		t.index[i].cells = [lineCells]pairCell{}
	}
}
