package tcpstream

import (
	"time"

	"visor/internal/flowtable"
)

const (
	// bytes: a segment farther from the expected number does not belong to its stream
	maxWindow = 1 << 24
	// bytes before the first segment seen within which the stream may have begun
	nearStart = 1 << 16
	maxLen    = 1 << 16 // accepted bytes on the wire of one segment

	holeSegments = 8             // segments after which acknowledged but unseen bytes are lost
	linger       = 2_000_000_000 // ns for which an ended connection is remembered
	maxEnded     = 1 << 14       // number of ended connections that are remembered
)

// Assembler puts segments in order, each connection by itself. It is owned by one goroutine.
type Assembler[S any] struct {
	conns  []conn[S]
	free   []uint32
	dead   []uint32 // ended, with events still to be read
	table  *flowtable.Table[uint32]
	ended  *flowtable.Table[closedConn]
	lists  [lists]list
	pieces []piece
	pool   *Pool

	handshakes handshakes

	freePieces  []uint32
	spent       [][]byte // blocks that events refer to
	firstHolder uint32   // sides with pieces, as ref: the connection's number · 2 + direction, or 0
	lastHolder  uint32

	queue []pending
	read  int // number of events that Next has returned
	mode  mode
	event Event[S]
	stats Stats

	clock int64 // elapsed packet time; if stepped, the time of the latest call
	maxNS int64 // the latest packet time, unless a clock was set back
	nowNS int64 // packet time of the latest segment
	timed bool  // the times are valid

	stepped   bool
	unexpired [lists]uint32 // the connections that Advance looks at next

	maxConns, maxPieces, maxPerStream int
	idle, reorder                     int64
	release                           func(*S)
}

// pending is an Event to come.
type pending struct {
	data   []byte
	timeNS int64
	lost   int
	ref    uint32
	kind   Kind
	start  bool
}

// mode selects the work of Next after the events of a segment.
type mode uint8

const (
	stop    mode = iota
	endIdle      // end connections that are idle
	endAll       // end all
)

// New returns an Assembler without connections.
func New[S any](cfg Config[S]) *Assembler[S] {
	cfg = cfg.withDefaults()
	ttl := time.Duration(linger)
	if cfg.Stepped {
		ttl = 0 // the clocks of others do not matter
	}
	return &Assembler[S]{
		conns:        make([]conn[S], 1, 16),
		pieces:       make([]piece, 1, 16),
		table:        flowtable.New[uint32](flowtable.Config{Capacity: cfg.MaxConns}),
		ended:        flowtable.New[closedConn](flowtable.Config{Capacity: min(cfg.MaxConns, maxEnded), TTL: ttl}),
		pool:         cfg.Pool,
		handshakes:   newHandshakes(cfg.MaxConns),
		maxConns:     cfg.MaxConns,
		maxPieces:    cfg.MaxPieces,
		maxPerStream: cfg.MaxPerStream,
		idle:         int64(cfg.Idle),
		reorder:      int64(cfg.Reorder),
		stepped:      cfg.Stepped,
		release:      cfg.Release,
	}
}

// Feed takes a segment and borrows its Payload until the next Feed or Advance. Read the resulting
// events, and the events of connections that ended meanwhile, with Next before that; unread events
// are discarded. No segment causes an error: impossible ones are ignored and counted.
func (a *Assembler[S]) Feed(seg Segment) {
	a.settle()
	a.mode = stop
	a.tick(seg.TimeNS)
	a.relieve()
	if !a.stepped {
		a.expireIdle()
	}
	a.stats.Segments++
	wire := max(len(seg.Payload), min(seg.WireLen, maxLen))

	i := a.find(&seg, wire)
	if i == 0 {
		return
	}
	c := &a.conns[i]
	a.touch(i, c)
	if seg.Flags&RST != 0 {
		a.reset(i, c, &seg)
		return
	}
	ref := i<<1 | uint32(seg.Dir&1)
	s := &c.sides[seg.Dir&1]
	seq := seg.Seq
	if seg.Flags&SYN != 0 {
		seq++
		s.begin(seq)
	}
	if wire > 0 {
		if !a.payload(ref, s, seq, seg.Payload, wire, seg.TimeNS) {
			a.outOfWindow(i, &seg, wire)
			return
		}
		c.outside = 0
	}
	if seg.Flags&(FIN|SYN) == FIN {
		s.finish(seq + uint32(wire))
	}
	if seg.Flags&ACK != 0 {
		a.acknowledge(c, &seg)
	}
	a.expireHoles(i, c)
	a.close(i, c)
}

// Advance sets the time to nowNS when no segments arrive: idle connections end, and Next returns
// their events. It discards unread events of Feed.
func (a *Assembler[S]) Advance(nowNS int64) {
	a.settle()
	a.tick(nowNS)
	a.mode = endIdle
	for l := range a.lists {
		a.unexpired[l] = a.lists[l].head
	}
}

// Flush ends all connections at the end of a recording. Next then returns the unread events of
// Feed, the held bytes of all connections and their ends. When Next has returned false, the
// Assembler is empty and can be used again, at any time.
func (a *Assembler[S]) Flush() { a.mode = endAll }

// Next advances to the next event and reports whether it found one. The previous event becomes
// invalid.
func (a *Assembler[S]) Next() bool {
	for a.read == len(a.queue) {
		if a.mode == stop || !a.refill() {
			return false
		}
	}
	p := &a.queue[a.read]
	a.read++
	c := &a.conns[p.ref>>1]
	dir := uint8(p.ref & 1)
	a.event = Event[S]{
		State:  &c.sides[dir].state,
		Data:   p.data,
		Lost:   p.lost,
		TimeNS: p.timeNS,
		Key:    c.key,
		Kind:   p.kind,
		Dir:    dir,
		Start:  p.start,
	}
	return true
}

// Event returns the current event, borrowed until the next call of Next, Feed or Advance. It is
// undefined before Next has returned true.
func (a *Assembler[S]) Event() *Event[S] { return &a.event }

// Len returns the number of connections with payload, at most MaxConns.
func (a *Assembler[S]) Len() int { return a.lists[talking].len + a.lists[closing].len }

// Buffered returns the lent bytes of the Pool, in whole blocks. Blocks under read events count
// until the next Feed or Advance.
func (a *Assembler[S]) Buffered() int { return a.pool.live }

// Stats returns the counts since New, over all connections.
func (a *Assembler[S]) Stats() Stats {
	st := a.stats
	st.Forgotten = a.handshakes.evicted
	return st
}

func (a *Assembler[S]) tell(p pending) { a.queue = append(a.queue, p) }

// settle drops the events and the blocks under them.
func (a *Assembler[S]) settle() {
	clear(a.queue)
	a.queue, a.read = a.queue[:0], 0
	for _, b := range a.spent {
		a.pool.Put(b)
	}
	a.spent = a.spent[:0]
	if len(a.dead) > 0 {
		a.recycle()
	}
}

// refill ends the next connections for Flush or Advance.
func (a *Assembler[S]) refill() bool {
	a.settle()
	switch a.mode {
	case endIdle:
		if a.stepped && a.expireAll() || !a.stepped && a.expireIdle() {
			return true
		}
	case endAll:
		for l := range a.lists {
			if i := a.lists[l].head; i != 0 {
				a.stats.Flushed++
				a.end(i)
				return true
			}
		}
		a.ended.Reset()
		a.timed = false
	}
	a.mode = stop
	return false
}
