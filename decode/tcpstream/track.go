package tcpstream

// tick advances the clock by the elapsed packet time. Steps back within Idle are reordering. A
// larger step back, such as after a wrong timestamp, restarts the clock.
func (a *Assembler[S]) tick(nowNS int64) {
	a.nowNS = nowNS
	if a.stepped {
		a.clock = nowNS
		return
	}
	if !a.timed {
		a.timed, a.maxNS = true, nowNS
		return
	}
	if nowNS > a.maxNS {
		a.clock += int64(min(uint64(nowNS)-uint64(a.maxNS), uint64(a.idle/2)))
		a.maxNS = nowNS
	} else if uint64(a.maxNS)-uint64(nowNS) > uint64(a.idle) {
		a.maxNS = nowNS
	}
}

// expireIdle ends a few of the connections that have been idle, or closing, for too long, and
// reports whether it found any.
func (a *Assembler[S]) expireIdle() (any bool) {
	for l := range a.lists {
		for range 4 {
			i := a.lists[l].head
			if i == 0 {
				break
			}
			c := &a.conns[i]
			if !a.endOld(i, c) {
				break
			}
			any = true
		}
	}
	return any
}

// endOld ends a connection that was idle, or closing, for too long, and reports whether it was.
func (a *Assembler[S]) endOld(i uint32, c *conn[S]) bool {
	switch {
	case c.list == closing && apart(a.clock, c.moved) >= uint64(a.reorder):
		a.stats.Finished++
		a.endForGood(i)
	case c.list != closing && apart(a.clock, c.seen) >= uint64(a.idle):
		a.stats.Idle++
		a.end(i)
	default:
		return false
	}
	return true
}

// expireAll is expireIdle of all connections, in steps, because their clocks are not in the order
// of their lists. It also drops the wait for what has been missing for too long.
func (a *Assembler[S]) expireAll() bool {
	for l := range a.unexpired {
		for i := a.unexpired[l]; i != 0; i = a.unexpired[l] {
			c := &a.conns[i]
			a.unexpired[l] = c.next
			if a.endOld(i, c) || a.giveUpOld(i, c) {
				return true
			}
		}
	}
	return false
}

// giveUpOld delivers what the sides of c have held for too long.
func (a *Assembler[S]) giveUpOld(i uint32, c *conn[S]) (any bool) {
	for d := range c.sides {
		s := &c.sides[d]
		old := apart(a.clock, s.heldAt) >= uint64(a.idle)
		for s.first != 0 && old {
			a.giveUp(i<<1|uint32(d), s)
			any = true
		}
	}
	return any
}

// apart returns the time between two times.
func apart(a, b int64) uint64 {
	if a < b {
		a, b = b, a
	}
	return uint64(a) - uint64(b)
}

// find returns the connection of seg, or 0 if it has none and begins none.
func (a *Assembler[S]) find(seg *Segment, wire int) uint32 {
	syn := seg.Flags&SYN != 0
	if v, ok := a.table.Get(seg.Key); ok {
		i := *v
		if !syn || seg.Flags&RST != 0 || !a.conns[i].replacedBy(seg) {
			return i
		}
		a.stats.Replaced++
		a.end(i)
		return a.beginOrNote(seg, wire)
	}
	if seg.Flags&RST != 0 || (!syn && wire == 0) {
		return 0
	}
	if e, ok := a.ended.Get(seg.Key); ok && apart(a.clock, e.at) < linger && e.covers(seg) {
		a.stats.Late++
		return 0
	}
	return a.beginOrNote(seg, wire)
}

// beginOrNote begins the connection of seg if seg has payload. Otherwise it stores the handshake
// and returns 0.
func (a *Assembler[S]) beginOrNote(seg *Segment, wire int) uint32 {
	if seg.Flags&SYN != 0 {
		a.ended.Delete(seg.Key)
	}
	if wire > 0 {
		return a.begin(seg)
	}
	a.handshakes.note(seg, a.nowMS(), uint32(a.idle/1e6))
	return 0
}

// replacedBy reports whether the SYN in seg does not belong to c. SYNs of c are the one seen, and
// one that is late or was lost before c was first seen.
func (c *conn[S]) replacedBy(seg *Segment) bool {
	s := &c.sides[seg.Dir&1]
	seq := seg.Seq + 1
	switch {
	case s.is(started):
		before := distance(s.start, seq)
		return before != 0 && (s.is(synSeen) || before < 0 || before > nearStart)
	case s.is(hinted):
		before := distance(s.ack, seq)
		return before < 0 || before > nearStart
	}
	return false
}

// begin sets the first byte to seq, as stated by a SYN. A late SYN does not bring back bytes before
// the delivered ones.
func (s *side[S]) begin(seq uint32) {
	if !s.is(started) {
		s.next = seq
	}
	s.start = seq
	s.flags |= started | synSeen
}

// pickUp begins in the middle of the stream: at seq, or earlier if the peer's acknowledgements show
// missing bytes before it.
func (s *side[S]) pickUp(seq uint32) {
	if s.is(hinted) {
		if missing := distance(seq, s.ack); 0 < missing && missing <= nearStart {
			seq = s.ack
		} else if missing != 0 {
			s.flags &^= hintSyn
		}
	}
	s.flags |= started
	s.start, s.next = seq, seq
}

