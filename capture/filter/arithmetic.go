package filter

import (
	"strconv"

	"visor/capture/filter/cbpf"
)

// precedence of binary operators, as in C.
var precedence = map[string]int{
	"|": 1, "^": 2, "&": 3, "<<": 4, ">>": 4, "+": 5, "-": 5, "*": 6, "/": 6, "%": 6,
}

// arithmeticOps maps operators to instructions.
var arithmeticOps = map[string]uint16{
	"+": cbpf.Add, "-": cbpf.Sub, "*": cbpf.Mul, "/": cbpf.Div, "%": cbpf.Mod,
	"&": cbpf.And, "|": cbpf.Or, "^": cbpf.Xor, "<<": cbpf.Lsh, ">>": cbpf.Rsh,
}

// arithmetic parses an arithmetic expression with operators that bind tighter than level.
func (p *parser) arithmetic(level int) number {
	left := p.operand()
	for p.err == nil {
		t := p.peek()
		l := precedence[t.text]
		if t.kind != tokenPunct || l <= level {
			break
		}
		p.next()
		left = newOperation(t, left, p.arithmetic(l))
	}
	return left
}

// operand parses a number, a field of the packet, or an expression in brackets.
func (p *parser) operand() number {
	if p.err != nil {
		return constant(0)
	}
	t := p.next()
	switch {
	case t.kind == tokenNumber:
		return constant(t.number)
	case t.is("-"):
		return deeper(p, func() number { return newOperation(t, constant(0), p.operand()) })
	case t.is("("):
		n := deeper(p, func() number { return p.arithmetic(0) })
		p.expect(")")
		return n
	case t.is("len"), t.is("length"):
		return wireLength{}
	case t.kind == tokenWord && p.peek().is("[") && isProto(t.text):
		return p.accessor(t)
	}
	if v, ok := constants[t.text]; ok && t.kind == tokenWord {
		return constant(v)
	}
	p.fail(t, "expected a number, 'len' or a field such as 'ip[8]', found "+t.describe())
	return constant(0)
}

// accessor parses '[OFFSET]' or '[OFFSET:SIZE]'.
func (p *parser) accessor(t token) number {
	p.expect("[")
	a := accessor{t, protoAliases(t.text), deeper(p, func() number { return p.arithmetic(0) }), 1}
	if _, ok := p.accept(":"); ok {
		size := p.next()
		if size.kind != tokenNumber || size.number != 1 && size.number != 2 && size.number != 4 {
			p.fail(size, "a field has 1, 2 or 4 bytes, not "+size.describe())
		}
		a.size = int(size.number)
	}
	p.expect("]")
	return a
}

// number is an arithmetic expression over uint32 values.
type number interface {
	// compile returns code that leaves the value in register A, and a test that is true if the
	// packet has the value. The code may use the scratch memory from slot on, and may change X.
	compile(c *compiler, slot int) (cbpf.Code, cbpf.Test)
}

type (
	constant   uint32
	wireLength struct{}

	operation struct {
		token       token
		op          uint16
		left, right number
	}

	// accessor is a field of the packet.
	accessor struct {
		token  token
		proto  string
		offset number
		size   int // bytes
	}
)

func (n constant) compile(*compiler, int) (cbpf.Code, cbpf.Test) {
	return cbpf.Code{{Op: cbpf.LoadConst, K: uint32(n)}}, cbpf.Always
}

func (wireLength) compile(*compiler, int) (cbpf.Code, cbpf.Test) {
	return cbpf.Code{{Op: cbpf.LoadLen}}, cbpf.Always
}

// newOperation returns the number for operator t. It computes the value if both sides are
// constants.
func newOperation(t token, left, right number) number {
	l, constL := left.(constant)
	r, constR := right.(constant)
	op := arithmeticOps[t.text]
	if constL && constR {
		if v, ok := cbpf.Apply(op, uint32(l), uint32(r)); ok {
			return constant(v)
		}
	}
	return operation{t, op, left, right}
}

