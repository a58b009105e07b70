package dnsmsg

import "encoding/binary"

// cuts packs where the last labels of a name begin. From the lowest byte on, it holds the number of
// labels and the offsets of the last two and the last three labels, if the name has as many.
type cuts uint32

// Cut returns the parts that pktvisor lists instead of name: the last two and the last three
// labels. name and q must come from one call of AppendCanonical. A name with fewer labels is
// returned whole. three is the root for two labels, and for names shorter than five bytes.
func (q *Question) Cut(name Name) (two, three Name) {
	second, third := q.cuts>>8&0xFF, q.cuts>>16
	switch labels := q.cuts & 0xFF; {
	case labels > 3:
		return name.from(second), name.from(third)
	case labels == 3:
		return name.from(second), name
	case labels == 2 || len(name.wire) < 1+5:
		return name, Name{}
	}
	return name, name
}

// Labels returns the number of labels of the name. q must come from AppendCanonical.
func (q *Question) Labels() int { return int(q.cuts & 0xFF) }

// AppendCanonical appends the first QNAME to dst and returns the rest of the question. The name is
// in canonical form with the final zero, as [NameFromWire] expects. The errors are those that
// AppendQuestion returns.
func (m Message) AppendCanonical(dst []byte) (out []byte, q Question, err error) {
	end, cuts := cutsOf(m[HeaderLen:])
	end += HeaderLen
	if end == HeaderLen || end+4 > len(m) || end > HeaderLen+maxName || m.QDCount() == 0 {
		return m.appendCompressed(dst)
	}
	q = m.question(end)
	q.cuts = cuts
	return appendLower(dst, m[HeaderLen:end]), q, nil
}

// cutsOf returns the end of the uncompressed name at the start of name, and its cuts, or 0. The
// offsets of the last labels are shifted through one word, so that the loop needs few registers.
func cutsOf(name []byte) (end int, c cuts) {
	labels, starts := cuts(0), cuts(0)
	for i := uint(0); i < uint(len(name)); {
		n := uint(name[i])
		if n == 0 {
			return int(i) + 1, starts&0xFFFF00 | labels
		}
		if n >= 0x40 {
			break
		}
		starts = starts<<8 | cuts(i)
		labels++
		i += n + 1
	}
	return 0, 0
}

// appendCompressed is AppendCanonical for any name.
func (m Message) appendCompressed(dst []byte) (out []byte, q Question, err error) {
	if m.QDCount() == 0 {
		return dst, q, ErrNoQuestion
	}
	out, end, err := m.AppendWireName(dst, HeaderLen)
	if err == nil && end+4 > len(m) {
		err = ErrTruncated
	}
	if err != nil {
		return dst, q, err
	}
	q = m.question(end)
	_, q.cuts = cutsOf(out[len(dst):])
	return out, q, nil
}

// appendLower appends name, which is in wire form, in lower case. Lengths are below 'A'. Names up
// to 32 bytes are copied without a loop: its end is unpredictable, and a mispredicted branch costs
// more than copying a few bytes twice.
func appendLower(dst, name []byte) []byte {
	start, n := len(dst), len(name)
	if cap(dst)-start < n {
		dst = append(dst, name...)[:start]
	}
	to := dst[start : start+n]
	switch {
	case n < 8:
		for i, c := range name {
			to[i] = toLower(c)
		}
	case n <= 16:
		putLower(to, name)
		putLower(to[n-8:], name[n-8:])
	case n <= 32:
		putLower(to, name)
		putLower(to[8:], name[8:])
		putLower(to[n-16:], name[n-16:])
		putLower(to[n-8:], name[n-8:])
	default:
		for i := 0; i < n-8; i += 8 {
			putLower(to[i:], name[i:])
		}
		putLower(to[n-8:], name[n-8:])
	}
	return dst[:start+n]
}

// putLower writes the lower case of the first eight bytes of src to dst. In sums of bytes below
// 0x80 no bit carries from one byte into the next.
func putLower(dst, src []byte) {
	const (
		ones  = 0x0101010101010101 // every byte of a word, times eight
		highs = 0x80 * ones
	)
	w := binary.LittleEndian.Uint64(src)
	t := w &^ highs
	upper := (t + (0x80-'A')*ones) &^ (t + (0x80-'Z'-1)*ones) &^ w & highs
	binary.LittleEndian.PutUint64(dst, w|upper>>2)
}
