package sketch

import (
	"bytes"
	"cmp"
	"slices"
)

// TopNames finds the heavy hitters of a stream of names.
type TopNames struct {
	t     table[span]
	arena []byte // the names, one after the other
	spare []byte
}

type span struct {
	at  uint32
	len uint32
}

// Add counts n more of name, whose hash is h. It copies name when it enters the list.
func (t *TopNames) Add(h uint64, name []byte, n uint64) {
	h = max(h, 1) // 0 marks a free slot
	t.t.total += n
	if free := t.t.bump(h, n); free != nil {
		t.enter(free, h, name, n)
	}
}

func (t *TopNames) enter(free *entry[span], h uint64, name []byte, n uint64) {
	v := span{uint32(len(t.arena)), uint32(len(name))}
	t.arena = append(t.arena, name...)
	if t.t.insert(free, h, n, v) {
		t.compact()
	}
}

// compact drops the names that are in the list no more.
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

func (t *TopNames) name(s span) []byte { return t.arena[s.at : s.at+s.len] }

// Top returns the n entries of the highest counts, ties in the order of their bytes. Keys borrow from the list until
// it changes.
func (t *TopNames) Top(n int) []Entry[[]byte] {
	var all []Entry[[]byte]
	for i := range t.t.slots {
		if e := &t.t.slots[i]; e.hash != 0 {
			all = append(all, Entry[[]byte]{t.name(e.value), e.count, e.count + t.t.offset})
		}
	}
	slices.SortFunc(all, func(a, b Entry[[]byte]) int {
		return cmp.Or(cmp.Compare(b.Upper, a.Upper), bytes.Compare(a.Key, b.Key))
	})
	return all[:min(n, len(all))]
}

// Merge adds what src has counted.
func (t *TopNames) Merge(src *TopNames) {
	t.t.offset += src.t.offset
	for i := range src.t.slots {
		if e := &src.t.slots[i]; e.hash != 0 {
			t.Add(e.hash, src.name(e.value), e.count)
		}
	}
}

// Reset empties the list and keeps its memory.
func (t *TopNames) Reset() {
	t.t.reset()
	t.arena = t.arena[:0]
}
