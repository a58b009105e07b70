package dnsmsg

import "encoding/binary"

// plain is what a walk over the labels of an uncompressed name finds.
type plain struct {
	end    int  // offset behind the name
	labels int  // without the root
	low    int  // lengths behind the first that look like a special byte
	high   bool // there are others
	// Offsets of the lengths of the last three labels, 0 where there are fewer.
	last, second, third int
}

// plainName walks the uncompressed name at offset at. It returns false if it is none, or is not right.
func (m Message) plainName(at int) (p plain, ok bool) {
	for i := at; i < len(m); {
		n := int(m[i])
		if n == 0 {
			p.end = i + 1
			return p, i < at+maxName
		}
		if n > ' ' {
			if n >= 0x40 {
				break
			}
			if n != '.' {
				p.high = true
				p.low--
			}
		}
		p.low++
		p.labels++
		p.third, p.second, p.last = p.second, p.last, i
		i += n + 1
	}
	return p, false
}

// Every byte of a word, times eight.
const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// lowerWord turns the letters in eight bytes into lower case. Special has the high bit of each byte that must be
// escaped, and such bytes are dots in lower. In sums of bytes below 0x80 no bit carries from one byte into the next.
func lowerWord(w uint64) (lower, special uint64) {
	t := w &^ highs
	good := (t + (0x80-0x21)*ones) & // not below 0x21
		((t ^ '.'*ones) + 0x7F*ones) & // no dot
		((t ^ '\\'*ones) + 0x7F*ones) &^ // no backslash
		((t + ones) | w) // not 0x7F and above
	special = ^good & highs
	upper := (t + (0x80-'A')*ones) &^ (t + (0x80-'Z'-1)*ones) & highs
	fill := special<<1 - special>>7
	return (w|upper>>2)&^fill | fill&('.'*ones), special
}

// lowerText puts the lower case of src into dst, of the same length, with dots for special bytes, and returns
// the number of these.
func lowerText(dst, src []byte) int {
	if len(src) < 8 {
		n := 0
		for i, c := range src {
			if special(c) {
				n++
				dst[i] = '.'
				continue
			}
			dst[i] = toLower(c)
		}
		return n
	}
	var count uint64
	i := 0
	for ; i+8 <= len(src) && i+8 <= len(dst); i += 8 {
		w, bad := lowerWord(binary.LittleEndian.Uint64(src[i:]))
		binary.LittleEndian.PutUint64(dst[i:], w)
		count += bad >> 7
	}
	if rest := len(src) - i; rest > 0 {
		w, bad := lowerWord(binary.LittleEndian.Uint64(src[len(src)-8:]))
		binary.LittleEndian.PutUint64(dst[len(src)-8:], w)
		count += bad >> 7 >> (64 - uint(rest)*8)
	}
	return int(count * ones >> 56)
}

func (m Message) appendPlain(dst []byte, at int, p plain) ([]byte, bool) {
	if p.labels == 0 {
		return dst, true
	}
	first := at + 1
	text := m[first : p.end-1]
	start := len(dst)
	if cap(dst)-start < len(text) {
		return dst, false
	}
	out := dst[start : start+len(text)]
	low := p.low
	if n := m[at]; n <= ' ' || n == '.' {
		low--
	}
	if lowerText(out, text) != low {
		return dst, false
	}
	if p.high {
		for i := int(m[at]); i < len(text); i += int(text[i]) + 1 {
			out[i] = '.'
		}
	}
	return dst[:start+len(text)], true
}
