package trafficgen

import "encoding/binary"

// DNS parameters (IANA registry).
const (
	typeA      = 1
	typeNS     = 2
	typeCNAME  = 5
	typeSOA    = 6
	typePTR    = 12
	typeMX     = 15
	typeTXT    = 16
	typeAAAA   = 28
	typeSRV    = 33
	typeOPT    = 41
	typeRRSIG  = 46
	typeDNSKEY = 48
	typeHTTPS  = 65

	rcodeNoError  = 0
	rcodeServFail = 2
	rcodeNXDomain = 3
	rcodeRefused  = 5

	headerLen = 12
	owner     = 0xC000 | headerLen // a pointer to the name of the question

	bitQR = 0x8000
	bitTC = 0x0200
	bitRD = 0x0100
	bitRA = 0x0080
	bitAD = 0x0020
)

// cdns end the names that CNAMEs point to.
var cdns = [...]string{
	"\x04edge\x08fastpath\x03net\x00", "\x03cdn\x0acloudfrond\x03com\x00", "\x02lb\x06akamay\x03net\x00", "\x07traffic\x08balancer\x02io\x00",
}

func (g *Gen) appendQuery(dst []byte, x *exchange) []byte {
	flags, extra := uint16(bitRD), byte(0)
	if x.habits&hasDO != 0 {
		flags |= bitAD
	}
	if x.habits&hasEDNS != 0 {
		extra = 1
	}
	dst = append(dst, byte(x.id>>8), byte(x.id), byte(flags>>8), byte(flags), 0, 1, 0, 0, 0, 0, 0, extra)
	dst = g.appendQuestion(dst, x)
	return g.appendOPT(dst, x, false)
}

func (g *Gen) appendQuestion(dst []byte, x *exchange) []byte {
	dst = g.appendQName(dst, x)
	return append(dst, byte(x.qtype>>8), byte(x.qtype), 0, 1)
}

// appendOPT appends the EDNS record (RFC 6891) of a query or a response, if the client speaks EDNS.
func (g *Gen) appendOPT(dst []byte, x *exchange, response bool) []byte {
	if x.habits&hasEDNS == 0 {
		return dst
	}
	size, do := x.buffer, byte(0)
	if response {
		size = 1232
	}
	if x.habits&hasDO != 0 {
		do = 0x80
	}
	dst = append(dst, 0, 0, typeOPT, byte(size>>8), byte(size), 0, 0, do, 0, 0, 0)
	at := len(dst)
	if x.habits&hasCookie != 0 {
		dst = appendCookie(dst, uint64(x.client)^g.cfg.Seed, response)
	}
	if x.habits&hasECS != 0 {
		dst = g.appendECS(dst, x, response)
	}
	binary.BigEndian.PutUint16(dst[at-2:], uint16(len(dst)-at))
	return dst
}

// appendCookie appends RFC 7873's option: 8 bytes of the client, and in a response 16 of the
// server.
func appendCookie(dst []byte, seed uint64, response bool) []byte {
	if !response {
		dst = append(dst, 0, 10, 0, 8)
		return binary.BigEndian.AppendUint64(dst, mix(seed))
	}
	dst = append(dst, 0, 10, 0, 24)
	dst = binary.BigEndian.AppendUint64(dst, mix(seed))
	dst = append(dst, 1, 0, 0, 0)
	dst = binary.BigEndian.AppendUint64(dst, mix(seed+1))
	return append(dst, 5, 6, 7, 8)
}

// appendECS appends RFC 7871's option: the subnet of a host behind a forwarder, /24 or /56.
func (g *Gen) appendECS(dst []byte, x *exchange, response bool) []byte {
	h := g.host(uint32(mix(uint64(x.id)) % uint64(g.cfg.Clients)))
	a := h.addr()
	family, prefix, scope := byte(1), byte(24), byte(0)
	if h.v6() {
		family, prefix = 2, 56
	}
	if response {
		scope = prefix
	}
	n := prefix / 8
	dst = append(dst, 0, 8, 0, 4+n, 0, family, prefix, scope)
	return append(dst, a[:n]...)
}

