package dnsmsg

const (
	// bytes of a name on the wire, including the final zero (RFC 1035 section 2.3.4)
	maxName     = 255
	maxPointers = 126 // more than a name of 255 bytes can use, if each leads to a label
)

// special reports whether c must be escaped in the text of a name.
func special(c byte) bool { return c <= ' ' || c >= 0x7F || c == '.' || c == '\\' }

func toLower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// walk visits the labels of a name, following compression pointers. They must point backwards, and
// behind the header.
type walk struct {
	msg      Message
	at       int // of the next label
	end      int // behind the name at the start of the walk, once known
	limit    int // a pointer must lead to an offset below
	pointers int
	wire     int // bytes of the name so far
}

func (m Message) walk(at int) walk { return walk{msg: m, at: at, limit: at} }

// next returns the next label. The last one is empty; w.end is valid then.
func (w *walk) next() (label []byte, err error) {
	for {
		if w.at < HeaderLen || w.at >= len(w.msg) {
			return nil, ErrTruncated
		}
		n := int(w.msg[w.at])
		switch {
		case n < 0x40:
			return w.label(n)
		case n < 0xC0: // 0x40 and 0x80 are not in use (RFC 6891 section 5)
			return nil, ErrMalformed
		}
		if err := w.follow(); err != nil {
			return nil, err
		}
	}
}

func (w *walk) label(n int) ([]byte, error) {
	from := w.at + 1
	if from+n > len(w.msg) {
		return nil, ErrTruncated
	}
	if w.wire += n + 1; w.wire > maxName {
		return nil, ErrMalformed
	}
	w.at = from + n
	if n == 0 && w.end == 0 {
		w.end = w.at
	}
	return w.msg[from:w.at], nil
}

func (w *walk) follow() error {
	if w.at+2 > len(w.msg) {
		return ErrTruncated
	}
	if w.end == 0 {
		w.end = w.at + 2
	}
	to := int(be16(w.msg[w.at:]) & 0x3FFF)
	if w.pointers++; to >= w.limit || to < HeaderLen || w.pointers > maxPointers {
		return ErrMalformed
	}
	w.at, w.limit = to, to
	return nil
}

// appendName appends the text of the name at offset at and returns the offset behind it.
func (m Message) appendName(dst []byte, at int, lower bool) (name []byte, end int, err error) {
	start, w := len(dst), m.walk(at)
	for {
		label, err := w.next()
		switch {
		case err != nil:
			return dst[:start], 0, err
		case len(label) == 0:
			return dst, w.end, nil
		case len(dst) > start:
			dst = append(dst, '.')
		}
		dst = appendLabel(dst, label, lower)
	}
}

// appendLabel appends the text of a label.
func appendLabel(dst, label []byte, lower bool) []byte {
	for _, c := range label {
		switch {
		case c == '.' || c == '\\':
			dst = append(dst, '\\', c)
		case special(c):
			dst = append(dst, '\\', '0'+c/100, '0'+c/10%10, '0'+c%10)
		case lower:
			dst = append(dst, toLower(c))
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// AppendName appends the text of the name at offset at, in lower case, following compression
// pointers. It returns the offset behind the name. On an error it returns dst unchanged.
func (m Message) AppendName(dst []byte, at int) (name []byte, end int, err error) {
	return m.appendName(dst, at, true)
}

// AppendWireName is AppendName with the name in wire form: uncompressed, in lower case, with the
// final zero.
func (m Message) AppendWireName(dst []byte, at int) (name []byte, end int, err error) {
	start, w := len(dst), m.walk(at)
	for {
		label, err := w.next()
		if err != nil {
			return dst[:start], 0, err
		}
		dst = append(dst, byte(len(label)))
		for _, c := range label {
			dst = append(dst, toLower(c))
		}
		if len(label) == 0 {
			return dst, w.end, nil
		}
	}
}

// skipName returns the offset behind the name at offset at, without following pointers. With
// an error, it is where the walk ended.
func (m Message) skipName(at int) (end int, err error) {
	i := at
	for i < len(m) {
		switch n := int(m[i]); {
		case n == 0:
			return i + 1, nil
		case n < 0x40:
			i += n + 1
		case n >= 0xC0:
			if i+2 > len(m) {
				return i, ErrTruncated
			}
			return i + 2, nil
		default:
			return i, ErrMalformed
		}
		if i-at >= maxName {
			return i, ErrMalformed
		}
	}
	return i, ErrTruncated
}
