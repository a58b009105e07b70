package tcpstream

import "math/bits"

// handshake stores a connection without payload: 20 bytes, however many SYNs arrive.
type handshake struct {
	tag   uint32    // of the key; 0 with flags 0: empty
	atMS  uint32    // clock
	seq   [2]uint32 // of the first byte of each side
	flags uint8
}

const (
	synOf    uint8 = 1 << iota // the SYN of side 0 was seen; of side 1, shifted by one
	_                          //
	answerTo                   // side 0 is known from the answer to its SYN
)

const (
	ways          = 4 // possible places for the handshake of a key
	maxHandshakes = 1 << 16
)

// handshakes is a table of fixed size for the latest handshakes. It is allocated with the first.
type handshakes struct {
	slots   []handshake
	size    int // a power of two
	evicted uint64
}

func newHandshakes(conns int) handshakes {
	return handshakes{size: 1 << bits.Len(uint(min(max(conns, ways), maxHandshakes)-1))}
}

// set returns the places for key, and its tag.
func (h *handshakes) set(key uint64) ([]handshake, uint32) {
	key *= 0x9E3779B97F4A7C15
	i := int(key>>32) & (h.size - 1) &^ (ways - 1)
	return h.slots[i : i+ways], uint32(key)
}

// find returns the handshake of key that was seen less than idleMS before nowMS, or nil.
func (h *handshakes) find(key uint64, nowMS, idleMS uint32) *handshake {
	if h.slots == nil {
		return nil
	}
	set, tag := h.set(key)
	for i := range set {
		if s := &set[i]; s.tag == tag && s.flags != 0 && ago(nowMS, s.atMS) < idleMS {
			return s
		}
	}
	return nil
}

// ago returns the time between two times, which wrap around.
func ago(nowMS, atMS uint32) uint32 {
	if d := int32(nowMS - atMS); d < 0 {
		return uint32(-d)
	}
	return nowMS - atMS
}

// note stores the SYN in seg, or the answer to one.
func (h *handshakes) note(seg *Segment, nowMS, idleMS uint32) {
	if h.slots == nil {
		h.slots = make([]handshake, h.size)
	}
	d := seg.Dir & 1
	s := h.find(seg.Key, nowMS, idleMS)
	if s == nil {
		s = h.oldest(seg.Key, nowMS, idleMS)
	} else if s.flags&(synOf<<d) != 0 && s.seq[d] != seg.Seq+1 {
		s.flags = 0 // another connection
	}
	s.atMS = nowMS
	s.seq[d] = seg.Seq + 1
	s.flags |= synOf << d
	if peer := d ^ 1; seg.Flags&ACK != 0 && s.flags&(synOf<<peer) == 0 {
		s.seq[peer] = seg.Ack
		s.flags |= answerTo << peer
	}
}

// oldest returns an empty place for key: the place of the handshake that was seen first.
func (h *handshakes) oldest(key uint64, nowMS, idleMS uint32) *handshake {
	set, tag := h.set(key)
	oldest := &set[0]
	for i := range set {
		s := &set[i]
		if s.flags == 0 {
			oldest = s
			break
		}
		if ago(nowMS, s.atMS) > ago(nowMS, oldest.atMS) {
			oldest = s
		}
	}
	if oldest.flags != 0 && ago(nowMS, oldest.atMS) < idleMS {
		h.evicted++
	}
	*oldest = handshake{tag: tag}
	return oldest
}

// nowMS returns the clock in the unit of handshakes.
func (a *Assembler[S]) nowMS() uint32 { return uint32(a.clock / 1e6) }

// recall copies the handshake of a new connection into its sides.
func (a *Assembler[S]) recall(c *conn[S]) {
	h := a.handshakes.find(c.key, a.nowMS(), uint32(a.idle/1e6))
	if h == nil {
		return
	}
	for d := range c.sides {
		s := &c.sides[d]
		switch {
		case h.flags&(synOf<<d) != 0:
			s.begin(h.seq[d])
		case h.flags&(answerTo<<d) != 0:
			s.ack = h.seq[d]
			s.flags |= hinted | hintSyn
		}
	}
	*h = handshake{}
}
