package dnsmsg

const (
	maxName     = 255 // bytes of a name on the wire, the final zero included (RFC 1035 section 2.3.4)
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

// appendName appends the text of the name at offset at and returns the offset behind it. Compression
// pointers must lead backwards, and behind the header.
func (m Message) appendName(dst []byte, at int, lower bool) ([]byte, int, error) {
	start, end := len(dst), -1
	wire, pointers, limit := 1, 0, at
	for i := at; ; {
		if i >= len(m) {
			return dst[:start], 0, ErrTruncated
		}
		n := int(m[i])
		switch {
		case n == 0:
			if end < 0 {
				end = i + 1
			}
			return dst, end, nil
		case n < 0x40:
			if i+1+n > len(m) {
				return dst[:start], 0, ErrTruncated
			}
			if wire += n + 1; wire > maxName {
				return dst[:start], 0, ErrMalformed
			}
			if len(dst) > start {
				dst = append(dst, '.')
			}
			dst = appendLabel(dst, m[i+1:i+1+n], lower)
			i += n + 1
		case n >= 0xC0:
			if i+2 > len(m) {
				return dst[:start], 0, ErrTruncated
			}
			if end < 0 {
				end = i + 2
			}
			to := int(be16(m[i:]) & 0x3FFF)
			if pointers++; to >= limit || to < HeaderLen || pointers > maxPointers {
				return dst[:start], 0, ErrMalformed
			}
			i, limit = to, to
		default: // 0x40 and 0x80 are not in use (RFC 6891 section 5)
			return dst[:start], 0, ErrMalformed
		}
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

// AppendName appends the text of the name at offset at, in lower case, following compression pointers, and
// returns the offset behind the name. On an error dst comes back as it was.
func (m Message) AppendName(dst []byte, at int) (name []byte, end int, err error) {
	if at < HeaderLen || at > len(m) {
		return dst, 0, ErrTruncated
	}
	return m.appendName(dst, at, true)
}

// AppendWireName is AppendName with the name in wire form: uncompressed, in lower case, with the final zero.
func (m Message) AppendWireName(dst []byte, at int) (name []byte, end int, err error) {
	start := len(dst)
	end, limit, pointers := -1, at, 0
	for i := at; ; {
		if i < HeaderLen || i >= len(m) {
			return dst[:start], 0, ErrTruncated
		}
		n := int(m[i])
		switch {
		case n < 0x40:
			if i+1+n > len(m) {
				return dst[:start], 0, ErrTruncated
			}
			if len(dst)-start+n+1 > maxName {
				return dst[:start], 0, ErrMalformed
			}
			dst = append(dst, byte(n))
			for _, c := range m[i+1 : i+1+n] {
				dst = append(dst, toLower(c))
			}
			i += n + 1
			if n == 0 {
				if end < 0 {
					end = i
				}
				return dst, end, nil
			}
		case n >= 0xC0 && i+2 <= len(m):
			if end < 0 {
				end = i + 2
			}
			to := int(be16(m[i:]) & 0x3FFF)
			if pointers++; to >= limit || to < HeaderLen || pointers > maxPointers {
				return dst[:start], 0, ErrMalformed
			}
			i, limit = to, to
		default:
			return dst[:start], 0, ErrMalformed
		}
	}
}

// skipName returns the offset behind the name at offset at, without following pointers.
func (m Message) skipName(at int) (end int, err error) {
	for i := at; i < len(m); {
		switch n := int(m[i]); {
		case n == 0:
			return i + 1, nil
		case n < 0x40:
			i += n + 1
		case n >= 0xC0:
			if i+2 > len(m) {
				return 0, ErrTruncated
			}
			return i + 2, nil
		default:
			return 0, ErrMalformed
		}
		if i-at >= maxName {
			return 0, ErrMalformed
		}
	}
	return 0, ErrTruncated
}
