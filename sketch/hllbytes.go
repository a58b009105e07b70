package sketch

import (
	"encoding/binary"
	"slices"
)

// The storage format of HyperLogLog, version 1
// (https://github.com/aggregateknowledge/hll-storage-spec). Its first byte has the version and the
// type, the second the width and the number of registers. The third has the limits at which a
// writer changes its form. The rest depends on the type.
const (
	hllVersion  = 1
	hllEmpty    = 1
	hllExplicit = 2 // hashes, in the order of signed numbers, 8 bytes each, big endian
	hllSparse   = 3 // number and rank of registers that are not 0, packed
	hllFull     = 4 // all ranks, packed

	hllHeader   = 3
	hllRegWidth = 5         // bits of a packed rank
	hllLimits   = 1<<6 | 12 // sparse forms allowed; explicit ones to 2^(12-1) = cardExact keys
)

// MarshalBinary returns c in the storage format of HyperLogLog, log2m 14 and regwidth 5: 8 bytes
// per key while c is exact, then 10,243 bytes. It never fails. segmentio/go-hll reads the bytes.
// PostgreSQL's extension hll holds them in a column of type
//
//	hll(14, 5, 2048, 1)
//
// Regwidth 6 does not work: from about 40,000 keys on, the extension returns NaN for a sketch of
// log2m 14 and that width, even for its own sketches.
func (c *Cardinality) MarshalBinary() ([]byte, error) {
	head := func(typ byte) []byte { return []byte{hllVersion<<4 | typ, (hllRegWidth-1)<<5 | cardBits, hllLimits} }
	if c.isDense {
		b := head(hllFull)
		w := bitWriter{b: b}
		for _, r := range c.dense {
			w.put(uint64(r), hllRegWidth)
		}
		return w.b, nil
	}
	if c.n == 0 {
		return head(hllEmpty), nil
	}
	hashes := make([]int64, 0, c.n)
	for _, h := range c.set {
		if h != 0 {
			hashes = append(hashes, int64(h))
		}
	}
	slices.Sort(hashes)
	b := head(hllExplicit)
	for _, h := range hashes {
		b = binary.BigEndian.AppendUint64(b, uint64(h))
	}
	return b, nil
}

// UnmarshalBinary sets c from data in the storage format of HyperLogLog with log2m 14 and any
// regwidth, from any writer. Other bytes are an error and leave c unchanged.
func (c *Cardinality) UnmarshalBinary(data []byte) error {
	corrupt := func(why string) error { return errCorrupt("a cardinality", why) }
	if len(data) < hllHeader || data[0]>>4 != hllVersion {
		return corrupt("unknown version")
	}
	if data[1]&0x1F != cardBits {
		return corrupt("log2m is not 14")
	}
	width := int(data[1]>>5) + 1
	var out Cardinality
	body := data[hllHeader:]
	switch data[0] & 0x0F {
	case hllEmpty:
	case hllExplicit:
		if len(body)%8 != 0 {
			return corrupt("cut")
		}
		for ; len(body) > 0; body = body[8:] {
			out.Add(binary.BigEndian.Uint64(body))
		}
	case hllSparse:
		out.densify()
		for r := (bitReader{b: body}); r.left() >= cardBits+width; {
			out.raise(int(r.get(cardBits)), r.get(width))
		}
	case hllFull:
		if len(body) != (registers*width+7)/8 {
			return corrupt("cut")
		}
		out.densify()
		r := bitReader{b: body}
		for i := range registers {
			out.raise(i, r.get(width))
		}
	default:
		return corrupt("unknown type")
	}
	*c = out
	return nil
}

// raise sets a register to rank if it is lower. Ranks above the register's maximum are capped.
func (c *Cardinality) raise(register int, rank uint64) {
	c.dense[register] = max(c.dense[register], byte(min(rank, rankMax+1)))
}

// bitWriter packs numbers, the highest bit first.
type bitWriter struct {
	b    []byte
	free uint // unused bits of the last byte
}

func (w *bitWriter) put(v uint64, width int) {
	for left := uint(width); left > 0; {
		if w.free == 0 {
			w.b, w.free = append(w.b, 0), 8
		}
		n := min(left, w.free)
		left -= n
		w.free -= n
		w.b[len(w.b)-1] |= byte(v>>left&(1<<n-1)) << w.free
	}
}

// bitReader unpacks them.
type bitReader struct {
	b  []byte
	at int // position in bits
}

func (r *bitReader) left() int { return 8*len(r.b) - r.at }

func (r *bitReader) get(width int) (v uint64) {
	for range width {
		v = v<<1 | uint64(r.b[r.at/8]>>(7-r.at%8)&1)
		r.at++
	}
	return v
}
