package trafficgen

import "encoding/binary"

// beginUDP plans a QUIC-like conversation or an NTP request.
func (g *Gen) beginUDP(s *session, h host) {
	s.proto = protoUDP
	if g.rng.percent(30) {
		g.openFlow(&s.flow, h, 10, 123, false)
		s.buf = appendNTP(s.buf, 0x23, g.rng.uint64())
		s.buf = appendNTP(s.buf, 0x24, g.rng.uint64())
		s.items = append(s.items, item{dir: forth, n: 48}, item{dir: back, off: 48, n: 48, gap: g.rng.between(200_000, 30_000_000)})
		return
	}
	g.openFlow(&s.flow, h, 80+uint8(g.rng.n(20)), 443, false)
	rtt := g.rng.between(1_000_000, 60_000_000)
	s.items = append(s.items, g.noiseItem(forth, 0, 1200), g.noiseItem(back, rtt, 1200), g.noiseItem(back, 9_000, 1200))
	for range g.rng.n(15) {
		if g.rng.percent(30) {
			s.items = append(s.items, g.noiseItem(forth, rtt, g.rng.between(30, 90)))
		} else {
			s.items = append(s.items, g.noiseItem(back, 9_000, g.rng.between(300, 1252)))
		}
	}
}

func (g *Gen) noiseItem(dir direction, gap, n uint32) item {
	return item{dir: dir, gap: gap, off: g.rng.n(1<<16 - n), n: uint16(n), noise: true}
}

// appendNTP appends a message of NTP version 4 (RFC 5905).
func appendNTP(dst []byte, mode byte, stamp uint64) []byte {
	dst = append(dst, mode, 2, 6, 0xE9, 0, 0, 1, 0, 0, 0, 2, 0, 192, 0, 2, 10)
	for i := range uint64(4) {
		dst = binary.BigEndian.AppendUint64(dst, 0xEE00000000000000|(stamp>>8+i))
	}
	return dst
}

// beginICMP plans an echo and its reply, an unreachable port, or for IPv6 a discovery of
// neighbours.
func (g *Gen) beginICMP(s *session, h host) {
	g.openFlow(&s.flow, h, 1+uint8(g.rng.n(9)), 0, false)
	s.proto = protoICMP
	request, reply, unreachable, code := byte(8), byte(0), byte(3), byte(3)
	if s.flow.v6 {
		s.proto = protoICMPv6
		request, reply, unreachable, code = 128, 129, 1, 4
	}
	p := g.rng.n(100)
	if p < 20 {
		s.buf = append(s.buf, unreachable, code, 0, 0, 0, 0, 0, 0)
		s.buf = s.appendCited(s.buf)
		s.items = append(s.items, item{dir: back, n: uint16(len(s.buf))})
		return
	}
	if s.flow.v6 && p < 45 {
		g.discover(s)
		return
	}
	s.flow.ends[0].port = 0
	id, seq := uint16(g.rng.uint64()), uint16(g.rng.n(100))
	for _, t := range [...]byte{request, reply} {
		s.buf = append(s.buf, t, 0, 0, 0, byte(id>>8), byte(id), byte(seq>>8), byte(seq))
		s.buf = append(s.buf, g.noise[:56]...)
	}
	s.items = append(s.items, item{dir: forth, n: 64, seq: uint32(id)},
		item{dir: back, n: 64, off: 64, seq: uint32(id) + 1, gap: g.rng.between(200_000, 90_000_000)})
}

// appendCited appends the IP packet that an unreachable message refers to: a datagram without data.
func (s *session) appendCited(dst []byte) []byte {
	f := s.flow
	f.ends[1].port = 33_434
	ip := len(dst)
	dst = f.appendIP(dst, forth, protoUDP, 7)
	dst = f.appendUDPHeader(dst, forth)
	f.finishIP(dst, ip)
	f.finishUDP(dst[ip+f.ipLen():])
	return dst
}

// discover plans a neighbour solicitation between two local hosts and its answer (RFC 4861). The
// solicitation is unicast, as for the confirmation of a neighbour's address.
func (g *Gen) discover(s *session) {
	a, b := localHost(1, true, 0), localHost(53+uint8(g.rng.n(4)), true, 0)
	a.ttl, b.ttl = 255, 255
	s.flow.ends = [2]endpoint{a, b}
	s.buf = append(s.buf, 135, 0, 0, 0, 0, 0, 0, 0)
	s.buf = append(append(s.buf, b.addr[:]...), 1, 1)
	s.buf = append(s.buf, a.mac[:]...)
	s.buf = append(s.buf, 136, 0, 0, 0, 0x60, 0, 0, 0)
	s.buf = append(append(s.buf, b.addr[:]...), 2, 1)
	s.buf = append(s.buf, b.mac[:]...)
	s.items = append(s.items, item{dir: forth, n: 32}, item{dir: back, n: 32, off: 32, gap: 60_000})
}

// beginARP plans a question for the address of a local host, and its answer (RFC 826).
func (g *Gen) beginARP(s *session, _ host) {
	a, b := localHost(1, false, 0), localHost(uint8(g.rng.between(2, 250)), false, 0)
	s.flow = flow{ends: [2]endpoint{a, b}}
	s.proto = 0
	for op := range uint8(2) {
		from, to := &s.flow.ends[op], s.flow.ends[1-op]
		if op == 0 {
			to.mac = [6]byte{}
		}
		s.buf = append(s.buf, 0, 1, 8, 0, 6, 4, 0, op+1)
		s.buf = append(append(s.buf, from.mac[:]...), from.addr[:4]...)
		s.buf = append(append(s.buf, to.mac[:]...), to.addr[:4]...)
	}
	s.items = append(s.items, item{dir: forth, n: 28}, item{dir: back, n: 28, off: 28, gap: 80_000})
}
