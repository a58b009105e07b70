package filter

import "slices"

// test is a question about a packet, to which the answer is yes or no.
type test interface {
	// build makes the blocks that go on to yes or no, and returns the first one.
	build(g *graph, yes, no *block) *block
}

type (
	// leaf runs code, which leaves a value in A, and then a conditional jump of opcode op.
	leaf struct {
		code code
		op   uint16
		k    uint32
	}
	known    bool
	sequence struct{ first, second test } // both must be true; second is asked only if first is
	choice   struct{ first, second test } // one must be true; second is asked only if first is not
	inverse  struct{ of test }

	// effect runs code that fills scratch memory, for a test that needs it.
	effect struct {
		code code
		then test
	}
)

const (
	always = known(true)
	never  = known(false)
)

func (l leaf) build(g *graph, yes, no *block) *block { return g.block(l, yes, no) }

func (k known) build(_ *graph, yes, no *block) *block {
	if k {
		return yes
	}
	return no
}

func (s sequence) build(g *graph, yes, no *block) *block {
	return s.first.build(g, s.second.build(g, yes, no), no)
}

func (c choice) build(g *graph, yes, no *block) *block {
	return c.first.build(g, yes, c.second.build(g, yes, no))
}

func (e effect) build(g *graph, yes, no *block) *block {
	then := e.then.build(g, yes, no)
	return g.canonical(&block{blockKey: blockKey{e.code.key(), opJA, 0, then, nil}, code: e.code, effect: true})
}

func (i inverse) build(g *graph, yes, no *block) *block { return i.of.build(g, no, yes) }

// both returns a test of all, asked in this order.
func both(all ...test) test {
	return join(always, all, func(first, second test) test { return sequence{first, second} })
}

// either returns a test of whether one is true, asked in this order.
func either(all ...test) test {
	return join(never, all, func(first, second test) test { return choice{first, second} })
}

// join joins tests by pairs. Those that say as much as none are left out.
func join(none known, all []test, pair func(first, second test) test) test {
	var t test = none
	for _, u := range slices.Backward(all) {
		if t == none {
			t = u
		} else if u != none {
			t = pair(u, t)
		}
	}
	return t
}

func not(t test) test {
	if k, ok := t.(known); ok {
		return !k
	}
	return inverse{t}
}
