package trafficgen

import "slices"

// message is a DNS query and its response on a TCP connection.
type message struct {
	x          exchange
	qEnd, aEnd uint32 // end of each in its stream
	sent       int64  // when the query was complete, ns
}

// dial plans the segments of a TCP connection.
type dial struct {
	s     *session
	r     *random
	seq   [2]uint32 // of the next byte of each end
	first [2]uint32 // of the first byte of data
	rtt   uint32    // ns
	last  direction
	owed  int // segments without acknowledgement
}

// openDial begins a connection with its handshake. Ports are distinct for 32,768 connections.
func (g *Gen) openDial(s *session) *dial {
	g.dialled++
	s.proto = protoTCP
	s.flow.ends[0].port = uint16(32_768 + scramble(g.dialled, 15))
	u := g.rng.uint64()
	d := dial{s: s, r: g.rng, seq: [2]uint32{uint32(u), uint32(u >> 32)}}
	d.rtt = uint32(min(max(g.rng.lognormal(8_000_000, 250), 100_000), 400_000_000))
	d.add(forth, flagSYN, 0, 0, false)
	d.add(back, flagSYN|flagACK, 0, 0, false)
	d.add(forth, flagACK, 0, 0, false)
	d.first = d.seq
	g.dial = d
	return &g.dial
}

// add plans one segment. A change of direction takes half a round trip.
func (d *dial) add(dir direction, flags uint8, off uint32, n int, noise bool) {
	it := item{gap: 12_000, seq: d.seq[dir], off: off, n: uint16(n), flags: flags, dir: dir, noise: noise}
	if dir != d.last {
		it.gap = d.rtt / 2
	}
	if flags&flagACK != 0 {
		it.ack = d.seq[1-dir]
	}
	d.seq[dir] += uint32(n)
	if flags&(flagSYN|flagFIN) != 0 {
		d.seq[dir]++
	}
	d.last = dir
	d.s.items = append(d.s.items, it)
}

// send plans the data from off to end in segments of at most size bytes; the other end acknowledges
// every second one.
func (d *dial) send(dir direction, off, end uint32, size int, noise bool) {
	size = min(size, d.s.flow.mss())
	for off < end {
		n := min(size, int(end-off))
		flags := uint8(flagACK)
		if off+uint32(n) == end {
			flags |= flagPSH
		}
		d.add(dir, flags, off, n, noise)
		off += uint32(n)
		if d.owed++; d.owed == 2 {
			d.owed = 0
			d.add(1-dir, flagACK, 0, 0, false)
		}
	}
}

// close plans the end of the connection: both ends finish, or one resets it.
func (d *dial) close() {
	if d.r.percent(6) {
		d.add(forth, flagRST|flagACK, 0, 0, false)
		return
	}
	d.add(forth, flagFIN|flagACK, 0, 0, false)
	d.add(back, flagFIN|flagACK, 0, 0, false)
	d.add(forth, flagACK, 0, 0, false)
}

// disturb repeats some segments with data, and swaps some with their neighbour.
func (d *dial) disturb() {
	s := d.s
	for i := 3; i+1 < len(s.items); i++ {
		a, b := &s.items[i], &s.items[i+1]
		if a.n == 0 {
			continue
		}
		switch p := d.r.n(100); {
		case p < 2:
			again := *a
			again.gap = 30_000_000
			s.items = slices.Insert(s.items, i+2, again)
			i += 2
		case p < 5 && b.n > 0 && a.dir == b.dir:
			*a, *b = *b, *a
			a.gap, b.gap = b.gap, a.gap
			i++
		}
	}
}

// complete marks the segments with which DNS messages become complete for a reader that reassembles
// the streams.
func (d *dial) complete() {
	var covered [2]uint32
	var done [2]int
	items := d.s.items
	for i := range items {
		it := &items[i]
		if it.n == 0 {
			continue
		}
		covered[it.dir] = d.cover(items[:i+1], it.dir, covered[it.dir])
		for m := d.s.messages; done[it.dir] < len(m); done[it.dir]++ {
			if it.dir == forth {
				if m[done[forth]].qEnd > covered[forth] {
					break
				}
				it.queries++
			} else {
				if m[done[back]].aEnd > covered[back] {
					break
				}
				it.answers++
			}
		}
	}
}

// cover returns the end of the stream's part without holes, given that it has none before covered.
func (d *dial) cover(items []item, dir direction, covered uint32) uint32 {
	for i := len(items) - 1; i >= 0; i-- { // the last one fills a hole
		it := &items[i]
		at := it.seq - d.first[dir]
		if it.dir == dir && it.n > 0 && at <= covered && at+uint32(it.n) > covered {
			return d.cover(items, dir, at+uint32(it.n))
		}
		if i < len(items)-4 {
			break // segments are only swapped with their neighbours
		}
	}
	return covered
}

