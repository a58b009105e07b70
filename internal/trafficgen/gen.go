package trafficgen

import (
	"strings"

	"visor/capture"
	"visor/decode"
)

// linkEthernet is LINKTYPE_ETHERNET.
const linkEthernet decode.LinkType = 1

// kind is a kind of conversation.
type kind uint8

const (
	kindDNS kind = iota
	kindDNSTCP
	kindFragmented
	kindTCP
	kindUDP
	kindICMP
	kindARP
)

// session is a conversation in progress. Sessions are reused with their slices.
type session struct {
	kind  kind
	proto uint8 // of IP
	at    int   // the next item
	flow  flow
	x     exchange // kindDNS and kindFragmented
	start int64    // of x, ns
	id    uint32   // of fragments or of ICMP echoes

	items    []item    // frames to send, unless kindDNS
	buf      []byte    // payloads
	messages []message // kindDNSTCP: in the order of the stream
	asked    int       // messages whose query is complete
	answered int       // messages whose response is complete
}

// item is one planned frame of a session.
type item struct {
	gap      uint32 // ns after the item before
	seq, ack uint32 // TCP
	off      uint32 // where the payload begins: in buf, or in the noise
	n        uint16 // its length
	flags    uint8  // TCP
	dir      direction
	noise    bool
	queries  uint8 // DNS messages that are complete with this frame
	answers  uint8
}

// Gen generates frames one at a time. It is owned by one goroutine.
type Gen struct {
	cfg     Config
	names   *nameTable
	victim  []byte // wire format
	nameOf  *alias
	clients *alias
	kinds   *alias
	kindAt  [7]kind
	noise   []byte // payload of everything that is not DNS
	text    []byte // payload of TXT records
	meanGap uint64 // between the starts of sessions, ns

	rng      *random
	now      int64
	next     int64 // when the next session starts
	made     int
	started  uint32    // DNS/UDP transactions
	dialled  uint32    // TCP connections
	cut      uint32    // fragmented datagrams
	flooded  [2]uint64 // floods' transactions
	sessions []session
	free     []uint32
	queue    queue
	truth    Truth
	dial     dial // of the session that begins
}

// New returns a Gen at its first frame. It builds the tables of names, which takes about 50 ms for
// 100,000.
func New(cfg Config) *Gen {
	cfg = cfg.withDefaults()
	r := newRandom(cfg.Seed, 1)
	g := &Gen{cfg: cfg, names: newNameTable(cfg.Names, r), nameOf: newZipf(cfg.Names), clients: newZipf(cfg.Clients)}
	victim := strings.ToLower(cfg.Flood.Victim)
	g.victim = appendWire(nil, victim[:min(len(victim), 180)])
	g.noise = make([]byte, 1<<16)
	g.text = make([]byte, 1<<12)
	for i := range g.noise {
		g.noise[i] = byte(r.uint64() >> 56)
	}
	for i := range g.text {
		g.text[i] = ' ' + byte(r.n(95))
	}
	g.weigh()
	g.Rewind()
	return g
}

// weigh computes how often a session of each kind starts, so that frames have their shares.
func (g *Gen) weigh() {
	const unit = 1 << 16
	weights := make([]uint64, 0, 7)
	var shares, starts uint64
	for i, s := range g.cfg.Mix.shares() {
		w := uint64(*s.share) * unit * 100 / s.frames
		shares += uint64(*s.share)
		starts += w
		weights = append(weights, w)
		g.kindAt[i] = s.kind
	}
	g.kinds = newAlias(weights)
	perSession := shares * unit * 256 / starts // frames in 256ths
	g.meanGap = max(uint64(256e9/g.cfg.PPS)*perSession>>16, 1)
}

// Rewind restarts g: the same frames follow, and the counts are 0.
func (g *Gen) Rewind() {
	g.rng = newRandom(g.cfg.Seed, 2)
	g.now = g.cfg.Start.UnixNano()
	g.next = g.now
	g.made, g.started, g.dialled, g.cut = 0, 0, 0, 0
	g.flooded = [2]uint64{}
	g.queue = g.queue[:0]
	g.free = g.free[:0]
	for i := range g.sessions {
		g.free = append(g.free, uint32(i))
	}
	g.truth = newTruth(g)
}

// Next returns the next frame and its time in ns since the Unix epoch. Times never decrease. It
// builds the frame in dst[:0], or in new memory if dst is too small; a frame needs at most
// [MaxFrame]. After the last frame ok is false.
func (g *Gen) Next(dst []byte) (frame []byte, tsNS int64, ok bool) {
	if g.cfg.Packets >= 0 && g.made == g.cfg.Packets {
		return nil, 0, false
	}
	var at uint32
	if len(g.queue) > 0 && g.queue[0].time <= g.next {
		g.now, at = g.queue[0].time, g.queue[0].session
		frame = g.step(dst[:0], at, true)
	} else {
		g.now = g.next
		g.next += g.rng.gap(g.meanGap)
		at = g.begin()
		frame = g.step(dst[:0], at, false)
	}
	g.made++
	g.truth.countFrame(&g.sessions[at], frame, g.now)
	return frame, g.now, true
}

