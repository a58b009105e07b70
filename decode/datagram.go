package decode

import "slices"

const (
	// maxSpans bounds the separate pieces of a datagram. Fragments that arrive in order form one. A
	// datagram with more pieces is dropped, so that the search for a fragment's place stays cheap.
	maxSpans = 64

	// maxParts bounds the fragments of a datagram. The smallest MTU of IPv4 (68, RFC 791) makes
	// 1365.
	maxParts = 2048
)

// datagram is an incomplete IP datagram. It holds the received bytes in order of arrival. Memory
// grows with the received bytes, not with the offset that a fragment claims.
type datagram struct {
	key    fragKey
	data   []byte // bytes of the parts, concatenated
	parts  []part
	have   []span // received spans, sorted, with gaps between
	total  int    // -1 until the last fragment has arrived
	timeNS int64  // of the first fragment to arrive
	proto  uint8  // of the fragment at offset 0

	older, newer *datagram // in the order of use
}

// part is a run of bytes of the datagram.
type part struct{ from, n uint16 }

// span is the bytes of the datagram from one offset up to another.
type span struct{ from, to int }

// size is the memory that d holds for received bytes.
func (d *datagram) size() int { return cap(d.data) + 4*cap(d.parts) + 16*cap(d.have) }

// whole reports whether all bytes have arrived.
func (d *datagram) whole() bool {
	return d.total >= 0 && len(d.have) == 1 && d.have[0] == span{0, d.total}
}

// copyTo writes the bytes of a whole datagram to dst.
func (d *datagram) copyTo(dst []byte) {
	rest := d.data
	for _, p := range d.parts {
		copy(dst[p.from:], rest[:p.n])
		rest = rest[p.n:]
	}
}

// fill adds a fragment that ends at end. The first copy of a byte is kept. fill returns false if
// the datagram must be dropped: it has two ends, too many pieces, or in IPv6 an overlap that is not
// an exact repetition (RFC 5722).
func (d *datagram) fill(f fragment, end int, v6 bool) bool {
	if f.offset == 0 {
		d.proto = f.proto
	}
	if !f.more {
		if d.total >= 0 && d.total != end {
			return false
		}
		d.total = end
	}
	last := end
	if n := len(d.have); n > 0 {
		last = max(last, d.have[n-1].to)
	}
	if d.total >= 0 && last > d.total {
		return false
	}
	return d.insert(span{f.offset, end}, f.data, v6)
}

// insert merges s with the spans that it touches and stores the new bytes.
func (d *datagram) insert(s span, data []byte, v6 bool) bool {
	at, from := 0, s.from
	for at < len(d.have) && d.have[at].to < s.from {
		at++
	}
	merged, last := s, at
	for last < len(d.have) && d.have[last].from <= s.to {
		h := d.have[last]
		if v6 && h.from < s.to && s.from < h.to && !(h.from <= s.from && s.to <= h.to) {
			return false
		}
		d.keep(from, h.from, data, s.from)
		from = max(from, h.to)
		merged = span{min(merged.from, h.from), max(merged.to, h.to)}
		last++
	}
	d.keep(from, s.to, data, s.from)
	d.have = slices.Replace(d.have, at, last, merged)
	return len(d.have) <= maxSpans && len(d.parts) <= maxParts
}

// keep copies the bytes of the datagram from one offset up to another, if that is greater. data[0]
// is at offset start.
func (d *datagram) keep(from, to int, data []byte, start int) {
	if from >= to {
		return
	}
	d.data = append(d.data, data[from-start:to-start]...)
	if n := len(d.parts); n > 0 && int(d.parts[n-1].from)+int(d.parts[n-1].n) == from {
		d.parts[n-1].n += uint16(to - from)
		return
	}
	d.parts = append(d.parts, part{uint16(from), uint16(to - from)})
}
