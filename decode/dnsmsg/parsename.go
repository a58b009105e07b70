package dnsmsg

import "errors"

var (
	errLabel = errors.New("labels have 1 to 63 bytes, and names at most 255")
	// an internationalized name has another form in messages, which the text does not show
	errNotASCII = errors.New(`write names of other alphabets as in DNS: xn--..., or \DDD for each byte`)
	errEscape   = errors.New(`a backslash needs three digits up to 255, or another character, behind it`)
)

// ParseName returns the name that a text stands for (RFC 1035 section 5.1), in any case and with or
// without the final dot; "" is the root. Behind a backslash come a character or the three digits of
// a byte.
func ParseName(text string) (Name, error) {
	if text == "" || text == "." {
		return Name{}, nil
	}
	wire, label := []byte{0}, 0 // label is where the length of the last one is
	for len(text) > 0 {
		c, escaped, rest, err := nextByte(text)
		if err != nil {
			return Name{}, err
		}
		if text = rest; c != '.' || escaped {
			wire = append(wire, toLower(c))
		}
		if n := len(wire) - label - 1; n == 0 || n > 63 || len(wire) >= maxName {
			return Name{}, errLabel
		}
		wire[label] = byte(len(wire) - label - 1)
		if c == '.' && !escaped && text != "" {
			label, wire = len(wire), append(wire, 0)
		}
	}
	if wire[label] == 0 {
		return Name{}, errLabel
	}
	return NameFromWire(append(wire, 0)), nil
}

// nextByte returns the first byte that a text stands for, and the text behind it.
func nextByte(text string) (c byte, escaped bool, rest string, err error) {
	switch {
	case text[0] >= 0x80:
		return 0, false, "", errNotASCII
	case text[0] != '\\':
		return text[0], false, text[1:], nil
	case len(text) == 1 || text[1] >= 0x80:
		return 0, false, "", errEscape
	case text[1] < '0' || text[1] > '9':
		return text[1], true, text[2:], nil
	}
	n := 0
	for i := 1; i <= 3; i++ {
		if i >= len(text) || text[i] < '0' || text[i] > '9' {
			return 0, false, "", errEscape
		}
		n = 10*n + int(text[i]-'0')
	}
	if n > 255 {
		return 0, false, "", errEscape
	}
	return byte(n), true, text[4:], nil
}

// Under reports whether n is domain or below it.
func (n Name) Under(domain Name) bool {
	at := len(n.wire) - len(domain.wire)
	if at < 0 || string(n.wire[at:]) != string(domain.wire) {
		return false
	}
	i := 0
	for i < at {
		i += 1 + int(n.wire[i])
	}
	return i == at
}
