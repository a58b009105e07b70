package tcpstream

// piece is a run of bytes that waits for earlier ones, or one that is known to be missing.
type piece struct {
	data   []byte // a block of the pool; nil: missing
	timeNS int64
	seq    uint32
	len    uint32
	next   uint32 // piece behind it; 0: none
}

// add takes n bytes at seq: it delivers them if they are next, otherwise holds them. It skips known
// bytes. data is nil if the bytes are missing, otherwise it has n bytes.
func (a *Assembler[S]) add(ref uint32, s *side[S], seq uint32, data []byte, n int, timeNS int64) {
	for n > 0 {
		k := n
		switch ahead := distance(seq, s.next); {
		case ahead < 0:
			k = min(n, int(-ahead))
		case ahead > 0:
			k = a.hold(ref, s, seq, data, n, timeNS)
		default:
			if a.hasHole(a.side(ref ^ 1)) {
				if k = a.hold(ref, s, seq, data, n, timeNS); k > 0 {
					break // it may answer the held bytes
				}
				k = n
			}
			if s.first != 0 {
				k = min(n, int(a.pieces[s.first].seq-seq))
			}
			a.deliver(ref, s, prefix(data, k), k, timeNS)
			a.drain(ref, s)
		}
		seq += uint32(k)
		n -= k
		if data != nil {
			data = data[k:]
		}
	}
}

func prefix(data []byte, n int) []byte {
	if data == nil {
		return nil
	}
	return data[:n]
}

// hasHole reports whether s waits for missing bytes, and not just for its peer.
func (a *Assembler[S]) hasHole(s *side[S]) bool {
	return s.first != 0 && a.pieces[s.first].seq != s.next
}

// hold stores the first of n bytes at seq, which is not before s.next. It returns how many it
// skipped, because they are held already, or stored. It returns 0 if memory is exhausted. Then, if
// seq is beyond s.next, it has given up a hole, so that s.next has changed.
func (a *Assembler[S]) hold(ref uint32, s *side[S], seq uint32, data []byte, n int, timeNS int64) int {
	before, behind := a.place(s, seq)
	if before != 0 {
		p := &a.pieces[before]
		if over := distance(p.seq+p.len, seq); over > 0 {
			return min(n, int(over))
		}
	}
	if behind != 0 {
		n = min(n, int(a.pieces[behind].seq-seq))
	}
	if data != nil {
		n = min(n, maxBlock)
	}
	block, ok := a.room(s, data, n)
	if !ok {
		switch {
		case seq == s.next:
			return 0
		case before != 0:
			a.giveUp(ref, s)
		default:
			a.lose(ref, s, seq)
		}
		a.stats.Overflows++
		return 0
	}
	copy(block, data)
	i := a.newPiece()
	a.pieces[i] = piece{data: block, timeNS: timeNS, seq: seq, len: uint32(n), next: behind}
	if before != 0 {
		a.pieces[before].next = i
	} else {
		s.first = i
	}
	if behind == 0 {
		s.last = i
	}
	s.pieces++
	s.bytes += uint32(cap(block))
	a.stats.Held++
	a.holds(ref, s)
	return n
}

// place returns the neighbours of seq: the last piece that does not begin beyond it, and the next
// one.
func (a *Assembler[S]) place(s *side[S], seq uint32) (before, behind uint32) {
	if s.last != 0 && distance(a.pieces[s.last].seq, seq) <= 0 {
		return s.last, 0
	}
	behind = s.first
	for behind != 0 && distance(a.pieces[behind].seq, seq) <= 0 {
		before, behind = behind, a.pieces[behind].next
	}
	return before, behind
}

// room returns a block for the first n bytes of data, or nil if data is nil. It also reports
// whether s may have the block.
func (a *Assembler[S]) room(s *side[S], data []byte, n int) ([]byte, bool) {
	if int(s.pieces) >= a.maxPieces || len(a.pieces)-len(a.freePieces) > a.pool.max/minBlock {
		return nil, false
	}
	if data == nil {
		return nil, true
	}
	if int(s.bytes)+minBlock<<class(n) > a.maxPerStream {
		return nil, false
	}
	block := a.pool.Get(n)
	return block, block != nil
}