// Truth returns a copy of the counts so far.
func (g *Gen) Truth() Truth { return g.truth.clone() }

// begin creates a session and returns its position.
func (g *Gen) begin() uint32 {
	if len(g.free) == 0 {
		g.sessions = append(g.sessions, session{})
		g.free = append(g.free, uint32(len(g.sessions)-1))
	}
	at := g.free[len(g.free)-1]
	g.free = g.free[:len(g.free)-1]
	s := &g.sessions[at]
	s.kind, s.at = g.kindAt[g.kinds.draw(g.rng)], 0
	s.items, s.buf, s.messages, s.asked, s.answered = s.items[:0], s.buf[:0], s.messages[:0], 0, 0
	h := g.host(g.clients.draw(g.rng))
	switch s.kind {
	case kindDNS:
		g.beginDNS(s, h)
	case kindDNSTCP:
		g.beginDNSTCP(s, h)
	case kindFragmented:
		g.beginFragmented(s, h)
	case kindTCP:
		g.beginTCP(s, h)
	case kindUDP:
		g.beginUDP(s, h)
	case kindICMP:
		g.beginICMP(s, h)
	case kindARP:
		g.beginARP(s, h)
	}
	return at
}

// step appends the next frame of a session and schedules the one after it. queued is true if the
// session is at the head of the queue.
func (g *Gen) step(dst []byte, at uint32, queued bool) []byte {
	s := &g.sessions[at]
	var gap int64
	var more bool
	if s.kind == kindDNS {
		dst, gap, more = g.stepDNS(dst, s)
	} else {
		dst = g.appendItem(dst, s, &s.items[s.at])
		if more = s.at+1 < len(s.items); more {
			gap = int64(s.items[s.at+1].gap)
		}
	}
	s.at++
	switch {
	case more && queued:
		g.queue.replaceFirst(event{g.now + gap, uint32(g.made), at})
	case more:
		g.queue.push(event{g.now + gap, uint32(g.made), at})
	default:
		if queued {
			g.queue.dropFirst()
		}
		g.free = append(g.free, at)
	}
	return dst
}

// appendItem appends the frame of an item.
func (g *Gen) appendItem(dst []byte, s *session, it *item) []byte {
	payload := s.buf
	if it.noise {
		payload = g.noise
	}
	payload = payload[it.off : it.off+uint32(it.n)]
	f := &s.flow
	switch s.kind {
	case kindDNSTCP, kindTCP:
		dst, ip := f.open(dst, it.dir, protoTCP, uint16(it.seq>>7)^uint16(it.off))
		dst = f.appendTCPHeader(dst, it.dir, it.seq, it.ack, it.flags)
		dst = append(dst, payload...)
		g.countMessages(s, it)
		return f.finish(dst, ip, it.dir, protoTCP)
	case kindFragmented:
		return g.appendFragmented(dst, s, it, payload)
	case kindUDP:
		dst, ip := f.open(dst, it.dir, protoUDP, uint16(it.off))
		dst = f.appendUDPHeader(dst, it.dir)
		dst = append(dst, payload...)
		if it.noise {
			dst[len(dst)-int(it.n)] |= 0xC0 // QUIC, long header
		}
		return f.finish(dst, ip, it.dir, protoUDP)
	case kindICMP:
		dst, ip := f.open(dst, it.dir, s.proto, uint16(it.seq))
		dst = append(dst, payload...)
		return f.finish(dst, ip, it.dir, s.proto)
	default: // ARP
		dst = f.appendEthernet(dst, it.dir, etherARP)
		if it.dir == forth {
			copy(dst, "\xff\xff\xff\xff\xff\xff")
		}
		return f.pad(append(dst, payload...), it.dir)
	}
}

// arena is how many of the largest frames fit into a block of memory that Frames fills: 8 MB.
const arena = 5500

// Frames generates all frames of cfg and returns them with their Truth. The frames are consecutive
// in a few large blocks of private memory. For a Config without end it returns no frames.
func Frames(cfg Config) ([]capture.Frame, Truth) {
	if cfg.Packets < 0 {
		return nil, Truth{}
	}
	g := New(cfg)
	n := g.cfg.Packets
	out := make([]capture.Frame, 0, n)
	var room []byte
	for {
		if len(room) < MaxFrame {
			room = make([]byte, min(arena, n-len(out)+1)*MaxFrame)
		}
		frame, ts, ok := g.Next(room)
		if !ok {
			return out, g.truth
		}
		size := len(frame)
		out = append(out, capture.Frame{TimeNS: ts, Data: frame[:size:size], WireLen: uint32(size), Link: linkEthernet})
		room = room[size:]
	}
}
