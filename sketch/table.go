package sketch

import (
	"encoding/binary"
	"math"
	"slices"
)

// DefaultCapacity is the number of entries that a list holds before it forgets the rarest: that of the
// reference, whose lists are exact up to it.
const DefaultCapacity = 6144

const minSlots = 16

// maxCapacity is the largest list that bytes from elsewhere may ask for.
const maxCapacity = 1 << 20

// table is a bounded hash table of counts by the frequent-items algorithm of Anderson et al., "A
// High-Performance Algorithm for Identifying Frequent Items in Data Streams" (2017): when it is full, the median of the
// counts is subtracted from all of them and what falls to zero is dropped. offset is the sum of what was
// subtracted: a key has count to count+offset occurrences, a key not in the table at most offset. Each purge takes the
// median from at least two fifths of the counts, so offset is at most total / (2/5 · capacity).
//
// Keys are told apart by their 64-bit hash alone. Two of n random keys share one with a probability of n²/2⁶⁵:
// 10⁻¹² for a full table.
type table[V any] struct {
	slots    []entry[V] // open addressing, linear probing; a power of two; hash 0 is free
	used     int
	capacity int // 0: DefaultCapacity
	offset   uint64
	total    uint64
	sample   []uint64 // scratch of median
}

type entry[V any] struct {
	hash  uint64
	count uint64
	value V
}

// find returns the slot of h, or the free one where it belongs. The table must have slots.
func (t *table[V]) find(h uint64) *entry[V] {
	mask := uint64(len(t.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		if e := &t.slots[i]; e.hash == h || e.hash == 0 {
			return e
		}
	}
}

// bump adds n to h if it is in the table; else it returns the slot where insert may put it.
func (t *table[V]) bump(h, n uint64) (free *entry[V]) {
	if len(t.slots) == 0 {
		t.grow()
	}
	e := t.find(h)
	if e.hash == 0 {
		return e
	}
	e.count = sum(e.count, n)
	return nil
}

// insert puts in a hash that is not there, at free, which bump returned. It reports whether the table was purged for it.
func (t *table[V]) insert(free *entry[V], h, n uint64, v V) (purged bool) {
	switch {
	case t.used >= t.limit():
		t.purge()
		free, purged = t.find(h), true
	case 4*(t.used+1) > 3*len(t.slots):
		t.grow()
		free = t.find(h)
	}
	*free = entry[V]{hash: h, count: n, value: v}
	t.used++
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
func (t *table[V]) grow() {
	old := t.slots
	t.slots = make([]entry[V], max(minSlots, 2*len(old)))
	for i := range old {
		if old[i].hash != 0 {
			*t.find(old[i].hash) = old[i]
		}
	}
}

// purge subtracts the median count and drops what falls to zero.
func (t *table[V]) purge() {
	median := t.median()
	t.offset = sum(t.offset, median)
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
	t.settle()
}

// median returns the median of a sample of the counts: that of the first slots, which are as good as any, since hashes
// choose them. Its rank is from 40 to 60 per cent but for one time in a thousand.
func (t *table[V]) median() uint64 {
	const most = 256
	t.sample = slices.Grow(t.sample[:0], most)
	for i := range t.slots {
		if t.slots[i].hash != 0 {
			t.sample = append(t.sample, t.slots[i].count)
		}
		if len(t.sample) == most {
			break
		}
	}
	slices.Sort(t.sample)
	return t.sample[len(t.sample)/2]
}

// settle moves every entry to where find looks for it, after others were dropped. Beginning behind a free slot,
// each entry can only move towards its home, past entries that have been settled.
func (t *table[V]) settle() {
	n := len(t.slots)
	start := slices.IndexFunc(t.slots, func(e entry[V]) bool { return e.hash == 0 })
	for i := range n {
		slot := &t.slots[(start+i)%n]
		if slot.hash == 0 {
			continue
		}
		e := *slot
		*slot = entry[V]{}
		*t.find(e.hash) = e
	}
}

// copyFrom makes t equal to src.
func (t *table[V]) copyFrom(src *table[V]) {
	slots, sample := append(t.slots[:0], src.slots...), t.sample
	*t = *src
	t.slots, t.sample = slots, sample
}

func (t *table[V]) reset() {
	clear(t.slots)
	t.used, t.offset, t.total = 0, 0, 0
}

// The bytes of a list: the version, then as unsigned varints capacity, total, offset and the number of entries, then the
// entries: hash (8 bytes, little endian), count (varint) and the key.
const tableVersion = 1

func (t *table[V]) appendHead(b []byte) []byte {
	b = append(b, tableVersion)
	for _, v := range []uint64{uint64(t.limit()), t.total, t.offset, uint64(t.used)} {
		b = binary.AppendUvarint(b, v)
	}
	return b
}

func appendEntry(b []byte, hash, count uint64) []byte {
	return binary.AppendUvarint(binary.LittleEndian.AppendUint64(b, hash), count)
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

func (r *reader) uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// read sets t to what data says. It calls value for each entry, to read its key.
func (t *table[V]) read(data []byte, value func(*reader) V) error {
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
		free := out.bump(h, count)
		if free == nil {
			return errCorrupt("a list", "an entry is there twice")
		}
		out.insert(free, h, count, v)
	}
	if r.err == nil && len(r.b) > 0 {
		return errCorrupt("a list", "bytes are left over")
	}
	if r.err == nil {
		*t = out
	}
	return r.err
}
