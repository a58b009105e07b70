package sketch

import (
	"bytes"
	"math"
	"unsafe"
)

// ColumnCount is the number of weights of a key in a [TopColumns].
const ColumnCount = 5

// Columns are the weights of a key of a [TopColumns], such as queries, bytes and errors.
type Columns [ColumnCount]uint64

// TopColumns finds the heavy hitters of a stream of keys with several weights each. All columns
// share one table and one lookup. It is exact up to its capacity. Beyond, each weight is known to
// within the error of its column, which is at most the column's total / (0.08 · capacity). Where
// the columns have the same heavy keys, it is below total / (0.4 · capacity).
//
// The bound follows from the purge of a full list. It first subtracts the median of each column. A
// key stays while one of its weights remains. If more than three quarters stay, the purge subtracts
// the upper tenth of each column, so that half of the keys leave or more. A tenth of the keys or
// more lose 8/9 of what is subtracted from a column, since quantiles are known to within a ninth.
//
// Keys are bytes of any length. Up to 23 bytes are stored in the entry of 72 bytes, more in an
// arena. Keys are compared by all of their bytes, and placed by a secret of the list. The list
// holds four keys with the same hash and refuses further ones. Refused weights count only in the
// totals.
//
// A TopColumns is owned by one goroutine. The zero TopColumns holds 2048 keys and is ready to use.
type TopColumns struct {
	keyIndex
	entries  []columnsEntry
	capacity int // 0: columnsKeys
	total    Columns
	error    Columns
	refused  uint64
	arena    []byte // the long keys, concatenated
}

const columnsKeys = 2048

type columnsEntry struct {
	hash uint64
	sum  Columns
	key  shortKey
}

// Limit sets the capacity of an empty list; 0 means 2048, and the maximum is 1<<20. Reset keeps the
// capacity.
func (t *TopColumns) Limit(capacity int) { t.capacity = min(max(capacity, 0), maxCapacity) }

func (t *TopColumns) limit() int {
	if t.capacity > 0 {
		return t.capacity
	}
	return columnsKeys
}

// Add adds weights to k. It copies the key when that enters the list.
func (t *TopColumns) Add(k *PairKey, weights *Columns) {
	t.total.add(weights)
	t.put(k, weights)
}

// put is Add without the total.
func (t *TopColumns) put(k *PairKey, weights *Columns) {
	e, free := t.find(k)
	if e == nil && free >= 0 && !t.fits() {
		t.makeRoom()
		_, free = t.find(k)
	}
	switch {
	case e != nil:
		e.sum.add(weights)
	case free < 0:
		t.refused = sum(t.refused, 1)
	default:
		t.enter(free, k, weights)
	}
}

func (c *Columns) add(d *Columns) {
	for i := range c {
		c[i] = sum(c[i], d[i])
	}
}

// find returns the entry of a key. If there is none, it returns the free place in the index for it,
// or -1 if the key is refused.
func (t *TopColumns) find(k *PairKey) (e *columnsEntry, free int) {
	mask, twins := uint64(len(t.index)-1), 0
	product := k.hash * t.odd
	place := product >> (t.shift & 63)
	want := tag(product)
	for range min(maxProbe, len(t.index)) {
		ref := t.index[place&mask]
		if ref == 0 {
			return nil, int(place & mask)
		}
		if ref&^refMask == want {
			if e := &t.entries[ref&refMask-1]; e.hash == k.hash {
				if t.has(e, k) {
					return e, 0
				}
				if twins++; twins == maxTwins {
					return nil, -1
				}
			}
		}
		place++
	}
	if len(t.index) == 0 {
		return nil, 0
	}
	return nil, -1
}

func (t *TopColumns) has(e *columnsEntry, k *PairKey) bool {
	if k.long == nil {
		return e.key == k.short
	}
	return e.key.isLong() && bytes.Equal(t.long(e.key), k.long)
}

// long returns a key in the arena.
func (t *TopColumns) long(k shortKey) []byte { return t.arena[k[0] : k[0]+k[1]] }

