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
	hash           uint64 // of the whole name
	flags          endFlags
	length         uint8 // of the name, without the final zero
	name           [nameKept]byte
}

type endFlags uint8

const (
	named  endFlags = 1 << iota // the query has a name
	cut                         // it was cut
	tapped                      // the query is a dnstap message
)

const nameKept = 62 // with the final zero

// add keeps the ends of a query and returns their reference, or 0 if it has none.
func (t *ends) add(m *handler.Message) uint32 {
	src, dst := m.Packet.Src.Addr(), m.Packet.Dst.Addr()
	if !src.IsValid() || !dst.IsValid() {
		return 0
	}
	ref, e := t.next()
	e.client, e.server, e.flags = addressOf(src), addressOf(dst), 0
	if m.Named {
		e.keep(m)
	}
	return ref
}

// keep keeps the name of m.
func (e *end) keep(m *handler.Message) {
	key := m.Name.Key()
	e.hash, e.flags = m.Hash, named
	if m.DNSTapType != 0 {
		e.flags |= tapped
	}
	for len(key) >= nameKept {
		key = key[1+key[0]:]
		e.flags |= cut
	}
	e.length = uint8(copy(e.name[:], key))
	e.name[e.length] = 0
}

// key returns the key of the name, or of the last labels that were kept.
func (e *end) key() []byte {
	if e.flags&cut != 0 {
		return e.name[:e.length+1]
	}
	return e.name[:e.length]
}

// keyHash returns the hash of the key.
func (e *end) keyHash(h *hash64.Hasher) uint64 {
	if e.flags&cut != 0 {
		return h.Sum(e.key())
	}
	return e.hash
}
