package sketch

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
)

// DefaultCapacity is the number of entries that a list holds before it drops the rarest. It matches
// pktvisor, whose lists are exact up to it.
const DefaultCapacity = 6144

const (
	minSlots = 16
	// greatest probe length: keys of honest clients need more in one of 10⁸ full lists
	maxProbe = 512
	maxTwins = 4 // keys with the same hash in a list
)

// maxCapacity is the largest list that UnmarshalBinary accepts.
const maxCapacity = 1 << 20

// table is a bounded hash table of counts. It uses the frequent-items algorithm of Anderson et al.,
// "A High-Performance Algorithm for Identifying Frequent Items in Data Streams" (2017). When the
// table is full, a purge subtracts the median of the counts from all of them and drops those that
// fall to zero. offset is the sum of the subtracted medians. A key has count to count+offset
// occurrences, a key not in the table at most offset. Each purge takes at most 9/8 of the median,
// so the sum of the medians is at most total / (2/5 · capacity).
//
// After the first purge, most new keys never come again. To enter and to drop one costs six times
// as much as to find one. So their counts first go to cells, as in Homem and Carvalho, "Finding
// top-k elements in data streams" (2010). A new key enters once its cell would exceed the latest
// median. The greatest cell is added to the error until the next purge, and then to offset. It is
// at most the median, so the error doubles at worst, to total / (1/5 · capacity). Where most keys
// come once, a purge takes two to three times as many keys, and the error stays the same.
//
// A key is found by its hash and compared. Its slot follows from the hash and a secret of the
// table, so that an attacker with knowledge of the hashes cannot make keys share slots. Keys with
// the same hash always share slots. The table holds four of them and refuses further ones, whose
// counts are only in total and refused. Three random keys share a hash in one of 10²⁷ full tables.
type table[V any] struct {
	slots    []entry[V] // open addressing, linear probing; a power of two; hash 0 is free
	odd      uint64     // the secret: a slot is the highest bits of hash · odd
	shift    uint8      // 64 − log2(len(slots))
	used     int
	capacity int // 0: DefaultCapacity
	offset   uint64
	total    uint64
	refused  uint64
	// counts of keys that did not enter, by the highest bits of their hash; as many as slots
	cells   []uint16
	most    uint64 // greatest count of a cell: the latest median; 0 before the first purge
	skipped uint64 // the greatest cell
}

type entry[V any] struct {
	hash  uint64
	count uint64
	value V
}

// home returns the slot at which the search for h begins. There must be slots.
func (t *table[V]) home(h uint64) uint64 { return h * t.odd >> (t.shift & 63) & uint64(len(t.slots)-1) }

// first returns the slot at the home of h, where most keys are, or nil without slots.
func (t *table[V]) first(h uint64) *entry[V] {
	if len(t.slots) == 0 {
		return nil
	}
	return &t.slots[h*t.odd>>(t.shift&63)&uint64(len(t.slots)-1)]
}

// find returns the first slot from the home of h on that has h or is free. It returns -1 if neither
// is near.
func (t *table[V]) find(h uint64) int {
	if len(t.slots) == 0 {
		return -1
	}
	mask := uint64(len(t.slots) - 1)
	i := h * t.odd >> (t.shift & 63)
	for range maxProbe {
		if e := &t.slots[i&mask]; e.hash == h || e.hash == 0 {
			return int(i & mask)
		}
		i++
	}
	return -1
}

// other returns the slot of a key that shares its hash with other keys, or a free slot for it. is
// recognizes the key. other returns -1 if it finds neither.
func (t *table[V]) other(h uint64, is func(V) bool) int {
	mask := uint64(len(t.slots) - 1)
	twins := 0
	for i := h * t.odd >> (t.shift & 63); twins < maxTwins; i++ {
		switch e := &t.slots[i&mask]; {
		case e.hash == 0:
			return int(i & mask)
		case e.hash == h && is(e.value):
			return int(i & mask)
		case e.hash == h:
			twins++
		}
	}
	return -1
}

// free returns the first free slot from the home of h on, or -1 if none is near.
func (t *table[V]) free(h uint64) int {
	mask := uint64(len(t.slots) - 1)
	i := h * t.odd >> (t.shift & 63)
	for range maxProbe {
		if t.slots[i&mask].hash == 0 {
			return int(i & mask)
		}
		i++
	}
	return -1
}

// error returns the most by which a count may be too low.
func (t *table[V]) error() uint64 { return sum(t.offset, t.skipped) }

