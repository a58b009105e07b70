package sketch

import (
	"bytes"
	"encoding/binary"
)

// TopNames is a [TopK] for keys of any length. It copies keys into an arena when they enter the
// list. Callers keep names short, like domain names: the list holds at most twice its capacity of
// them.
//
// A TopNames is owned by one goroutine. The zero TopNames has the [DefaultCapacity] and is ready to
// use.
type TopNames struct {
	t       table[span]
	arena   []byte // the names, concatenated
	spare   []byte // the arena before the last purge, reused by the next one
	touched byte   // see touch
}

// span is the position of a name in the arena.
type span struct {
	at  uint32
	len uint32
}

// Limit sets the capacity of an empty list; 0 means [DefaultCapacity], and the maximum is 1<<20.
// Reset keeps it.
func (t *TopNames) Limit(capacity int) { t.t.capacity = min(max(capacity, 0), maxCapacity) }

// Add adds n to the count of name, whose hash is h. It copies name when it enters the list.
func (t *TopNames) Add(h uint64, name []byte, n uint64) {
	if n == 0 {
		return
	}
	h = max(h, 1) // 0 marks a free slot
	t.t.total = sum(t.t.total, n)
	if e := t.t.first(h); e != nil && e.hash == h && equal(t.name(e.value), name) {
		e.count = sum(e.count, n)
		return
	}
	t.add(h, name, n)
}

// NameCount is a name with its hash and a count.
type NameCount struct {
	Hash  uint64
	Name  []byte
	Count uint64
}

// AddAll adds all of batch, like Add. The slots and names of rare keys are in none of the first
// caches. Short loops load the slots of many keys, then their names, so that the misses overlap:
// 5 per cent of a DNS packet's time.
func (t *TopNames) AddAll(batch []NameCount) {
	for len(batch) > 0 {
		next := batch[:min(len(batch), 64)]
		batch = batch[len(next):]
		t.touched = t.touch(next)
		for i := range next {
			t.Add(next[i].Hash, next[i].Name, next[i].Count)
		}
	}
}

// touch loads the slots and names of a batch. The result keeps the compiler from removing the
// loads.
func (t *TopNames) touch(batch []NameCount) (sum byte) {
	if len(t.t.slots) == 0 {
		return 0
	}
	for i := range batch {
		sum += byte(t.t.slots[t.t.home(batch[i].Hash)].hash)
	}
	for i := range batch {
		if at := t.t.slots[t.t.home(batch[i].Hash)].value.at; uint64(at) < uint64(len(t.arena)) {
			sum += t.arena[at]
		}
	}
	return sum
}

// equal is bytes.Equal for names, most of them of 8 to 40 bytes: without a call it takes a third of
// the time.
func equal(a, b []byte) bool {
	if len(a) != len(b) || len(a) < 8 {
		return string(a) == string(b)
	}
	last := len(a) - 8
	for i := 0; i < last; i += 8 {
		if binary.LittleEndian.Uint64(a[i:]) != binary.LittleEndian.Uint64(b[i:]) {
			return false
		}
	}
	return binary.LittleEndian.Uint64(a[last:]) == binary.LittleEndian.Uint64(b[last:])
}

// add is Add for a name that is not in the first slot.
func (t *TopNames) add(h uint64, name []byte, n uint64) {
	i := t.t.find(h)
	if i >= 0 && t.t.slots[i].hash == h && !equal(t.name(t.t.slots[i].value), name) {
		i = t.t.other(h, func(v span) bool { return string(t.name(v)) == string(name) })
	}
	switch {
	case i < 0 && len(t.t.slots) > 0:
		t.t.refused = sum(t.t.refused, n)
	case i >= 0 && t.t.slots[i].hash == h:
		t.t.slots[i].count = sum(t.t.slots[i].count, n)
	case i >= 0 && t.t.skip(h, n):
	case t.t.enter(i, h, n, t.keep(name)):
		t.compact()
	}
}