func (o operation) compile(c *compiler, slot int) (cbpf.Code, cbpf.Test) {
	left, condL := o.left.compile(c, slot)
	if k, ok := o.right.(constant); ok {
		if k == 0 && (o.op == cbpf.Div || o.op == cbpf.Mod) {
			c.fail(o.token, "division by zero")
		}
		return append(left, cbpf.Instruction{Op: cbpf.ALU | o.op, K: uint32(k)}), condL
	}
	c.needSlot(o.token, slot)
	right, condR := o.right.compile(c, slot+1)
	k := uint32(slot)
	left = append(left, cbpf.Instruction{Op: cbpf.Store, K: k})
	left = append(left, right...)
	left = append(left, cbpf.Instruction{Op: cbpf.TAX}, cbpf.Instruction{Op: cbpf.LoadMem, K: k}, cbpf.Instruction{Op: cbpf.ALU | cbpf.X | o.op})
	return left, cbpf.All(condL, condR)
}

// needSlot fails if the slot does not exist.
func (c *compiler) needSlot(t token, slot int) {
	if slot >= freeSlots {
		c.fail(t, "the expression needs more than "+strconv.Itoa(freeSlots)+" intermediate results")
	}
}

func (a accessor) compile(c *compiler, slot int) (cbpf.Code, cbpf.Test) {
	base, cond := c.fieldBase(a)
	size := map[int]uint16{1: cbpf.Byte, 2: cbpf.Half, 4: cbpf.Word}[a.size]
	if k, ok := a.offset.(constant); ok {
		field := base.plus(uint32(k))
		if !base.header {
			return field.load(size), cond
		}
		return append(base.loadHeader(), cbpf.Instruction{Op: cbpf.Load | cbpf.Ind | size, K: field.offset}), cond
	}
	index, condIndex := a.offset.compile(c, slot)
	index = append(index, base.add(c, a.token, slot)...)
	index = append(index, cbpf.Instruction{Op: cbpf.TAX}, cbpf.Instruction{Op: cbpf.Load | cbpf.Ind | size, K: base.offset})
	return index, cbpf.All(condIndex, cond)
}

// add returns code that adds the base offset and the length of the header to A. It may use a slot.
func (b base) add(c *compiler, t token, slot int) cbpf.Code {
	addX := cbpf.Instruction{Op: cbpf.ALU | cbpf.X | cbpf.Add}
	switch {
	case b.slot == 0 && !b.header:
		return nil
	case b.slot == 0:
		return append(b.loadHeader(), addX)
	case !b.header:
		return cbpf.Code{{Op: cbpf.LoadXMem, K: b.slot}, addX}
	}
	c.needSlot(t, slot)
	saved := uint32(slot)
	return append(append(cbpf.Code{{Op: cbpf.Store, K: saved}}, b.loadHeader()...), cbpf.Instruction{Op: cbpf.LoadMem, K: saved}, addX)
}

// relation compares two numbers.
type relation struct {
	token       token
	op          string
	left, right number
}

func (r relation) test(c *compiler) cbpf.Test {
	left, right, op := r.left, r.right, r.op
	if _, ok := left.(constant); ok { // move the constant to the right
		left, right = right, left
		op = map[string]string{"=": "=", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}[op]
	}
	if right, ok := right.(constant); ok {
		a, cond := left.compile(c, 0)
		return cbpf.All(cond, compare(a, op, uint32(right), 0))
	}
	b, condR := right.compile(c, 1)
	a, condL := left.compile(c, 1)
	all := append(append(b, cbpf.Instruction{Op: cbpf.Store, K: 0}), a...)
	all = append(all, cbpf.Instruction{Op: cbpf.LoadXMem, K: 0})
	return cbpf.All(condR, condL, compare(all, op, 0, cbpf.X))
}

// compare returns a test that compares A with k, or with X.
func compare(a cbpf.Code, op string, k uint32, x uint16) cbpf.Test {
	switch op {
	case "=":
		return cbpf.If(a, cbpf.JEQ|x, k)
	case "!=":
		return cbpf.Not(cbpf.If(a, cbpf.JEQ|x, k))
	case ">":
		return cbpf.If(a, cbpf.JGT|x, k)
	case "<=":
		return cbpf.Not(cbpf.If(a, cbpf.JGT|x, k))
	case ">=":
		return cbpf.If(a, cbpf.JGE|x, k)
	}
	return cbpf.Not(cbpf.If(a, cbpf.JGE|x, k))
}
