package dns

import (
	"visor/handler"
	"visor/sketch/hash64"
)

// ends keeps the two ends and the name of each sampled query that waits for its reply, for the
// counts of queries without one. A waiting query has a reference to them; 0 is none. The memory of
// an answered query is used by the next one, so that the memory is near.
type ends struct {
	all  []end
	free []uint32 // references that are not in use
}

// end is a waiting query. A name of more bytes than fit is cut to its last labels.
type end struct {
	client, server address
	hash           uint64 // of the name
	length         uint8  // of the name's key
	named          bool
	name           [nameKept]byte
}

const nameKept = 62

// add keeps the ends of a query and returns their reference, or 0 if it has none.
func (t *ends) add(m *handler.Message, h *hash64.Hasher) uint32 {
	src, dst := m.Packet.Src.Addr(), m.Packet.Dst.Addr()
	if !src.IsValid() || !dst.IsValid() {
		return 0
	}
	if len(t.free) == 0 {
		t.all = append(t.all, end{})
		t.free = append(t.free, uint32(len(t.all)))
	}
	ref := t.free[len(t.free)-1]
	t.free = t.free[:len(t.free)-1]
	e := &t.all[ref-1]
	e.client, e.server, e.named = addressOf(src), addressOf(dst), m.Named
	if m.Named {
		e.keep(m, h)
	}
	return ref
}

// keep keeps the name of m.
func (e *end) keep(m *handler.Message, h *hash64.Hasher) {
	key := m.Name.Key()
	e.hash = m.Hash
	if len(key) > nameKept {
		at := 0
		for len(key)-at+1 > nameKept { // a part has a final zero
			at += 1 + int(key[at])
		}
		e.length = uint8(copy(e.name[:], key[at:]) + 1)
		e.name[e.length-1] = 0
		e.hash = h.Sum(e.name[:e.length])
		return
	}
	e.length = uint8(copy(e.name[:], key))
}

// take returns the ends of a query and frees their reference. They are valid until the next add. It
// returns nil for 0.
func (t *ends) take(ref uint32) *end {
	if ref == 0 {
		return nil
	}
	t.free = append(t.free, ref)
	return &t.all[ref-1]
}