// enter stores a new key at a free place in the index.
func (t *TopColumns) enter(free int, k *PairKey, weights *Columns) {
	t.entries = append(t.entries, columnsEntry{k.hash, *weights, k.short})
	t.index[free] = tag(k.hash*t.odd) | uint32(len(t.entries))
	if k.long != nil {
		at := &t.entries[len(t.entries)-1].key
		at[0], at[1] = uint64(len(t.arena)), uint64(len(k.long))
		t.arena = append(t.arena, k.long...)
	}
}

// fits reports whether a key can enter without changes.
func (t *TopColumns) fits() bool {
	return len(t.entries) < min(cap(t.entries), t.limit()) && 2*len(t.entries) < len(t.index)
}

// makeRoom grows the list, or purges it if it is full.
func (t *TopColumns) makeRoom() {
	if len(t.entries) >= t.limit() {
		t.purge()
	} else if len(t.entries) >= cap(t.entries) {
		t.entries = append(make([]columnsEntry, 0, min(max(2*len(t.entries), 16), t.limit())), t.entries...)
	}
	t.reindex()
}

// reindex makes the index of all entries.
func (t *TopColumns) reindex() {
	t.rebuild(min(cap(t.entries), t.limit()), len(t.entries), func(n int) uint64 { return t.entries[n].hash })
}

// purge drops a quarter of the keys or more.
func (t *TopColumns) purge() {
	most := len(t.entries) / 4 * 3
	t.subtractAt(len(t.entries) / 2)
	if t.drop(); len(t.entries) > most {
		n := len(t.entries)
		t.subtractAt(n - 1 - n/(2*ColumnCount))
		t.drop()
	}
	t.compact()
}

// subtractAt subtracts the weight at a rank of each column from that column. Most columns of errors
// have nothing to subtract, and need no quantile.
func (t *TopColumns) subtractAt(rank int) {
	weights := t.weights()
	for column := range ColumnCount {
		if rank >= len(t.entries)-int(weights[column]) {
			t.subtract(column, t.quantile(column, rank))
		}
	}
}

// weights returns the number of entries with a weight in each column. It avoids branches.
func (t *TopColumns) weights() [ColumnCount]uint64 {
	var a, b, c, d, e uint64
	for i := range t.entries {
		w := &t.entries[i].sum
		a += (w[0] | -w[0]) >> 63
		b += (w[1] | -w[1]) >> 63
		c += (w[2] | -w[2]) >> 63
		d += (w[3] | -w[3]) >> 63
		e += (w[4] | -w[4]) >> 63
	}
	return [ColumnCount]uint64{a, b, c, d, e}
}

// quantile returns the weight at a rank of a column, or up to an eighth more.
func (t *TopColumns) quantile(column, rank int) uint64 {
	var classes [16 + 60*8]int
	for i := range t.entries {
		classes[class(t.entries[i].sum[column])]++
	}
	for i, n := range classes {
		if rank -= n; rank < 0 {
			return classMax(i)
		}
	}
	return math.MaxUint64
}

// subtract subtracts a weight from a column of all entries.
func (t *TopColumns) subtract(column int, less uint64) {
	if less == 0 {
		return
	}
	t.error[column] = sum(t.error[column], less)
	for i := range t.entries {
		e := &t.entries[i]
		e.sum[column] -= min(e.sum[column], less)
	}
}

// drop drops the entries without a remaining weight.
func (t *TopColumns) drop() {
	kept := t.entries[:0]
	for i := range t.entries {
		if e := &t.entries[i]; e.sum != (Columns{}) {
			kept = append(kept, *e)
		}
	}
	t.entries = kept
}

// compact closes the gaps in the arena. Entries are in the order of their keys' places.
func (t *TopColumns) compact() {
	arena := t.arena[:0]
	for i := range t.entries {
		if e := &t.entries[i]; e.key.isLong() {
			at := uint64(len(arena))
			arena = append(arena, t.long(e.key)...)
			e.key[0] = at
		}
	}
	t.arena = arena
}

// Top returns the n entries with the greatest weights in a column. Ties are in the order of their
// bytes. Keys are copies.
func (t *TopColumns) Top(n, column int) []Entry[[]byte] {
	return t.best(&leaders[*columnsEntry]{n: n, compare: t.compare}, column)
}