// beginTCP plans a connection that is not DNS.
func (g *Gen) beginTCP(s *session, h host) {
	ports := [...]uint16{443, 443, 443, 443, 443, 443, 80, 80, 22, 993}
	port := ports[g.rng.n(uint32(len(ports)))]
	g.openFlow(&s.flow, h, 80+uint8(g.rng.n(20)), port, false)
	d := g.openDial(s)
	switch port {
	case 80:
		s.buf = append(s.buf, "GET /index.html HTTP/1.1\r\nHost: www.example\r\nUser-Agent: trafficgen\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n"...)
		d.send(forth, 0, 71, mtu, false)
		d.send(back, 71, uint32(len(s.buf)), mtu, false)
	case 22:
		s.buf = append(s.buf, "SSH-2.0-trafficgen\r\n"...)
		d.send(back, 0, uint32(len(s.buf)), mtu, false)
		d.send(forth, 0, uint32(len(s.buf)), mtu, false)
	default:
		s.buf = append(s.buf, 0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3) // TLS handshake, ClientHello
		s.buf = append(s.buf, g.noise[:506]...)
		d.send(forth, 0, uint32(len(s.buf)), mtu, false)
	}
	for range g.rng.between(1, 3) {
		d.sendNoise(back, uint32(g.rng.lognormal(4_000, 400)))
		d.sendNoise(forth, g.rng.between(20, 600))
	}
	d.close()
	d.disturb()
}

// sendNoise plans n bytes of noise, at most 40,000.
func (d *dial) sendNoise(dir direction, n uint32) {
	n = min(max(n, 1), 40_000)
	off := d.r.n(1<<16 - n)
	d.send(dir, off, off+n, mtu, true)
}

// style is the way that messages are divided into segments.
type style uint8

const (
	styleEach   style = iota // one in each, question and answer in turn
	styleStream              // as many as fit
	styleSmall               // cut without regard to messages
	styleSplit               // the length in a separate segment
)

// beginDNSTCP plans a connection with DNS messages (RFC 7766).
func (g *Gen) beginDNSTCP(s *session, h host) {
	g.openFlow(&s.flow, h, 53+uint8(g.rng.n(4)), 53, true)
	d := g.openDial(s)
	count := g.rng.between(1, 6)
	for range count {
		m := message{x: g.newExchange(h)}
		if m.x.rcode == rcodeNoError && g.rng.percent(25) {
			m.x.large, m.x.noData, m.x.qtype = true, false, typeTXT
		}
		s.buf = appendFramed(s.buf, func(dst []byte) []byte { return g.appendQuery(dst, &m.x) })
		m.qEnd = uint32(len(s.buf))
		s.messages = append(s.messages, m)
	}
	answers := uint32(len(s.buf))
	for i := range s.messages {
		m := &s.messages[i]
		s.buf = appendFramed(s.buf, func(dst []byte) []byte { return g.appendResponse(dst, &m.x, 65_535) })
		m.aEnd = uint32(len(s.buf)) - answers
	}
	g.converse(d, style(g.rng.n(4)), answers)
	d.close()
	d.disturb()
	d.complete()
}

// appendFramed appends a message with its length in front.
func appendFramed(dst []byte, message func(dst []byte) []byte) []byte {
	at := len(dst)
	dst = message(append(dst, 0, 0))
	n := len(dst) - at - 2
	dst[at], dst[at+1] = byte(n>>8), byte(n)
	return dst
}

// converse plans the segments of all messages; the buffer has the responses from answers on.
func (g *Gen) converse(d *dial, how style, answers uint32) {
	s := d.s
	var q, a uint32
	if how == styleEach {
		for _, m := range s.messages {
			d.send(forth, q, m.qEnd, mtu, false)
			g.answer(d, &m.x, answers+a, answers+m.aEnd, mtu)
			q, a = m.qEnd, m.aEnd
		}
		return
	}
	x, end := &s.messages[0].x, uint32(len(s.buf))
	switch how {
	case styleStream:
		d.send(forth, 0, answers, mtu, false)
		g.answer(d, x, answers, end, mtu)
	case styleSmall:
		d.send(forth, 0, answers, int(g.rng.between(15, 90)), false)
		g.answer(d, x, answers, end, int(g.rng.between(150, 900)))
	case styleSplit:
		for _, m := range s.messages {
			d.send(forth, q, q+2, mtu, false)
			d.send(forth, q+2, m.qEnd, mtu, false)
			q = m.qEnd
		}
		for _, m := range s.messages {
			g.answer(d, &m.x, answers+a, answers+a+2, mtu)
			d.send(back, answers+a+2, answers+m.aEnd, mtu, false)
			a = m.aEnd
		}
	}
}

// answer plans data of the server after its processing time.
func (g *Gen) answer(d *dial, x *exchange, off, end uint32, size int) {
	at := len(d.s.items)
	d.send(back, off, end, size, false)
	d.s.items[at].gap += uint32(g.latency(x))
}

// countMessages counts the DNS messages that are complete with a segment.
func (g *Gen) countMessages(s *session, it *item) {
	for range it.queries {
		m := &s.messages[s.asked]
		m.sent = g.now
		g.truth.countQuery(&m.x)
		s.asked++
	}
	for range it.answers {
		m := &s.messages[s.answered]
		g.truth.countResponse(&m.x, g.now-m.sent)
		s.answered++
	}
	g.truth.DNSTCP += uint64(it.queries) + uint64(it.answers)
}
