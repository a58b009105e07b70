package tcpstream

// The flags of a side.
const (
	started   uint8 = 1 << iota // next and start are valid
	synSeen                     // start came from a SYN
	finSeen                     // fin is valid
	opened                      // Open was delivered
	hinted                      // the peer has acknowledged up to ack; the first byte is unknown
	hintSyn                     // the acknowledgement answered the SYN
	ackedHole                   // holeAck is valid: the peer has bytes that were not seen here
	holding                     // it is in the list of holders
)

// side is one direction of a connection.
//
// Invariants: pieces are in order and do not overlap. The first begins beyond next, or at next
// while its peer has a hole. A side has pieces iff it is in the list of holders.
type side[S any] struct {
	state S
	// packet time of this connection when holeAck was set, independent of other connections
	holeSince int64
	heldAt    int64 // clock when holding began
	next      uint32
	start     uint32 // sequence number of the first byte
	fin       uint32 // sequence number of the FIN, behind the last byte
	ack       uint32 // the highest number that the peer has acknowledged
	holeAck   uint32 // the peer's acknowledgement of a hole that is awaited
	first     uint32 // first piece, or 0
	last      uint32
	earlier   uint32 // holders before and after this one, as ref, or 0
	later     uint32
	bytes     uint32 // in blocks of the pieces
	pieces    uint16
	holeAge   uint8 // segments since holeAck was set
	flags     uint8
}

func (s *side[S]) is(f uint8) bool { return s.flags&f != 0 }

// done reports whether all bytes up to the FIN have been delivered or given up.
func (s *side[S]) done() bool { return s.is(finSeen) && distance(s.fin, s.next) <= 0 }

// distance returns how far a is behind b in sequence space (RFC 1982), negative if before.
func distance(a, b uint32) int32 { return int32(a - b) }

// conn is a connection. Number 0 is not used.
type conn[S any] struct {
	key     uint64
	seen    int64 // clock at its latest segment
	moved   int64 // clock when it moved to the end of its list
	prev    uint32
	next    uint32
	list    uint8
	outside uint8 // consecutive segments with impossible sequence numbers
	sides   [2]side[S]
}

// The lists of connections, each with the longest silent one first.
const (
	talking = iota
	closing // both FINs were seen, but not all bytes before them; ordered by the second FIN
	lists
)

// list is a doubly linked list of connections.
type list struct {
	head, tail uint32
	len        int
}

func (a *Assembler[S]) link(i uint32, to uint8) {
	c, l := &a.conns[i], &a.lists[to]
	c.list, c.moved = to, a.clock
	c.prev, c.next = l.tail, 0
	if l.tail != 0 {
		a.conns[l.tail].next = i
	} else {
		l.head = i
	}
	l.tail = i
	l.len++
}

func (a *Assembler[S]) unlink(i uint32) {
	c := &a.conns[i]
	l := &a.lists[c.list]
	if c.prev != 0 {
		a.conns[c.prev].next = c.next
	} else {
		l.head = c.next
	}
	if c.next != 0 {
		a.conns[c.next].prev = c.prev
	} else {
		l.tail = c.prev
	}
	l.len--
}

func (a *Assembler[S]) move(i uint32, to uint8) {
	a.unlink(i)
	a.link(i, to)
}

// touch handles the arrival of a segment. Moving a connection in its list touches three of them, so
// it moves only after an eighth of Idle.
func (a *Assembler[S]) touch(i uint32, c *conn[S]) {
	c.seen = a.clock
	if a.clock-c.moved > a.idle/8 && c.list != closing {
		a.move(i, c.list)
	}
}

// begin creates a connection and evicts another if the table is full.
func (a *Assembler[S]) begin(seg *Segment) uint32 {
	if a.Len() >= a.maxConns {
		a.stats.Evicted++
		a.end(a.toEvict())
	}
	var i uint32
	if last := len(a.free) - 1; last >= 0 {
		i = a.free[last]
		a.free = a.free[:last]
	} else {
		a.conns = append(a.conns, conn[S]{})
		i = uint32(len(a.conns) - 1)
	}
	c := &a.conns[i]
	c.key, c.seen, c.outside = seg.Key, a.clock, 0
	a.link(i, talking)
	*a.table.Put(seg.Key, a.clock) = i
	a.stats.Connections++
	a.recall(c)
	if seg.Flags&SYN == 0 && !c.sides[seg.Dir&1].is(started|hintSyn) {
		a.stats.Midstream++
	}
	return i
}

// toEvict returns the connection to evict: one that is closing, otherwise one that was silent for
// long, found with a few looks.
func (a *Assembler[S]) toEvict() uint32 {
	l := &a.lists
	if l[closing].len > 0 {
		return l[closing].head
	}
	for range 8 {
		i := l[talking].head
		if c := &a.conns[i]; c.seen == c.moved {
			break
		}
		a.move(i, talking)
		a.conns[i].moved = a.conns[i].seen
	}
	return l[talking].head
}

// end delivers the held bytes of connection i and its end, and removes it.
func (a *Assembler[S]) end(i uint32) {
	c := &a.conns[i]
	first := 0
	if a.hasHole(&c.sides[1]) && !a.hasHole(&c.sides[0]) {
		first = 1 // the other side waits for it
	}
	for _, d := range []int{first, 1 - first} {
		s := &c.sides[d]
		if !s.is(opened) {
			continue
		}
		ref := i<<1 | uint32(d)
		for s.first != 0 {
			a.giveUp(ref, s)
		}
		if s.is(finSeen) && distance(s.fin, s.next) > 0 {
			a.lose(ref, s, s.fin)
		}
		a.tell(pending{kind: End, ref: ref, timeNS: a.nowNS})
	}
	if v, ok := a.table.Get(c.key); ok && *v == i {
		a.table.Delete(c.key)
	}
	a.unlink(i)
	a.dead = append(a.dead, i)
}

// endForGood is end for a connection that expects no further segments, if it had payload. Others,
// such as one with a refused SYN, may be retried.
func (a *Assembler[S]) endForGood(i uint32) {
	a.end(i)
	c := &a.conns[i]
	if !c.sides[0].is(opened) && !c.sides[1].is(opened) {
		return
	}
	e := a.ended.Put(c.key, a.clock)
	e.at = a.clock
	for d := range c.sides {
		s := &c.sides[d]
		e.next[d], e.start[d], e.known[d] = s.next, s.start, s.is(started)
	}
}

// recycle makes ended connections reusable once their events are no longer needed.
func (a *Assembler[S]) recycle() {
	for _, i := range a.dead {
		c := &a.conns[i]
		for d := range c.sides {
			s := &c.sides[d]
			state := s.state
			if s.is(opened) {
				if a.release != nil {
					a.release(&s.state)
					state = s.state
				} else {
					state = *new(S)
				}
			}
			*s = side[S]{state: state}
		}
		a.free = append(a.free, i)
	}
	a.dead = a.dead[:0]
}

// closedConn describes an ended connection for a while, so that late segments of it do not begin
// another.
type closedConn struct {
	at    int64 // clock
	next  [2]uint32
	start [2]uint32
	known [2]bool
}

// covers reports whether seg belongs to the ended connection. A SYN belongs to it only if it is the
// same SYN.
func (e *closedConn) covers(seg *Segment) bool {
	d := seg.Dir & 1
	if seg.Flags&SYN != 0 {
		return e.known[d] && seg.Seq+1 == e.start[d]
	}
	far := distance(seg.Seq, e.next[d])
	return !e.known[d] || (-maxWindow <= far && far <= maxWindow)
}