func (t *TopColumns) compare(a, b *columnsEntry) int {
	if !a.key.isLong() && !b.key.isLong() {
		return a.key.compare(b.key)
	}
	return bytes.Compare(t.name(a.key), t.name(b.key))
}

// best returns the best entries of a column, in order.
func (t *TopColumns) best(best *leaders[*columnsEntry], column int) (out []Entry[[]byte]) {
	for i := range t.entries {
		if e := &t.entries[i]; e.sum[column] > 0 && !best.worse(e.sum[column]) {
			best.offer(Entry[*columnsEntry]{e, e.sum[column], sum(e.sum[column], t.error[column])})
		}
	}
	for _, e := range best.sorted() {
		out = append(out, Entry[[]byte]{t.name(e.Key.key), e.Lower, e.Upper})
	}
	return out
}

// name returns a copy of a key.
func (t *TopColumns) name(k shortKey) []byte {
	if k.isLong() {
		return bytes.Clone(t.long(k))
	}
	return k.appendTo(nil)
}

// Len returns the number of keys in the list.
func (t *TopColumns) Len() int { return len(t.entries) }

// Total returns the sum of all weights added to a column.
func (t *TopColumns) Total(column int) uint64 { return t.total[column] }

// Error returns the most by which Upper may exceed the true weights of a column. It is also the
// greatest possible weight of a key that is not in the list.
func (t *TopColumns) Error(column int) uint64 { return t.error[column] }

// Refused returns the number of calls of Add with a key that shares its hash with four others.
func (t *TopColumns) Refused() uint64 { return t.refused }

// Size returns the memory of the list in bytes.
func (t *TopColumns) Size() int {
	return 4*cap(t.index) + int(unsafe.Sizeof(columnsEntry{}))*cap(t.entries) + cap(t.arena)
}

// Merge adds the weights of src, which stays unchanged. The errors of both add up. The hashes of
// both must come from the same Hasher.
func (t *TopColumns) Merge(src *TopColumns) {
	t.merge(src, func(k *PairKey) uint64 { return k.hash })
}

// merge is Merge with a function under that returns the hash for a key of src in t.
func (t *TopColumns) merge(src *TopColumns, under func(*PairKey) uint64) {
	t.total.add(&src.total)
	t.error.add(&src.error)
	t.refused = sum(t.refused, src.refused)
	var k PairKey
	for i := range src.entries {
		e := &src.entries[i]
		k.hash, k.short, k.long = e.hash, e.key, nil
		if e.key.isLong() {
			k.short, k.long = shortKey{2: isLong << 56}, src.long(e.key)
		}
		k.hash = under(&k)
		t.put(&k, &e.sum)
	}
}

// CopyFrom makes t equal to src, which stays unchanged. It reuses the memory of t.
func (t *TopColumns) CopyFrom(src *TopColumns) {
	was := *t
	*t = *src
	t.index, t.entries = append(was.index[:0], src.index...), append(was.entries[:0], src.entries...)
	t.arena = append(was.arena[:0], src.arena...)
}

// Reset empties the list and keeps its memory.
func (t *TopColumns) Reset() {
	clear(t.index)
	t.entries, t.arena = t.entries[:0], t.arena[:0]
	t.total, t.error, t.refused = Columns{}, Columns{}, 0
}

// Head returns the same as [TopK.Head], of the weights in a column.
func (t *TopColumns) Head(n, column int) Head[[]byte] {
	h := Head[[]byte]{Total: t.total[column], Error: t.error[column], Capacity: t.limit()}
	if column == 0 {
		h.Refused = t.refused
	}
	best := headed(n, h.Total, t.compare)
	return h.cut(t.best(&best, column), n, best.below)
}

// SetHead makes one column of t the list that h describes. t is empty at first, or has only other
// columns. hash returns the hash of a key.
func (t *TopColumns) SetHead(h Head[[]byte], column int, hash func([]byte) uint64) {
	var k PairKey
	for _, e := range h.Entries {
		var weights Columns
		weights[column] = e.Lower
		k.Set(hash(e.Key), e.Key)
		t.put(&k, &weights)
	}
	t.total[column] = h.Total
	t.error[column] = sum(t.error[column], h.Error)
	t.refused = sum(t.refused, h.Refused)
}