// keep copies a name to the arena.
func (t *TopNames) keep(name []byte) span {
	t.arena = append(t.arena, name...)
	return span{uint32(len(t.arena) - len(name)), uint32(len(name))}
}

// compact drops the names that are no longer in the list.
func (t *TopNames) compact() {
	t.spare = t.spare[:0]
	for i := range t.t.slots {
		if e := &t.t.slots[i]; e.hash != 0 {
			at := uint32(len(t.spare))
			t.spare = append(t.spare, t.name(e.value)...)
			e.value.at = at
		}
	}
	t.arena, t.spare = t.spare, t.arena
}

func (t *TopNames) name(s span) []byte { return t.arena[s.at : s.at+s.len : s.at+s.len] }

// Top returns the n entries with the highest counts, ties in the order of their bytes. Keys borrow
// from the list until it changes.
func (t *TopNames) Top(n int) []Entry[[]byte] {
	best := leaders[[]byte]{n: n, compare: bytes.Compare}
	t.offerAll(&best)
	return best.sorted()
}

func (t *TopNames) offerAll(best *leaders[[]byte]) {
	for i := range t.t.slots {
		if e := &t.t.slots[i]; e.hash != 0 && !best.worse(e.count) {
			best.offer(Entry[[]byte]{t.name(e.value), e.count, sum(e.count, t.t.error())})
		}
	}
}

// Len returns the number of names in the list.
func (t *TopNames) Len() int { return t.t.used }

// Total returns the sum of all added counts.
func (t *TopNames) Total() uint64 { return t.t.total }

// Error returns the same as [TopK.Error].
func (t *TopNames) Error() uint64 { return t.t.error() }

// Refused returns the same as [TopK.Refused].
func (t *TopNames) Refused() uint64 { return t.t.refused }

// Merge merges src into t like [TopK.Merge].
func (t *TopNames) Merge(src *TopNames) {
	t.merge(src, func(e *entry[span]) uint64 { return e.hash })
}

// merge is Merge with a function under that returns the hash for an entry of src in t.
func (t *TopNames) merge(src *TopNames, under func(*entry[span]) uint64) {
	total := sum(t.t.total, src.t.total)
	t.t.offset = sum(t.t.offset, src.t.error())
	for i := range src.t.slots {
		if e := &src.t.slots[i]; e.hash != 0 {
			name := src.name(e.value)
			t.t.merge(under(e), e.count, func(v span) bool { return string(t.name(v)) == string(name) }, func() span { return t.keep(name) })
		}
	}
	if t.t.fit() {
		t.compact()
	}
	t.t.total = total
	t.t.refused = sum(t.t.refused, src.t.refused)
}

// CopyFrom makes t equal to src, which stays unchanged. It reuses the memory of t.
func (t *TopNames) CopyFrom(src *TopNames) {
	t.t.copyFrom(&src.t)
	t.arena = append(t.arena[:0], src.arena...)
}

// Reset empties the list and keeps its memory.
func (t *TopNames) Reset() {
	t.t.reset()
	t.arena = t.arena[:0]
}

// MarshalBinary returns the list as bytes. It never fails.
func (t *TopNames) MarshalBinary() ([]byte, error) {
	return t.t.appendTo(nil, func(b []byte, s span) ([]byte, error) {
		return append(binary.AppendUvarint(b, uint64(s.len)), t.name(s)...), nil
	})
}

// UnmarshalBinary sets t from the output of MarshalBinary. Other bytes are an error and leave t
// unchanged.
func (t *TopNames) UnmarshalBinary(data []byte) error {
	var arena []byte
	err := t.t.read(data, func(r *reader) span {
		name := r.take(r.uvarint())
		arena = append(arena, name...)
		return span{uint32(len(arena) - len(name)), uint32(len(name))}
	}, func(a, b span) bool { return string(arena[a.at:a.at+a.len]) == string(arena[b.at:b.at+b.len]) })
	if err == nil {
		t.arena = arena
	}
	return err
}
