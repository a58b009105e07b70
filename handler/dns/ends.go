package dns

import (
	"visor/handler"
	"visor/sketch/hash64"
)

// ends keeps the two ends and the name of each sampled query that waits for its reply, for the
// counts of queries without one.
type ends struct{ kept[end] }

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
	ref, e := t.next()
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
