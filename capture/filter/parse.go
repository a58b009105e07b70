package filter

import (
	"fmt"
	"slices"
	"strings"
)

const (
	maxNesting    = 100
	maxExpression = 64 << 10 // bytes
)

// Error describes a fault in an expression and its position.
type Error struct {
	Expr   string
	Column int // byte position from 1; at the end of the expression, its length plus one
	Reason string
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("filter %q, column %d: %s", e.Expr, e.Column, e.Reason)
}

// qualifiers describe what an identifier is compared with. Each of them may be empty.
type qualifiers struct {
	proto string // ether, ip, tcp, …
	dir   string // src, dst, "src or dst", "src and dst"
	kind  string // host, net, port, portrange, proto, protochain, gateway
}

// parser turns tokens into an expression, by recursive descent.
type parser struct {
	expr   string
	tokens []token
	at     int
	depth  int
	// qualifiers of the previous identifier, which apply to an identifier without any
	last *qualifiers
	err  *Error // the first error
}

// parse returns nil for an empty expression, which matches every packet.
func parse(expr string) (expression, error) {
	if len(expr) > maxExpression {
		return nil, &Error{expr[:40] + "…", maxExpression, "the expression is longer than 64 KiB"}
	}
	tokens, err := lex(expr)
	if err != nil {
		return nil, err
	}
	p := &parser{expr: expr, tokens: tokens}
	if p.peek().kind == tokenEnd {
		return nil, nil
	}
	e := p.alternatives()
	if t := p.peek(); t.kind != tokenEnd {
		p.fail(t, "expected 'and', 'or' or the end, found "+t.describe())
	}
	if p.err != nil {
		return nil, p.err
	}
	return e, nil
}

func (t token) describe() string {
	if t.kind == tokenEnd {
		return "the end"
	}
	return "'" + t.text + "'"
}

func (p *parser) peek() token  { return p.tokens[p.at] }
func (p *parser) after() token { return p.tokens[min(p.at+1, len(p.tokens)-1)] }

func (p *parser) next() token {
	t := p.peek()
	p.at = min(p.at+1, len(p.tokens)-1)
	return t
}

// accept consumes the next token if it is one of texts.
func (p *parser) accept(texts ...string) (string, bool) {
	if t := p.peek(); slices.ContainsFunc(texts, t.is) {
		p.next()
		return t.text, true
	}
	return "", false
}

func (p *parser) expect(text string) {
	if _, ok := p.accept(text); !ok {
		p.fail(p.peek(), "expected '"+text+"', found "+p.peek().describe())
	}
}

// fail records the first error.
func (p *parser) fail(t token, reason string) {
	if p.err == nil {
		p.err = &Error{p.expr, t.column, reason}
	}
}

// deeper runs f one level deeper, up to the limit.
func deeper[T any](p *parser, f func() T) (none T) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxNesting {
		p.fail(p.peek(), fmt.Sprintf("more than %d levels of brackets and 'not'", maxNesting))
		return none
	}
	return f()
}

// alternatives parses terms joined by 'and' and 'or', which have the same precedence.
func (p *parser) alternatives() expression {
	left := p.term()
	for p.err == nil {
		if _, ok := p.accept("and", "&&"); ok {
			left = allOf{left, p.term()}
		} else if _, ok := p.accept("or", "||"); ok {
			left = anyOf{left, p.term()}
		} else {
			break
		}
	}
	return left
}

// term parses an operand of 'and' or 'or'.
func (p *parser) term() expression {
	if p.err != nil {
		return nil
	}
	if _, ok := p.accept("not", "!"); ok {
		return deeper(p, func() expression { return noneOf{p.term()} })
	}
	if r, ok := p.relation(); ok {
		return r
	}
	t := p.peek()
	switch {
	case p.err != nil:
		return nil
	case t.is("("):
		return p.group()
	case t.kind == tokenWord && isKeyword(t.text):
		return p.primitive()
	case t.kind == tokenEnd || t.kind == tokenPunct:
		p.fail(t, "expected an expression such as 'port 53', found "+t.describe())
		return nil
	case p.last == nil:
		p.fail(t, t.describe()+" needs a qualifier before it, such as 'host' or 'port'"+correction(t.text))
		return nil
	}
	return p.identifier(*p.last)
}

func (p *parser) group() expression {
	p.expect("(")
	e := deeper(p, p.alternatives)
	p.expect(")")
	return e
}

// primitive parses qualifiers and an identifier, or a keyword that is a primitive by itself.
func (p *parser) primitive() expression {
	t := p.peek()
	if _, ok := standalone[t.text]; ok {
		return p.keyword(p.next(), "")
	}
	var q qualifiers
	if _, ok := p.acceptProto(); ok {
		q.proto = protoAliases(t.text)
		if next := p.peek(); next.is("broadcast") || next.is("multicast") {
			return p.keyword(p.next(), q.proto)
		}
	}
	q.dir = p.direction()
	q.kind, _ = p.accept("host", "net", "portrange", "port", "protochain", "proto", "gateway")
	if q.dir == "" && q.kind == "" {
		if q.proto == "" {
			p.fail(t, "'"+t.text+"' cannot stand here")
		}
		return protocol{t, q.proto}
	}
	p.last = &q
	return p.qualified(q)
}

func (p *parser) acceptProto() (string, bool) {
	if t := p.peek(); t.kind == tokenWord && isProto(t.text) {
		p.next()
		return t.text, true
	}
	return "", false
}