// appendResponse appends the response of x, truncated to its question if it is longer than limit.
func (g *Gen) appendResponse(dst []byte, x *exchange, limit int) []byte {
	base := len(dst)
	flags := bitQR | bitRD | bitRA | uint16(x.rcode)
	if x.habits&hasDO != 0 && x.rcode == rcodeNoError && x.hash&1 == 1 {
		flags |= bitAD
	}
	dst = append(dst, byte(x.id>>8), byte(x.id), 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)
	dst = g.appendQuestion(dst, x)
	end := len(dst)
	var answers, authority byte
	switch {
	case x.rcode == rcodeNXDomain || x.noData:
		at := uint16(zoneOf(dst[base+headerLen:]) + headerLen)
		dst, authority = appendSOA(dst, 0xC000|at, x.hash), 1
	case x.rcode == rcodeNoError && x.large:
		dst, answers = g.appendLarge(dst, x)
	case x.rcode == rcodeNoError:
		dst, answers = g.appendAnswers(dst, base, x)
	}
	opt := len(dst)
	dst = g.appendOPT(dst, x, true)
	if x.cut = len(dst)-base > limit; x.cut {
		dst = append(dst[:end], dst[opt:]...)
		answers, authority = 0, 0
		flags |= bitTC
	}
	b := dst[base:]
	binary.BigEndian.PutUint16(b[2:], flags)
	b[7], b[9] = answers, authority
	if x.habits&hasEDNS != 0 {
		b[11] = 1
	}
	return dst
}

// openRecord appends a resource record up to its data; closeRecord sets the length.
func openRecord(dst []byte, name, rtype uint16, hash uint64) (out []byte, data int) {
	ttl := uint32(30 << (hash >> 20 % 12))
	dst = append(dst, byte(name>>8), byte(name), byte(rtype>>8), byte(rtype), 0, 1)
	dst = binary.BigEndian.AppendUint32(dst, ttl)
	dst = append(dst, 0, 0)
	return dst, len(dst)
}

func closeRecord(dst []byte, data int) {
	binary.BigEndian.PutUint16(dst[data-2:], uint16(len(dst)-data))
}

func appendSOA(dst []byte, zone uint16, hash uint64) []byte {
	dst, data := openRecord(dst, zone, typeSOA, hash)
	dst = appendSOAData(dst, zone, hash)
	closeRecord(dst, data)
	return dst
}

func appendSOAData(dst []byte, zone uint16, hash uint64) []byte {
	dst = append(dst, 3, 'n', 's', '1', byte(zone>>8), byte(zone))
	dst = append(dst, "\x0ahostmaster"...)
	dst = binary.BigEndian.AppendUint16(dst, zone)
	for _, v := range [...]uint32{2026010100 + uint32(hash%100), 7200, 3600, 1209600, 300} {
		dst = binary.BigEndian.AppendUint32(dst, v)
	}
	return dst
}

// appendAnswers appends the answer section: for addresses perhaps a chain of CNAMEs, then one to
// five records, and for some clients that set DO a signature.
func (g *Gen) appendAnswers(dst []byte, base int, x *exchange) (out []byte, n byte) {
	name, h := uint16(owner), x.hash
	if x.qtype == typeA || x.qtype == typeAAAA || x.qtype == typeHTTPS {
		if links := int(h >> 8 & 7); links > 4 {
			dst, name = appendChain(dst, base, links-4, h)
			n = byte(links - 4)
		}
	}
	for i := range records(x.qtype, h) {
		var data int
		dst, data = openRecord(dst, name, x.qtype, h)
		dst = g.appendData(dst, x, base, mix(h+uint64(i)))
		closeRecord(dst, data)
		n++
	}
	if x.habits&hasDO != 0 && h>>12%3 == 0 {
		dst = g.appendSignature(dst, name, base, x)
		n++
	}
	return dst, n
}

// records returns how many records a name has.
func records(qtype uint16, h uint64) int {
	switch qtype {
	case typeSOA, typeCNAME, typePTR, typeHTTPS:
		return 1
	case typeNS, typeMX, typeDNSKEY:
		return 2 + int(h>>16%2)
	}
	return [8]int{1, 1, 1, 1, 2, 2, 4, 5}[h>>16&7]
}