// payload takes the wire bytes at seq, where b is the captured part. It reports whether they can
// belong to this stream.
func (a *Assembler[S]) payload(ref uint32, s *side[S], seq uint32, b []byte, wire int, timeNS int64) bool {
	if !s.is(started) {
		s.pickUp(seq)
	}
	if s.is(finSeen) {
		wire = min(wire, max(int(distance(s.fin, seq)), 0))
		b = b[:min(len(b), wire)]
	}
	ahead := int(distance(seq, s.next))
	if ahead > maxWindow || ahead+wire < -maxWindow {
		return false
	}
	if ahead+wire <= 0 {
		a.stats.Repeated++
		return true
	}
	if !s.is(opened) {
		a.open(ref, s)
	}
	if ahead == 0 && s.first == 0 && len(b) > 0 && a.side(ref^1).first == 0 {
		a.deliver(ref, s, b, len(b), timeNS)
	} else {
		a.add(ref, s, seq, b, len(b), timeNS)
	}
	if cut := wire - len(b); cut > 0 {
		a.add(ref, s, seq+uint32(len(b)), nil, cut, timeNS)
	}
	return true
}

func (a *Assembler[S]) open(ref uint32, s *side[S]) {
	s.flags |= opened
	a.tell(pending{kind: Open, ref: ref, timeNS: a.nowNS, start: s.flags&(synSeen|hintSyn) != 0})
}

// outOfWindow handles payload of seg that cannot belong to its stream. Once may be an accident. If
// it repeats, this is another connection whose SYN was not seen.
func (a *Assembler[S]) outOfWindow(i uint32, seg *Segment, wire int) {
	a.stats.OutOfWindow++
	c := &a.conns[i]
	c.outside++
	if c.outside < 2 {
		return
	}
	a.stats.Replaced++
	a.end(i)
	ref := a.begin(seg)<<1 | uint32(seg.Dir&1)
	a.payload(ref, a.side(ref), seg.Seq, seg.Payload, wire, seg.TimeNS)
}

// finish stores a FIN at seq.
func (s *side[S]) finish(seq uint32) {
	if s.is(finSeen) {
		return
	}
	if !s.is(started) {
		s.pickUp(seq)
	}
	if ahead := distance(seq, s.next); ahead >= 0 && ahead <= maxWindow {
		s.fin = seq
		s.flags |= finSeen
	}
}

// reset ends the connection if the RST can belong to it.
func (a *Assembler[S]) reset(i uint32, c *conn[S], seg *Segment) {
	s := &c.sides[seg.Dir&1]
	if far := distance(seg.Seq, s.next); s.is(started) && seg.Seq != 0 && (far > maxWindow || far < -maxWindow) {
		a.stats.OutOfWindow++
		return
	}
	a.stats.Reset++
	a.endForGood(i)
}

// acknowledge stores how many bytes the sender of seg has received from its peer.
func (a *Assembler[S]) acknowledge(c *conn[S], seg *Segment) {
	s := &c.sides[^seg.Dir&1]
	if !s.is(started) {
		if !s.is(hinted) || distance(seg.Ack, s.ack) > 0 {
			s.ack = seg.Ack
		}
		s.flags |= hinted
		if seg.Flags&SYN != 0 {
			s.flags |= hintSyn
		}
		return
	}
	ahead := distance(seg.Ack, s.next)
	if ahead <= 0 || ahead > maxWindow {
		return
	}
	if !s.is(ackedHole) {
		s.flags |= ackedHole
		s.ack = seg.Ack
		a.awaitHole(s)
	} else if distance(seg.Ack, s.ack) > 0 {
		s.ack = seg.Ack
	}
}

// awaitHole starts waiting for the bytes that the peer has acknowledged.
func (a *Assembler[S]) awaitHole(s *side[S]) {
	s.holeAck, s.holeSince, s.holeAge = s.ack, a.nowNS, 0
}

// expireHoles abandons the holes of c that the peer acknowledged long ago: the capture missed those
// segments.
func (a *Assembler[S]) expireHoles(i uint32, c *conn[S]) {
	if a.stepped {
		a.giveUpOld(i, c)
	}
	for d := range c.sides {
		s := &c.sides[d]
		if !s.is(ackedHole) {
			continue
		}
		s.holeAge++
		over := s.holeAge > holeSegments || a.nowNS-s.holeSince >= a.reorder
		if over {
			s.holeAge = holeSegments
			for a.hasHole(s) && distance(a.pieces[s.first].seq, s.holeAck) <= 0 {
				a.giveUp(i<<1|uint32(d), s)
			}
		}
		resolved := distance(s.holeAck, s.next) <= 0
		// the peer has acknowledged more of the hole since
		longer := over && a.hasHole(s) && s.ack != s.holeAck
		switch {
		case resolved && distance(s.ack, s.next) <= 0:
			s.flags &^= ackedHole
		case resolved || longer:
			a.awaitHole(s)
		}
	}
}

// close ends c if both sides are done. If both have finished but some bytes are missing, c waits
// for them briefly.
func (a *Assembler[S]) close(i uint32, c *conn[S]) {
	if !c.sides[0].is(finSeen) || !c.sides[1].is(finSeen) {
		return
	}
	if c.sides[0].done() && c.sides[1].done() {
		a.stats.Finished++
		a.endForGood(i)
	} else if c.list != closing {
		a.move(i, closing)
	}
}