// direction parses src, dst, src or dst, src and dst.
func (p *parser) direction() string {
	one, ok := p.accept("src", "dst")
	if !ok {
		return ""
	}
	other := map[string]string{"src": "dst", "dst": "src"}[one]
	if t := p.peek(); (t.is("or") || t.is("||") || t.is("and") || t.is("&&")) && p.after().is(other) {
		p.next()
		p.next()
		if t.is("or") || t.is("||") {
			return "src or dst"
		}
		return "src and dst"
	}
	return one
}

// qualified parses the part after qualifiers: an identifier, or several in brackets.
func (p *parser) qualified(q qualifiers) expression {
	if _, ok := p.accept("not", "!"); ok {
		return deeper(p, func() expression { return noneOf{p.qualified(q)} })
	}
	if p.peek().is("(") {
		return p.group()
	}
	return p.identifier(q)
}

// identifier parses an address, a number or a name.
func (p *parser) identifier(q qualifiers) expression {
	t := p.next()
	id := primitive{token: t, qualifiers: q, bits: -1}
	switch t.kind {
	case tokenNumber, tokenDotted, tokenIPv6:
		if _, ok := p.accept("/"); ok {
			n := p.next()
			if n.kind != tokenNumber {
				p.fail(n, "expected the length of a prefix, found "+n.describe())
			}
			id.bits = int(n.number)
		} else if _, ok := p.accept("mask"); ok {
			if id.mask = p.next(); id.mask.kind != tokenDotted && id.mask.kind != tokenNumber {
				p.fail(id.mask, "expected a mask such as 255.255.255.0, found "+id.mask.describe())
			}
		}
	case tokenWord:
		if isKeyword(t.text) {
			p.fail(t, fmt.Sprintf("expected %s, found the keyword '%s'; a name is written \\%s", wanted(q), t.text, t.text))
		}
	case tokenName, tokenMAC, tokenRange:
	default:
		p.fail(t, fmt.Sprintf("expected %s, found %s", wanted(q), t.describe()))
	}
	return id
}

// wanted returns a description of the identifiers that are valid after q.
func wanted(q qualifiers) string {
	switch q.kind {
	case "port":
		return "a port number or the name of a service"
	case "portrange":
		return "two ports, as 1000-2000"
	case "net":
		return "a network, as 192.0.2.0/24"
	case "proto", "protochain":
		return "the number or name of a protocol"
	}
	if q.proto == "ether" {
		return "a MAC address"
	}
	return "an address or the name of a host"
}

// keyword parses a primitive that consists of a word and an optional operand.
func (p *parser) keyword(t token, proto string) expression {
	k := keyword{token: t, proto: proto}
	switch standalone[t.text] {
	case numberNeeded:
		if k.operand = p.next(); k.operand.kind != tokenNumber {
			p.fail(k.operand, fmt.Sprintf("expected a number after '%s', found %s", t.text, k.operand.describe()))
		}
	case numberAllowed:
		if p.peek().kind == tokenNumber {
			k.operand = p.next()
		}
	case wordAllowed:
		if next := p.peek(); next.kind == tokenWord && llcTypes[next.text] != nil {
			k.operand = p.next()
		}
	case byteTest:
		return p.byteTest(t)
	case elsewhere:
		p.fail(t, "'"+t.text+"' is not supported: it is about headers of 802.11, ATM, SS7 or OpenBSD's pflog")
	}
	return k
}

// byteTest parses 'byte OFFSET OP VALUE'.
func (p *parser) byteTest(t token) expression {
	offset := p.next()
	op, ok := p.accept("=", "<", ">", "|", "&")
	value := p.next()
	if offset.kind != tokenNumber || !ok || value.kind != tokenNumber {
		p.fail(t, "expected 'byte OFFSET OP VALUE' with one of = < > | & for OP")
	}
	load := accessor{t, "ether", constant(offset.number), 1}
	if op == "|" || op == "&" {
		return relation{t, "!=", operation{t, arithmeticOps[op], load, constant(value.number)}, constant(0)}
	}
	return relation{t, op, load, constant(value.number)}
}

// relation parses a comparison of arithmetic expressions. If there is none, it consumes no token.
func (p *parser) relation() (expression, bool) {
	start := p.at
	if !p.arithmeticBegins() {
		return nil, false
	}
	bracket := p.peek().is("(")
	left := p.arithmetic(0)
	t := p.peek()
	var op string
	if p.err == nil {
		op, _ = p.accept("=", "==", "!=", "<", ">", "<=", ">=")
	}
	switch {
	case op == "" && bracket: // the bracket belongs to a group, which parses it again
		p.at, p.err = start, nil
		return nil, false
	case op == "":
		p.fail(t, "expected a comparison (= != < > <= >=), found "+t.describe())
		return nil, false
	}
	return relation{t, strings.Replace(op, "==", "=", 1), left, p.arithmetic(0)}, true
}

// arithmeticBegins reports whether arithmetic follows, which may begin with the same token as a
// primitive.
func (p *parser) arithmeticBegins() bool {
	t, next := p.peek(), p.after()
	switch {
	case t.is("("), t.is("-"):
		return true
	case t.is("len"), t.is("length"):
		return true
	case t.kind == tokenWord:
		_, named := constants[t.text]
		return named || next.is("[") && isProto(t.text)
	case t.kind == tokenNumber:
		return next.kind == tokenPunct && !next.is(")") && !next.is("(") && !next.is("&&") && !next.is("||") &&
			(!next.is("/") || p.last == nil || p.last.kind != "net")
	}
	return false
}