// appendChain appends n CNAMEs and returns a pointer to the last target.
func appendChain(dst []byte, base, links int, h uint64) (out []byte, target uint16) {
	target = owner
	suffix := uint16(0)
	for i := range links {
		var data int
		dst, data = openRecord(dst, target, typeCNAME, h)
		target = 0xC000 | uint16(len(dst)-base)
		dst = append(dst, 10)
		dst = appendRandomLabel(dst, mix(h+uint64(i)), 10)
		if suffix == 0 {
			suffix = 0xC000 | uint16(len(dst)-base)
			dst = append(dst, cdns[h>>32%uint64(len(cdns))]...)
		} else {
			dst = binary.BigEndian.AppendUint16(dst, suffix)
		}
		closeRecord(dst, data)
	}
	return dst, target
}

// appendData appends the data of one record; h differs from record to record.
func (g *Gen) appendData(dst []byte, x *exchange, base int, h uint64) []byte {
	zone := uint16(0xC000 + headerLen + zoneOf(dst[base+headerLen:]))
	switch x.qtype {
	case typeA:
		return binary.BigEndian.AppendUint32(dst, uint32(h)&0x3FFFFFFF|0x40000000)
	case typeAAAA:
		dst = binary.BigEndian.AppendUint64(dst, 0x2A00000000000000|h>>12)
		return binary.BigEndian.AppendUint64(dst, h<<52|1)
	case typeHTTPS: // RFC 9460: priority 1, target ".", alpn h3 and h2, an IPv4 hint
		dst = append(dst, 0, 1, 0, 0, 1, 0, 6, 2, 'h', '3', 2, 'h', '2', 0, 4, 0, 4)
		return binary.BigEndian.AppendUint32(dst, uint32(h)&0x3FFFFFFF|0x40000000)
	case typeTXT:
		n := 20 + h>>8%180
		at := h % uint64(len(g.text)-255)
		return append(append(dst, byte(n)), g.text[at:at+n]...)
	case typeMX:
		dst = append(dst, 0, 10*byte(1+h%3), 3, 'm', 'x', '1'+byte(h>>8%9))
		return binary.BigEndian.AppendUint16(dst, zone)
	case typeNS:
		dst = append(dst, 3, 'n', 's', '1'+byte(h>>8%9))
		return binary.BigEndian.AppendUint16(dst, zone)
	case typeSOA:
		return appendSOAData(dst, zone, h)
	case typeSRV: // RFC 2782: its target is not compressed
		dst = append(dst, 0, 10, 0, byte(h%100), 0x13, 0xC4, 4, 's', 'i', 'p', '1'+byte(h>>8%9))
		return append(dst, cdns[h>>16%uint64(len(cdns))]...)
	case typeDNSKEY:
		dst = append(dst, 1, byte(h&1), 3, 13)
		for i := range uint64(8) {
			dst = binary.BigEndian.AppendUint64(dst, mix(h+i))
		}
		return dst
	default: // PTR and CNAME
		dst = append(dst, 9)
		dst = appendRandomLabel(dst, h, 9)
		return append(dst, cdns[h>>32%uint64(len(cdns))]...)
	}
}

// appendSignature appends an RRSIG (RFC 4034) over the last name.
func (g *Gen) appendSignature(dst []byte, name uint16, base int, x *exchange) []byte {
	dst, data := openRecord(dst, name, typeRRSIG, x.hash)
	zone := base + headerLen + zoneOf(dst[base+headerLen:])
	dst = append(dst, byte(x.qtype>>8), byte(x.qtype), 13, 2, 0, 0, 14, 16)
	dst = append(dst, 0x69, 0x60, 0, 0, 0x69, 0x50, 0, 0, byte(x.hash>>8), byte(x.hash))
	for i := zone; ; i++ {
		dst = append(dst, dst[i])
		if dst[i] == 0 {
			break
		}
	}
	for i := range uint64(8) {
		dst = binary.BigEndian.AppendUint64(dst, mix(x.hash+i))
	}
	closeRecord(dst, data)
	return dst
}

// appendLarge appends 8 to 17 TXT records, 1,600 to 3,600 bytes in all.
func (g *Gen) appendLarge(dst []byte, x *exchange) (out []byte, n byte) {
	n = 8 + byte(x.hash>>16%10)
	for i := range n {
		var data int
		dst, data = openRecord(dst, owner, typeTXT, x.hash)
		h := mix(x.hash + uint64(i))
		at := h % uint64(len(g.text)-255)
		dst = append(dst, 190)
		dst = append(dst, g.text[at:at+190]...)
		closeRecord(dst, data)
	}
	return dst, n
}
