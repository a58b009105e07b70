package filter

import (
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// tokenKind is what a token is.
type tokenKind uint8

const (
	tokenEnd    tokenKind = iota
	tokenWord             // a keyword or a name
	tokenName             // a name that is no keyword: it was escaped
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

// shape is what a token looks like. Where several fit, the first one counts.
type shape struct {
	kind    tokenKind
	pattern *regexp.Regexp
}

// shapes are tried in this order. What begins with a hexadecimal digit may be many things; an address is one only where nothing that
// belongs to a word follows.
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

// ranges is the shape that comes before the others after 'portrange'.
var ranges = sync.OnceValue(func() shape { return shape{tokenRange, regexp.MustCompile(`^([A-Za-z0-9]+(?:-[A-Za-z0-9]+)+)`)} })

// lex cuts an expression into tokens, of which the last one is a tokenEnd.
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

// read takes the value out of the text.
func (t *token) read(expr string) error {
	var err error
	switch t.kind {
	case tokenName:
		t.text = t.text[1:]
	case tokenNumber:
		var n uint64
		if n, err = strconv.ParseUint(t.text, 0, 32); err != nil {
			return &Error{expr, t.column, t.text + " is no number of 32 bits (decimal, 0x hexadecimal or 0 octal)"}
		}
		t.number = uint32(n)
	case tokenIPv6:
		if t.ip, err = netip.ParseAddr(t.text); err != nil {
			return &Error{expr, t.column, t.text + " is no IPv6 address"}
		}
	case tokenMAC:
		t.mac = parseMAC(t.text)
	}
	return nil
}

// parseMAC reads six bytes that the pattern has found, with or without separators and leading zeros.
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
		b, _ := strconv.ParseUint(digits[2*i:2*i+2], 16, 8) // the pattern admits nothing else
		mac[i] = byte(b)
	}
	return mac
}