// skip adds n occurrences of a new key to its cell instead of the table. It reports whether they
// fit. The cell depends on the hash alone, so that a stream always yields the same list.
func (t *table[V]) skip(h, n uint64) bool {
	if n > t.most {
		return false
	}
	c := &t.cells[h>>(t.shift&63)]
	n += uint64(*c)
	if n > t.most {
		return false
	}
	*c = uint16(n)
	t.skipped = max(t.skipped, n)
	return true
}

// enter stores a new key at the free slot i, if i is valid and the key may stay there. It reports
// whether the table was purged for it.
func (t *table[V]) enter(i int, h, n uint64, v V) (purged bool) {
	switch {
	case i < 0 && len(t.slots) > 0:
		t.refused = sum(t.refused, n)
		return false
	case t.used >= t.limit():
		t.purge()
		i, purged = t.free(h), true
	case 4*(t.used+1) > 3*len(t.slots):
		t.grow()
		i = t.free(h)
	}
	t.place(i, entry[V]{h, n, v})
	return purged
}

// place fills slot i. Without a slot, the entry is refused.
func (t *table[V]) place(i int, e entry[V]) {
	if i < 0 {
		t.refused = sum(t.refused, e.count)
		return
	}
	t.slots[i] = e
	t.used++
}

// merge adds an entry of another table, even above the capacity: the order of entries must not
// decide which of them stay. is recognizes the key; value converts it to a key of this table.
func (t *table[V]) merge(h, n uint64, is func(V) bool, value func() V) {
	if 4*(t.used+1) > 3*len(t.slots) {
		t.grow()
	}
	switch i := t.other(h, is); {
	case i >= 0 && t.slots[i].hash != 0:
		t.slots[i].count = sum(t.slots[i].count, n)
	case i >= 0:
		t.place(i, entry[V]{h, n, value()})
	default:
		t.refused = sum(t.refused, n)
	}
}

// fit purges a table that has grown beyond its capacity.
func (t *table[V]) fit() (purged bool) {
	for t.used > t.limit() {
		t.purge()
		purged = true
	}
	return purged
}

// limit returns the capacity.
func (t *table[V]) limit() int {
	if t.capacity > 0 {
		return t.capacity
	}
	return DefaultCapacity
}

// grow doubles the slots.
func (t *table[V]) grow() { t.resize(max(minSlots, 2*len(t.slots))) }

// reserve makes an empty table large enough for n entries.
func (t *table[V]) reserve(n int) {
	size := minSlots
	for 3*size < 4*n {
		size *= 2
	}
	if size > len(t.slots) {
		t.resize(size)
	}
}

// resize changes the number of slots to a higher power of two.
func (t *table[V]) resize(n int) {
	old := t.slots
	t.slots = make([]entry[V], n)
	t.shift = uint8(64 - bits.TrailingZeros(uint(len(t.slots))))
	t.odd |= 1
	for t.odd == 1 {
		t.odd = rand.Uint64() | 1
	}
	t.used = 0
	for i := range old {
		if old[i].hash != 0 {
			t.place(t.free(old[i].hash), old[i])
		}
	}
}

// purge subtracts about the median count and drops what falls to zero.
func (t *table[V]) purge() {
	median := t.median()
	t.offset = sum(t.error(), median)
	t.clearCells(min(median, math.MaxUint16))
	start := slices.IndexFunc(t.slots, func(e entry[V]) bool { return e.hash == 0 })
	for i := range t.slots {
		e := &t.slots[i]
		switch {
		case e.hash == 0:
		case e.count <= median:
			*e = entry[V]{}
			t.used--
		default:
			e.count -= median
		}
	}
	t.settle(start)
}

// clearCells empties the cells. They take up to most from now on.
func (t *table[V]) clearCells(most uint64) {
	t.most, t.skipped = most, 0
	if len(t.cells) != len(t.slots) {
		t.cells = make([]uint16, len(t.slots))
		return
	}
	clear(t.cells)
}

// median returns the median of the counts, or up to an eighth more: the greatest number of a class.
// It does not depend on the slots of the entries.
func (t *table[V]) median() uint64 {
	var classes [16 + 60*8]int
	for i := range t.slots {
		if t.slots[i].hash != 0 {
			classes[class(t.slots[i].count)]++
		}
	}
	left := t.used / 2
	for i, n := range classes {
		if left -= n; left < 0 {
			return classMax(i)
		}
	}
	return math.MaxUint64 // for an empty table
}

// class returns the number of a count's class: each count below 16 has its own, and each power of
// two above has eight.
func class(n uint64) int {
	if n < 16 {
		return int(n)
	}
	top := bits.Len64(n) - 4
	return 16 + (top-1)*8 + int(n>>top&7)
}

