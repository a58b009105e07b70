package handler

import (
	"net/netip"
	"time"

	"visor/capture"
	"visor/decode"
	"visor/decode/bgpmsg"
	"visor/decode/dnsmsg"
	"visor/decode/proxymsg"
	"visor/decode/tcpstream"
)

// streamIdle is the time of silence, in packet time, after which a TCP connection is dropped.
// pktvisor waits as long.
const streamIdle = 30 * time.Second

// defaultStreamBytes is the number of bytes of TCP streams that a worker holds.
const defaultStreamBytes = 8 << 20

// maxSpareSides is the maximum number of unused sides kept for reuse.
const maxSpareSides = 1024

// streams orders the TCP segments of DNS and BGP and extracts their messages. One Pool holds all
// segments and incomplete messages.
type streams struct {
	tcp      *tcpstream.Assembler[*side]
	pool     *tcpstream.Pool
	spare    []*side
	holders  side   // a ring of the sides that hold part of a message: later is the oldest
	dropped  uint64 // messages dropped for lack of memory
	searches dnsmsg.Searches

	// sides that lost a message because the capture lacks their beginning
	headless struct{ dns, bgp uint64 }
	notDNS   uint64 // sides on a DNS port that do not carry DNS
	cut      uint64 // sides that ended within a message
}

// side is one direction of a TCP connection.
type side struct {
	framer dnsmsg.Framer
	bgp    *bgpmsg.Framer // nil unless the connection carries BGP
	packet origin         // first segment
	frame  *origin        // its outermost packet; nil if that is packet
	intro  []byte         // possible PROXY protocol header
	begins bool           // such a header may follow
	midway bool           // the first segment is not the first of the connection
	failed bool           // it does not carry DNS
	heldNS int64          // time of the latest part of the incomplete message

	earlier, later *side // in the ring of sides that hold part of a message, or nil
}

func newStreams(maxConns, bytes int, recorded bool) *streams {
	if bytes <= 0 {
		bytes = defaultStreamBytes
	}
	s := &streams{pool: tcpstream.NewPool(bytes)}
	s.holders.earlier, s.holders.later = &s.holders, &s.holders
	s.tcp = tcpstream.New(tcpstream.Config[*side]{
		Idle: streamIdle, MaxConns: maxConns, Pool: s.pool, Stepped: recorded,
		Release: func(d **side) {
			s.release(*d)
			*d = nil
		},
	})
	return s
}

// open returns the state of a side whose first segment is p.
func (s *streams) open(frame, p *decode.Packet, isDNS, begins bool) *side {
	var d *side
	if last := len(s.spare) - 1; last >= 0 {
		d = s.spare[last]
		s.spare = s.spare[:last]
	} else {
		d = new(side)
		d.framer.Borrow(s.pool)
		d.framer.Limit(&s.searches)
	}
	d.packet = originOf(p)
	if frame != p {
		outer := originOf(frame)
		d.frame = &outer
	}
	d.begins, d.midway = begins, !begins
	switch {
	case !isDNS:
		d.bgp = new(bgpmsg.Framer)
		d.bgp.Borrow(s.pool)
		if !begins {
			d.bgp.Gap() // possibly in the middle of a message
		}
	case !begins:
		d.framer.Lost()
	}
	return d
}

// origin stores the relevant fields of a packet, in a third of its memory.
type origin struct {
	src, dst   netip.AddrPort
	layers     decode.LayerSet
	wireLen    uint32
	link       decode.LinkType
	proto, tos uint8
	dir        decode.Direction
}

func originOf(p *decode.Packet) origin {
	return origin{src: p.Src, dst: p.Dst, layers: p.Layers, wireLen: p.WireLen, link: p.Link, proto: p.Proto, tos: p.ToS, dir: p.Dir}
}

// packet returns a packet with that origin at nowNS, without bytes.
func (o *origin) packet(nowNS int64) decode.Packet {
	return decode.Packet{
		TimeNS: nowNS, Src: o.src, Dst: o.dst, Layers: o.layers, WireLen: o.wireLen, Link: o.link, Proto: o.proto, ToS: o.tos, Dir: o.dir,
	}
}

