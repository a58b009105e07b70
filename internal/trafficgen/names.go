package trafficgen

import (
	"strings"

	"visor/sketch/hash64"
)

// class is the kind of host behind a name.
type class uint8

const (
	classHost class = iota
	classReverse
	classService
)

const (
	minName, maxName = 20, 60 // bytes of a name as text
	popular          = 64     // number of leading names that are existing hosts
)

// nameTable holds distinct names in wire format and lower case, the most frequent first.
type nameTable struct {
	wire    []byte
	start   []uint32 // len+1 offsets into wire
	classes []class
}

var (
	syllables = strings.Fields("ba be bi bo ca ce co cu da de di do fa fe fi fo ga ge go ha he hi ho ka ke ki ko " +
		"la le li lo lu ma me mi mo mu na ne ni no pa pe pi po ra re ri ro ru sa se si so su ta te ti to tu va ve vi vo wa we xo ya zo")
	topLevel = strings.Fields("com com com com com com net net net org org de de io co.uk fr nl ru info com.br pl it app dev cloud eu")
	hosts    = strings.Fields("www www www api cdn img static mail app login assets media edge ads track m ns1 mx auth docs")
	services = strings.Fields("_sip._tcp _sips._tcp _xmpp-client._tcp _ldap._tcp _kerberos._udp _caldavs._tcp _imaps._tcp")
)

func newNameTable(n int, r *random) *nameTable {
	t := &nameTable{wire: make([]byte, 0, 40*n), start: make([]uint32, 1, n+1), classes: make([]class, 0, n)}
	zones := newZones(n/12+1, r)
	seen := make(map[uint64]struct{}, n) // hashes: a map of strings takes twice the time
	hash := hash64.Fixed()
	var text []byte
	for len(t.classes) < n {
		c := classHost
		if len(t.classes) >= popular {
			c = drawClass(r)
		}
		text = appendName(text[:0], c, zones, r)
		if len(text) < minName || len(text) > maxName {
			continue
		}
		h := hash.Sum(text)
		if _, ok := seen[h]; ok {
			continue
		}
		seen[h] = struct{}{}
		t.wire = appendWire(t.wire, string(text))
		t.start = append(t.start, uint32(len(t.wire)))
		t.classes = append(t.classes, c)
	}
	return t
}

// name returns name i in wire format.
func (t *nameTable) name(i uint32) []byte { return t.wire[t.start[i]:t.start[i+1]] }

func drawClass(r *random) class {
	switch p := r.n(100); {
	case p < 7:
		return classReverse
	case p < 10:
		return classService
	default:
		return classHost
	}
}

func newZones(n int, r *random) []string {
	zones := make([]string, n)
	var b []byte
	for i := range zones {
		b = appendWord(b[:0], 2+r.n(4), r)
		b = append(b, '.')
		zones[i] = string(append(b, topLevel[r.n(uint32(len(topLevel)))]...))
	}
	return zones
}

func appendWord(dst []byte, n uint32, r *random) []byte {
	for range n {
		dst = append(dst, syllables[r.n(uint32(len(syllables)))]...)
	}
	return dst
}

// appendName appends a name as text; its length may be out of bounds.
func appendName(dst []byte, c class, zones []string, r *random) []byte {
	zone := zones[r.n(uint32(len(zones)))]
	switch c {
	case classReverse:
		for range 4 {
			dst = appendDecimal(dst, uint8(r.n(256)))
			dst = append(dst, '.')
		}
		return append(dst, "in-addr.arpa"...)
	case classService:
		dst = append(dst, services[r.n(uint32(len(services)))]...)
		dst = append(dst, '.')
		return append(dst, zone...)
	}
	labels := uint32(2)
	switch p := r.n(100); {
	case p < 12:
		labels = 5
	case p < 40:
		labels = 4
	case p < 90:
		labels = 3
	}
	if labels == 2 {
		dst = appendWord(dst, 8+r.n(6), r)
		return append(dst, ".com"...)
	}
	for i := uint32(strings.Count(zone, ".")) + 1; i < labels; i++ {
		dst = appendHost(dst, r)
	}
	for len(dst)+len(zone) < minName {
		dst = appendHost(dst, r)
	}
	return append(dst, zone...)
}

// appendHost appends a label and a dot.
func appendHost(dst []byte, r *random) []byte {
	switch p := r.n(10); {
	case p < 3:
		dst = append(dst, hosts[r.n(uint32(len(hosts)))]...)
	case p < 5:
		dst = appendRandomLabel(dst, r.uint64()|1<<40, 9)
	case p < 7:
		dst = appendWord(dst, 1+r.n(3), r)
		dst = append(dst, '-')
		dst = appendDecimal(dst, uint8(r.n(200)))
	default:
		dst = appendWord(dst, 2+r.n(5), r)
	}
	return append(dst, '.')
}

// appendRandomLabel appends the low bits of x, 5 in each of n letters.
func appendRandomLabel(dst []byte, x uint64, n int) []byte {
	const letters = "abcdefghijkmnpqrstuvwxyz23456789"
	for range n {
		dst = append(dst, letters[x&31])
		x >>= 5
	}
	return dst
}

func appendDecimal(dst []byte, v uint8) []byte {
	if v >= 100 {
		dst = append(dst, '0'+v/100)
	}
	if v >= 10 {
		dst = append(dst, '0'+v/10%10)
	}
	return append(dst, '0'+v%10)
}

// appendWire appends the wire format of a name without escapes. Empty labels are left out, and
// labels are cut at 63 bytes.
func appendWire(dst []byte, name string) []byte {
	for label := range strings.SplitSeq(name, ".") {
		label = label[:min(len(label), 63)]
		if label == "" {
			continue
		}
		dst = append(dst, byte(len(label)))
		dst = append(dst, label...)
	}
	return append(dst, 0)
}

// appendText appends a wire format name as text in lower case, without the final dot.
func appendText(dst, wire []byte) []byte {
	for i := 0; i < len(wire) && wire[i] != 0; {
		n := int(wire[i])
		if i > 0 {
			dst = append(dst, '.')
		}
		for _, c := range wire[i+1 : i+1+n] {
			if 'A' <= c && c <= 'Z' {
				c |= 0x20
			}
			dst = append(dst, c)
		}
		i += 1 + n
	}
	return dst
}

// zoneOf returns where the last two labels of a wire format name begin.
func zoneOf(wire []byte) int {
	last, before := 0, 0
	for i := 0; wire[i] != 0; i += 1 + int(wire[i]) {
		before, last = last, i
	}
	return before
}