// classMax returns the greatest count of a class.
func classMax(i int) uint64 {
	if i < 16 {
		return uint64(i)
	}
	top := (i-16)/8 + 1
	return uint64(8+(i-16)%8+1)<<top - 1
}

// settle moves every entry to where find looks for it, after others were dropped. The slot start
// was free before that, so no entry has its home before start and its slot behind. An entry can
// only move towards its home, past settled entries.
func (t *table[V]) settle(start int) {
	n := len(t.slots)
	for i := range n {
		slot := &t.slots[(start+i)%n]
		if slot.hash == 0 {
			continue
		}
		e := *slot
		*slot = entry[V]{}
		t.slots[t.free(e.hash)] = e
	}
}

// copyFrom makes t equal to src.
func (t *table[V]) copyFrom(src *table[V]) {
	slots, cells := append(t.slots[:0], src.slots...), append(t.cells[:0], src.cells...)
	*t = *src
	t.slots, t.cells = slots, cells
}

func (t *table[V]) reset() {
	clear(t.slots)
	clear(t.cells)
	t.used, t.offset, t.total, t.refused, t.most, t.skipped = 0, 0, 0, 0, 0, 0
}

// The bytes of a list: the version, then as unsigned varints capacity, total, error and the number
// of entries, then the entries: hash (8 bytes, little endian), count (varint) and the key.
const tableVersion = 1

// appendTo appends the bytes of t to b. key appends the key of an entry. Entries are sorted by
// their bytes, so that lists of the same keys and counts have the same bytes.
func (t *table[V]) appendTo(b []byte, key func([]byte, V) ([]byte, error)) ([]byte, error) {
	b = append(b, tableVersion)
	for _, v := range []uint64{uint64(t.limit()), t.total, t.error(), uint64(t.used)} {
		b = binary.AppendUvarint(b, v)
	}
	var all []byte
	var parts [][2]int
	for i := range t.slots {
		e := &t.slots[i]
		if e.hash == 0 {
			continue
		}
		start := len(all)
		all = binary.AppendUvarint(binary.LittleEndian.AppendUint64(all, e.hash), e.count)
		var err error
		if all, err = key(all, e.value); err != nil {
			return nil, err
		}
		parts = append(parts, [2]int{start, len(all)})
	}
	slices.SortFunc(parts, func(p, q [2]int) int { return bytes.Compare(all[p[0]:p[1]], all[q[0]:q[1]]) })
	for _, p := range parts {
		b = append(b, all[p[0]:p[1]]...)
	}
	return b, nil
}

// reader reads the bytes of a sketch. After the first error it returns zeros.
type reader struct {
	what string
	b    []byte
	err  error
}

func (r *reader) take(n uint64) []byte {
	if r.err == nil && n > uint64(len(r.b)) {
		r.err = errCorrupt(r.what, "cut")
	}
	if r.err != nil {
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.take(math.MaxUint64)
		return 0
	}
	r.take(uint64(n))
	return v
}

func (r *reader) uint32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// read sets t from data. It calls value to read the key of each entry, and same to compare keys.
func (t *table[V]) read(data []byte, value func(*reader) V, same func(a, b V) bool) error {
	if len(data) == 0 || data[0] != tableVersion {
		return errCorrupt("a list", "unknown version")
	}
	r := &reader{what: "a list", b: data[1:]}
	out := table[V]{capacity: int(min(r.uvarint(), maxCapacity+1)), total: r.uvarint(), offset: r.uvarint()}
	n := r.uvarint()
	if r.err == nil && (out.capacity == 0 || out.capacity > maxCapacity || n > uint64(out.capacity) || out.offset > out.total) {
		return errCorrupt("a list", "counts contradict each other")
	}
	left := out.total
	for range n {
		h, count := r.uint64(), r.uvarint()
		v := value(r)
		if r.err != nil {
			break
		}
		if h == 0 || count == 0 || count > left && out.total < math.MaxUint64 {
			return errCorrupt("a list", "counts contradict each other")
		}
		left -= min(count, left) // a total of 2⁶⁴-1 may be less than the sum
		i := out.find(h)
		if i >= 0 && out.slots[i].hash == h {
			i = out.other(h, func(w V) bool { return same(v, w) })
		}
		if i < 0 && len(out.slots) > 0 || i >= 0 && out.slots[i].hash == h {
			return errCorrupt("a list", "an entry is there twice")
		}
		out.enter(i, h, count, v)
	}
	if r.err == nil && len(r.b) > 0 {
		return errCorrupt("a list", "bytes are left over")
	}
	if r.err == nil {
		*t = out
	}
	return r.err
}
