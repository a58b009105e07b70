package trafficgen

// source is the origin of a name.
type source uint8

const (
	fromTable source = iota
	fromNXFlood
	fromVictim
)

// exchange is a DNS query and its response.
type exchange struct {
	caseMask uint64 // letters of the name in upper case
	hash     uint64 // of the name and type: it determines the answer
	name     uint32 // in the table, or the number of a flood's label
	client   uint32
	id       uint16
	qtype    uint16
	buffer   uint16 // UDP payload size of EDNS
	rcode    uint8
	habits   habits
	source   source
	noData   bool
	cached   bool // answered at once
	large    bool // the answer has several kilobytes
	cut      bool // the response was truncated
}

// qtypes of a hundred queries for hosts.
var qtypes = [...]struct{ percent, qtype uint16 }{
	{52, typeA}, {24, typeAAAA}, {12, typeHTTPS}, {4, typeTXT}, {3, typeMX}, {2, typeNS}, {1, typeSOA}, {1, typeCNAME}, {1, typeDNSKEY},
}

// newExchange draws a query and its fate. Its id differs from the last 65,535 ids.
func (g *Gen) newExchange(h host) (x exchange) {
	x.client, x.habits = h.number, h.habits()
	g.started++
	x.id = uint16(scramble(g.started, 16))
	x.cached = g.rng.percent(72)
	if x.habits&hasMixedCase != 0 {
		x.caseMask = g.rng.uint64()
	}
	x.buffer = 4096
	if x.habits&hasSmallBuffer != 0 {
		x.buffer = 1232
	}
	x.name = g.nameOf.draw(g.rng)
	x.qtype = g.drawType(g.names.classes[x.name])
	x.hash = mix(g.cfg.Seed + uint64(x.name)<<16 + uint64(x.qtype))
	x.rcode, x.noData = g.fate(&x)
	return x
}

func (g *Gen) drawType(c class) uint16 {
	switch c {
	case classReverse:
		return typePTR
	case classService:
		return typeSRV
	}
	p := uint16(g.rng.n(100))
	for _, q := range qtypes {
		if p < q.percent {
			return q.qtype
		}
		p -= q.percent
	}
	return typeA
}

// fate decides the answer to a query. Whether a name exists and has records of a type never
// changes; failures are temporary.
func (g *Gen) fate(x *exchange) (rcode uint8, noData bool) {
	switch p := g.rng.n(100); {
	case p < 4:
		return rcodeServFail, false
	case p < 6:
		return rcodeRefused, false
	}
	if x.name >= popular && mix(uint64(x.name)^g.cfg.Seed)%100 < 24 {
		return rcodeNXDomain, false
	}
	share := uint64(2)
	switch x.qtype {
	case typeAAAA:
		share = 20
	case typeHTTPS:
		share = 40
	case typeCNAME:
		share = 60
	}
	return rcodeNoError, x.hash>>50%100 < share
}

// flood turns x into a transaction of an attack, if one is due.
func (g *Gen) flood(x *exchange) {
	p := int(g.rng.n(100))
	fl := &g.cfg.Flood
	switch {
	case p < fl.NXDomain:
		x.source, x.rcode = fromNXFlood, rcodeNXDomain
	case p < fl.NXDomain+fl.RandomLabel:
		x.source, x.rcode = fromVictim, rcodeNXDomain
		if g.rng.percent(40) {
			x.rcode = rcodeServFail
		}
	default:
		return
	}
	n := &g.flooded[x.source-fromNXFlood]
	x.name = uint32(*n % uint64(fl.Labels))
	*n++
	x.client = g.rng.n(uint32(g.cfg.Clients))
	x.habits = g.host(x.client).habits()
	x.caseMask, x.noData, x.qtype = 0, false, typeA
	x.hash = mix(uint64(x.name) + g.cfg.Seed)
}

// appendQName appends the name of x in wire format, with the letters of the message.
func (g *Gen) appendQName(dst []byte, x *exchange) []byte {
	if x.source != fromTable {
		return g.appendFloodName(dst, x.source, x.name)
	}
	name := g.names.name(x.name)
	if x.caseMask == 0 {
		return append(dst, name...)
	}
	mask := x.caseMask
	for _, c := range name { // a length is never a letter, being below 64
		if mask&1 == 1 && 'a' <= c && c <= 'z' {
			c &^= 0x20
		}
		dst = append(dst, c)
		mask >>= 1
	}
	return dst
}