func (a *Assembler[S]) newPiece() uint32 {
	if last := len(a.freePieces) - 1; last >= 0 {
		i := a.freePieces[last]
		a.freePieces = a.freePieces[:last]
		return i
	}
	a.pieces = append(a.pieces, piece{})
	return uint32(len(a.pieces) - 1)
}

// drain delivers the pieces that are next.
func (a *Assembler[S]) drain(ref uint32, s *side[S]) {
	for s.first != 0 && a.pieces[s.first].seq == s.next {
		i := s.first
		p := a.pieces[i]
		a.pieces[i] = piece{}
		a.freePieces = append(a.freePieces, i)
		s.first = p.next
		s.pieces--
		s.bytes -= uint32(cap(p.data))
		if s.first == 0 {
			s.last = 0
			a.holdsNoMore(s)
		}
		a.deliver(ref, s, p.data, int(p.len), p.timeNS)
		if p.data != nil {
			a.spent = append(a.spent, p.data)
		}
	}
	if peer := a.side(ref ^ 1); s.first == 0 && peer.first != 0 && !a.hasHole(peer) {
		a.drain(ref^1, peer)
	}
}

// giveUp reports the hole before the first piece as lost, if one exists, and delivers the pieces
// behind it.
func (a *Assembler[S]) giveUp(ref uint32, s *side[S]) {
	a.lose(ref, s, a.pieces[s.first].seq)
	a.drain(ref, s)
}

// lose reports the bytes before seq as missing.
func (a *Assembler[S]) lose(ref uint32, s *side[S], seq uint32) {
	if seq == s.next {
		return
	}
	a.deliver(ref, s, nil, int(seq-s.next), a.nowNS)
}

// deliver delivers the next n bytes, which arrived at timeNS, or reports them as missing if data is
// nil.
func (a *Assembler[S]) deliver(ref uint32, s *side[S], data []byte, n int, timeNS int64) {
	s.next += uint32(n)
	if data != nil {
		a.stats.Bytes += uint64(n)
		a.tell(pending{kind: Data, ref: ref, data: data, timeNS: timeNS})
		return
	}
	a.stats.LostBytes += uint64(n)
	if last := len(a.queue) - 1; last >= a.read && a.queue[last].kind == Gap && a.queue[last].ref == ref {
		a.queue[last].lost += n
		return
	}
	a.stats.Gaps++
	a.tell(pending{kind: Gap, ref: ref, lost: n, timeNS: a.nowNS})
}

func (a *Assembler[S]) side(ref uint32) *side[S] { return &a.conns[ref>>1].sides[ref&1] }

// holds appends s to the list of holders unless it is in the list.
func (a *Assembler[S]) holds(ref uint32, s *side[S]) {
	if s.is(holding) {
		return
	}
	s.flags |= holding
	s.heldAt = a.clock
	s.earlier, s.later = a.lastHolder, 0
	if a.lastHolder != 0 {
		a.side(a.lastHolder).later = ref
	} else {
		a.firstHolder = ref
	}
	a.lastHolder = ref
}

// holdsNoMore removes s from the list of holders.
func (a *Assembler[S]) holdsNoMore(s *side[S]) {
	s.flags &^= holding
	if s.earlier != 0 {
		a.side(s.earlier).later = s.later
	} else {
		a.firstHolder = s.later
	}
	if s.later != 0 {
		a.side(s.later).earlier = s.earlier
	} else {
		a.lastHolder = s.earlier
	}
}

// relieve drains the longest holders if they have waited for Idle. It also does so if the pool is
// nearly full, to free memory for the next segment.
func (a *Assembler[S]) relieve() {
	for range 4 {
		ref := a.firstHolder
		if ref == 0 {
			return
		}
		s := a.side(ref)
		full := a.pool.Crowded()
		if !full && (a.stepped || a.clock-s.heldAt < a.idle) {
			return
		}
		if full {
			a.stats.Overflows++
		}
		for s.first != 0 {
			a.giveUp(ref, s)
		}
	}
}
