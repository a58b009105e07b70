package filter

import (
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// tokenKind is the kind of a token.
type tokenKind uint8

const (
	tokenEnd    tokenKind = iota
	tokenWord             // a keyword or a name
	tokenName             // an escaped name, never a keyword
	tokenNumber           // 53, 0x35, 065
	tokenDotted           // 10.1, 192.0.2.1: up to four bytes of an IPv4 address
	tokenIPv6             // 2001:db8::1
	tokenMAC              // 00:00:5e:00:53:01
	tokenRange            // 1000-2000, after portrange
	tokenPunct            // an operator or a bracket
)

// token is a word of an expression. Column counts bytes, from 1.
type token struct {
	kind   tokenKind
	text   string
	column int
	number uint32
	ip     netip.Addr
	mac    []byte
}

func (t token) is(text string) bool {
	return t.text == text && (t.kind == tokenWord || t.kind == tokenPunct)
}

// shape is the pattern of a kind of token. If several patterns match, the first one applies.
type shape struct {
	kind    tokenKind
	pattern *regexp.Regexp
}

// shapes are tried in this order. A text that begins with a hexadecimal digit matches several
// patterns. It is an address only if no further character of a word follows.
var shapes = sync.OnceValue(func() []shape {
	const (
		anything  = ``
		wordEnds  = `(?:$|[^0-9A-Za-z_:.])`
		digitsEnd = `(?:$|[^0-9A-Za-z_.])`
		word      = `[A-Za-z0-9](?:[-_.A-Za-z0-9]*[.A-Za-z0-9])?`
	)
	before := func(kind tokenKind, pattern, after string) shape {
		return shape{kind, regexp.MustCompile(`^(` + pattern + `)` + after)}
	}
	return []shape{
		before(tokenMAC, `(?:[0-9A-Fa-f]{1,2}[:.-]){5}[0-9A-Fa-f]{1,2}`, wordEnds),
		before(tokenMAC, `[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}`, wordEnds),
		before(tokenMAC, `[0-9A-Fa-f]{12}`, wordEnds),
		before(tokenIPv6, `(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}|[0-9A-Fa-f:]*::[0-9A-Fa-f:.]*`, wordEnds),
		before(tokenDotted, `[0-9]+(?:\.[0-9]+){1,3}`, wordEnds),
		before(tokenNumber, `0[xX][0-9A-Fa-f]+|[0-9]+`, digitsEnd),
		before(tokenWord, word, anything),
		before(tokenName, `\\`+word, anything),
		before(tokenPunct, `&&|\|\||<<|>>|<=|>=|!=|==|[()\[\]!&|<>=+\-*/%^:]`, anything),
	}
})

// ranges is the pattern that is tried first after 'portrange'.
var ranges = sync.OnceValue(func() shape { return shape{tokenRange, regexp.MustCompile(`^([A-Za-z0-9]+(?:-[A-Za-z0-9]+)+)`)} })

// lex splits an expression into tokens. The last one is a tokenEnd.
func lex(expr string) ([]token, error) {
	var tokens []token
	inRange := false
	for at := 0; ; {
		at += len(expr[at:]) - len(strings.TrimLeft(expr[at:], " \t\r\n"))
		if at == len(expr) {
			return append(tokens, token{kind: tokenEnd, column: at + 1}), nil
		}
		candidates := shapes()
		if inRange {
			candidates = append([]shape{ranges()}, candidates...)
		}
		t, ok := first(candidates, expr[at:])
		if !ok {
			return nil, &Error{expr, at + 1, "nothing begins with " + strconv.Quote(expr[at:at+1])}
		}
		t.column = at + 1
		at += len(t.text)
		if err := t.read(expr); err != nil {
			return nil, err
		}
		tokens = append(tokens, t)
		switch {
		case t.is("portrange"):
			inRange = true
		case t.kind == tokenWord && !t.is("or") && !t.is("and") && !t.is("not"):
			inRange = false
		}
	}
}

func first(shapes []shape, rest string) (token, bool) {
	for _, s := range shapes {
		if m := s.pattern.FindStringSubmatch(rest); m != nil {
			return token{kind: s.kind, text: m[1]}, true
		}
	}
	return token{}, false
}

// read parses the value of the token from its text.
func (t *token) read(expr string) error {
	var err error
	switch t.kind {
	case tokenName:
		t.text = t.text[1:]
	case tokenNumber:
		var n uint64
		if n, err = strconv.ParseUint(t.text, 0, 32); err != nil {
			return &Error{expr, t.column, t.text + " is not a 32-bit number (decimal, 0x hexadecimal or 0 octal)"}
		}
		t.number = uint32(n)
	case tokenIPv6:
		if t.ip, err = netip.ParseAddr(t.text); err != nil {
			return &Error{expr, t.column, t.text + " is not an IPv6 address"}
		}
	case tokenMAC:
		t.mac = parseMAC(t.text)
	}
	return nil
}

// parseMAC parses six bytes with or without separators and leading zeros. The pattern has validated
// the text.
func parseMAC(text string) net.HardwareAddr {
	parts := strings.FieldsFunc(text, func(r rune) bool { return r == ':' || r == '-' || r == '.' })
	if len(parts) == 6 {
		for i, p := range parts {
			parts[i] = strings.Repeat("0", 2-len(p)) + p
		}
	}
	digits := strings.Join(parts, "")
	mac := make(net.HardwareAddr, len(digits)/2)
	for i := range mac {
		// the pattern accepts only hexadecimal digits
		b, _ := strconv.ParseUint(digits[2*i:2*i+2], 16, 8)
		mac[i] = byte(b)
	}
	return mac
}