// appendFloodName appends a name of a flood. Numbers yield distinct names: 13 letters hold the 64
// bits that a number is scrambled to.
func (g *Gen) appendFloodName(dst []byte, from source, number uint32) []byte {
	h := mix(uint64(number) ^ g.cfg.Seed<<32 ^ uint64(from)<<62)
	dst = append(dst, 13)
	dst = appendRandomLabel(dst, h, 13)
	if from == fromVictim {
		return append(dst, g.victim...)
	}
	zone := g.names.name(uint32(h >> 7 % uint64(len(g.names.classes))))
	return append(dst, zone[zoneOf(zone):]...)
}

func (g *Gen) beginDNS(s *session, h host) {
	s.proto = protoUDP
	s.x = g.newExchange(h)
	if g.cfg.Flood.NXDomain+g.cfg.Flood.RandomLabel > 0 {
		g.flood(&s.x)
		h = g.host(s.x.client)
	}
	g.openFlow(&s.flow, h, 53+uint8(g.rng.n(4)), 53, true)
}

// stepDNS appends the query, or the response to it.
func (g *Gen) stepDNS(dst []byte, s *session) (frame []byte, gap int64, more bool) {
	if s.at == 0 {
		dst = g.appendQueryFrame(dst, s)
		unanswered := uint32(2)
		if s.x.source == fromVictim {
			unanswered = 30
		}
		if g.rng.percent(unanswered) {
			return dst, 0, false
		}
		return dst, g.latency(&s.x), true
	}
	dst, ip := s.flow.open(dst, back, protoUDP, uint16(g.rng.uint64()))
	dst = s.flow.appendUDPHeader(dst, back)
	dst = g.appendResponse(dst, &s.x, s.x.limit())
	dst = s.flow.finish(dst, ip, back, protoUDP)
	g.truth.countResponse(&s.x, g.now-s.start)
	return dst, 0, false
}

func (g *Gen) appendQueryFrame(dst []byte, s *session) []byte {
	s.start = g.now
	dst, ip := s.flow.open(dst, forth, protoUDP, uint16(g.rng.uint64()))
	dst = s.flow.appendUDPHeader(dst, forth)
	dst = g.appendQuery(dst, &s.x)
	g.truth.countQuery(&s.x)
	return s.flow.finish(dst, ip, forth, protoUDP)
}

// latency returns the response time in ns: about 100 µs from the cache, otherwise tens to hundreds
// of ms.
func (g *Gen) latency(x *exchange) int64 {
	const us, ms = 1_000, 1_000_000
	if x.cached && x.source == fromTable {
		return int64(min(max(g.rng.lognormal(90*us, 180), 5*us), 50*ms))
	}
	return int64(min(max(g.rng.lognormal(25*ms, 350), 300*us), 1900*ms))
}

// beginFragmented plans a query over UDP whose response is cut into fragments.
func (g *Gen) beginFragmented(s *session, h host) {
	s.proto = protoUDP
	s.x = g.newExchange(h)
	x := &s.x
	x.habits |= hasEDNS
	x.habits &^= hasSmallBuffer
	x.buffer, x.rcode, x.noData, x.large, x.qtype = 4096, rcodeNoError, false, true, typeTXT
	g.openFlow(&s.flow, h, 53+uint8(g.rng.n(4)), 53, true)
	g.cut++
	s.id = scramble(g.cut, 16)
	s.buf = s.flow.appendUDPHeader(s.buf, back)
	s.buf = g.appendResponse(s.buf, x, x.limit())
	s.flow.finishUDP(s.buf)
	s.items = append(s.items, item{dir: forth})
	gap, size := uint32(g.latency(x)), s.flow.fragmentSize()
	for off := 0; off < len(s.buf); off += size {
		n := min(size, len(s.buf)-off)
		s.items = append(s.items, item{gap: gap, off: uint32(off), n: uint16(n), dir: back})
		gap = 1_200
	}
	last := len(s.items) - 1
	if last > 1 && g.rng.percent(10) {
		a, b := &s.items[last-1], &s.items[last]
		a.off, a.n, b.off, b.n = b.off, b.n, a.off, a.n
	}
	s.items[last].answers = 1
}

func (g *Gen) appendFragmented(dst []byte, s *session, it *item, part []byte) []byte {
	if it.dir == forth {
		return g.appendQueryFrame(dst, s)
	}
	if it.answers > 0 {
		g.truth.countResponse(&s.x, g.now-s.start)
		g.truth.DNSFragmented++
	}
	g.truth.Fragments++
	if it.off > 0 {
		g.truth.LaterFragments++
	}
	more := int(it.off)+int(it.n) < len(s.buf)
	return s.flow.appendFragment(dst, back, s.id, int(it.off), more, part)
}

// limit returns the maximum length of a response over UDP.
func (x *exchange) limit() int {
	if x.habits&hasEDNS == 0 {
		return 512
	}
	return int(x.buffer)
}
