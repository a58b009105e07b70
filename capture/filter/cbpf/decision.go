package cbpf

import "slices"

// Test is a question about a frame. Make one of [If], [Run], [All], [Any], [Not] and [Known]. A
// Test is immutable.
type Test interface {
	// build makes the blocks that lead to yes or no, and returns the first one.
	build(g *graph, yes, no *block) *block
	// has reports whether the code of the test contains an instruction for which is returns true.
	has(is func(Instruction) bool) bool
}

// Known is a Test that has the same answer for every frame.
type Known bool

// The two values of [Known].
const (
	Always = Known(true)
	Never  = Known(false)
)

type (
	leaf struct {
		code Code
		jump uint16
		k    uint32
	}
	sequence struct{ first, second Test } // second is asked only if first is true
	choice   struct{ first, second Test } // second is asked only if first is false
	inverse  struct{ of Test }
	effect   struct {
		code Code
		then Test
	}
)

// If returns a Test that runs code and then compares A with k, or with X. The jump is [JEQ], [JGT],
// [JGE] or [JSET], plus [X] for a comparison with X. A frame that is too short for code is
// rejected.
func If(code Code, jump uint16, k uint32) Test { return leaf{code, jump, k} }

// Run returns a Test that runs code and then asks then. The code stores values in scratch memory
// for then; then finds no values in the registers.
func Run(code Code, then Test) Test { return effect{code, then} }

// All returns a Test that is true if all tests are. They are asked in order, until one is false.
func All(tests ...Test) Test {
	return join(Always, tests, func(first, second Test) Test { return sequence{first, second} })
}

// Any returns a Test that is true if one of tests is. They are asked in order, until one is true.
func Any(tests ...Test) Test {
	return join(Never, tests, func(first, second Test) Test { return choice{first, second} })
}

// Not returns a Test with the opposite answer.
func Not(t Test) Test {
	if k, ok := t.(Known); ok {
		return !k
	}
	return inverse{t}
}

// Has reports whether the code of t contains an instruction for which is returns true.
func Has(t Test, is func(Instruction) bool) bool { return t.has(is) }

// join joins tests by pairs, without those that equal none.
func join(none Known, tests []Test, pair func(first, second Test) Test) Test {
	var t Test = none
	for _, u := range slices.Backward(tests) {
		if t == none {
			t = u
		} else if u != none {
			t = pair(u, t)
		}
	}
	return t
}

func (k Known) build(_ *graph, yes, no *block) *block {
	if k {
		return yes
	}
	return no
}

func (l leaf) build(g *graph, yes, no *block) *block { return g.block(l, yes, no) }

func (s sequence) build(g *graph, yes, no *block) *block {
	return s.first.build(g, s.second.build(g, yes, no), no)
}

func (c choice) build(g *graph, yes, no *block) *block {
	return c.first.build(g, yes, c.second.build(g, yes, no))
}

func (i inverse) build(g *graph, yes, no *block) *block { return i.of.build(g, no, yes) }

func (e effect) build(g *graph, yes, no *block) *block {
	then := e.then.build(g, yes, no)
	key := blockKey{e.code.key(), JA, 0, then, nil}
	return g.canonical(&block{blockKey: key, code: e.code, effect: true})
}

func (Known) has(func(Instruction) bool) bool         { return false }
func (l leaf) has(is func(Instruction) bool) bool     { return slices.ContainsFunc(l.code, is) }
func (s sequence) has(is func(Instruction) bool) bool { return s.first.has(is) || s.second.has(is) }
func (c choice) has(is func(Instruction) bool) bool   { return c.first.has(is) || c.second.has(is) }
func (i inverse) has(is func(Instruction) bool) bool  { return i.of.has(is) }

func (e effect) has(is func(Instruction) bool) bool {
	return slices.ContainsFunc(e.code, is) || e.then.has(is)
}