// release recycles a side that has ended.
func (s *streams) release(d *side) {
	d.unlink()
	if d.framer.Cut() || d.bgp != nil && d.bgp.Cut() {
		s.cut++
	}
	d.framer.Reset()
	if d.bgp != nil {
		d.bgp.Reset()
	}
	if d.intro != nil {
		s.pool.Put(d.intro)
	}
	if len(s.spare) < maxSpareSides {
		*d = side{framer: d.framer}
		s.spare = append(s.spare, d)
	}
}

// account counts a side's losses without a gap, after it was fed.
func (s *streams) account(d *side) {
	if d.bgp != nil {
		s.dropped += d.bgp.TakeDropped()
		if d.bgp.TakeSkipped() && d.midway {
			s.headless.bgp++
			d.midway = false
		}
		return
	}
	s.dropped += d.framer.TakeDropped()
	if d.framer.TakeSkipped() && d.midway {
		s.headless.dns++
		d.midway = false
	}
	if d.framer.Err() != nil && !d.failed {
		s.notDNS++
		d.failed = true
	}
}

// gap records lost bytes.
func (s *streams) gap(d *side, lost int) {
	if d.bgp != nil {
		d.bgp.Gap()
	} else {
		d.framer.Gap(lost)
	}
	d.begins, d.midway = false, false // the gap explains all later losses
	s.link(d)
}

// maxIntro is the maximum length of a PROXY protocol header.
const maxIntro = 1 << 10

// introduced returns data behind the PROXY protocol header of a side, and the complete header. The
// side holds an incomplete header.
func (s *streams) introduced(d *side, data []byte) (rest []byte, h proxymsg.Header, ok bool) {
	held := len(d.intro)
	if held == 0 && !proxymsg.Begins(data) {
		d.begins = false
		return data, h, false
	}
	if d.intro == nil {
		if d.intro = s.pool.Get(maxIntro); d.intro == nil {
			d.begins = false
			return data, h, false
		}
		d.intro = d.intro[:0]
	}
	d.intro = append(d.intro, data[:min(len(data), maxIntro-held)]...)
	h, err := proxymsg.Parse(d.intro)
	if err == proxymsg.ErrTruncated && len(d.intro) < maxIntro && h.Len <= maxIntro {
		return nil, h, false
	}
	d.begins = false
	if err == nil {
		return data[h.Len-held:], h, true
	}
	// not a header; as a DNS length, its first bytes exceed the data so far
	d.framer.Feed(d.intro[:held])
	d.framer.Next()
	return data, h, false
}

// link updates the ring of sides that hold part of a message.
func (s *streams) link(d *side) {
	holds := d.framer.Held() > 0 || d.bgp != nil && d.bgp.Held() > 0
	switch linked := d.later != nil; {
	case linked && !holds:
		d.unlink()
	case holds && !linked: // the newest
		d.earlier, d.later = s.holders.earlier, &s.holders
		d.earlier.later, d.later.earlier = d, d
	}
}

func (d *side) unlink() {
	if d.later != nil {
		d.earlier.later, d.later.earlier = d.later, d.earlier
		d.earlier, d.later = nil, nil
	}
}

// relieve drops the oldest incomplete message if little memory is left.
func (s *streams) relieve() {
	if d := s.holders.later; d != &s.holders && s.pool.Crowded() {
		if d.bgp != nil {
			d.bgp.Gap()
		} else {
			d.framer.Drop()
		}
		s.dropped++
		d.unlink()
	}
}

func (s *streams) appendReasons(out []capture.Reason) []capture.Reason {
	st := s.tcp.Stats()
	for _, r := range []capture.Reason{
		{Text: "TCP connection given up: too many at once", Count: st.Evicted},
		{Text: "TCP handshake forgotten: too many at once", Count: st.Forgotten},
		{Text: "TCP segments given up: too much waited for missing ones", Count: st.Overflows},
		{Text: "DNS or BGP message in TCP given up: too much was incomplete", Count: s.dropped},
		{Text: "BGP stream without its beginning: it is read from its first whole message on", Count: s.headless.bgp},
		{Text: "DNS stream without its beginning: it is read from its first whole message on", Count: s.headless.dns},
		{Text: "DNS or BGP stream with missing segments: messages in them are not read; gaps", Count: st.Gaps},
		{Text: "DNS or BGP stream that ends within a message", Count: s.cut},
		{Text: "TCP stream that is not DNS, on a DNS port", Count: s.notDNS},
	} {
		if r.Count > 0 {
			out = append(out, r)
		}
	}
	return out
}
