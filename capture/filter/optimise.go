package filter

import (
	"maps"
	"math"
	"slices"
)

const (
	maxRounds = 20
	maxUnlike = 32 // values that are remembered not to be the one
)

// optimise returns the entry of a graph that gives the same answers with fewer steps: where the way to a block says already what its
// answer is, the block is left out. What is left out has loaded nothing that was not loaded before, so that packets which are too
// short for a load are rejected as before.
func (g *graph) optimise(entry *block) *block {
	for range maxRounds {
		better := g.shortcut(entry)
		if better == entry {
			break
		}
		entry = better
	}
	return entry
}

// facts are what is known of values at a point of the graph, by the key of the code that computes them.
type facts map[string]fact

// fact is what is known of one value.
type fact struct {
	low, high uint32
	unlike    []uint32          // not these
	answers   map[question]bool // to questions that were asked of it
}

type question struct {
	op uint16
	k  uint32
}

// shortcut makes every edge lead to the first block behind it whose answer is not known there.
func (g *graph) shortcut(entry *block) *block {
	order := ordered(entry)
	in := map[*block]facts{entry: {}}
	yes, no := make(map[*block]*block), make(map[*block]*block)
	for _, b := range order {
		if b.op == opRet {
			continue
		}
		known := in[b]
		if b.effect {
			known = facts{} // may be about the memory that it fills
			yes[b], no[b] = decide(b.yes, known), nil
			meet(in, b.yes, known)
			continue
		}
		onYes, onNo := known.with(b, true), known.with(b, false)
		yes[b], no[b] = decide(b.yes, onYes), decide(b.no, onNo)
		meet(in, yes[b], onYes)
		meet(in, no[b], onNo)
		if yes[b] != b.yes { // who still goes there is met by the next round
			meet(in, b.yes, onYes)
		}
		if no[b] != b.no {
			meet(in, b.no, onNo)
		}
	}
	fresh := &graph{known: make(map[blockKey]*block), accept: g.accept, reject: g.reject}
	made := make(map[*block]*block)
	changed := false
	for _, b := range slices.Backward(order) {
		if b.op == opRet {
			made[b] = b
			continue
		}
		n := &block{blockKey: blockKey{b.load, b.op, b.k, made[yes[b]], made[no[b]]}, code: b.code, effect: b.effect}
		changed = changed || n.yes != b.yes || n.no != b.no
		if n.blockKey == b.blockKey {
			n = b
		}
		made[b] = fresh.canonical(n)
		changed = changed || made[b] != b
	}
	if !changed {
		return entry
	}
	g.known = fresh.known
	return made[entry]
}

// decide goes on from b while the answer is known.
func decide(b *block, known facts) *block {
	for b.op != opRet && !b.effect {
		f, ok := known[b.load]
		if !ok {
			return b
		}
		answer, ok := f.answer(question{b.op, b.k})
		if !ok {
			return b
		}
		if answer {
			b = b.yes
		} else {
			b = b.no
		}
	}
	return b
}

// meet takes f as what is known at b, or of that what was known there on other ways as well.
func meet(in map[*block]facts, b *block, f facts) {
	old, ok := in[b]
	if !ok {
		in[b] = f
		return
	}
	common := make(facts)
	for key, x := range old {
		if y, ok := f[key]; ok {
			common[key] = x.or(y)
		}
	}
	in[b] = common
}

// with returns what is known after b has answered.
func (f facts) with(b *block, answer bool) facts {
	after := maps.Clone(f)
	v, ok := after[b.load]
	if !ok {
		v = fact{high: math.MaxUint32}
	}
	after[b.load] = v.and(question{b.op, b.k}, answer)
	return after
}

// and returns f with the answer to one more question.
func (f fact) and(q question, answer bool) fact {
	f.answers = maps.Clone(f.answers)
	if f.answers == nil {
		f.answers = make(map[question]bool)
	}
	f.answers[q] = answer
	switch {
	case q.op == opJEQ && answer:
		f.low, f.high = q.k, q.k
	case q.op == opJEQ && len(f.unlike) < maxUnlike:
		f.unlike = append(slices.Clip(f.unlike), q.k)
	case q.op == opJGT && answer:
		f.low = max(f.low, q.k+1)
	case q.op == opJGT:
		f.high = min(f.high, q.k)
	case q.op == opJGE && answer:
		f.low = max(f.low, q.k)
	case q.op == opJGE && q.k > 0:
		f.high = min(f.high, q.k-1)
	}
	if len(f.answers) > maxUnlike {
		f.answers = nil
	}
	return f
}

// or returns what f and g have in common.
func (f fact) or(g fact) fact {
	common := fact{low: min(f.low, g.low), high: max(f.high, g.high)}
	for _, v := range f.unlike {
		if slices.Contains(g.unlike, v) || v < g.low || v > g.high {
			common.unlike = append(common.unlike, v)
		}
	}
	for _, v := range g.unlike {
		if v < f.low || v > f.high {
			common.unlike = append(common.unlike, v)
		}
	}
	for q, a := range f.answers {
		if b, ok := g.answers[q]; ok && a == b {
			if common.answers == nil {
				common.answers = make(map[question]bool)
			}
			common.answers[q] = a
		}
	}
	return common
}

// answer returns the answer to q, if it is known.
func (f fact) answer(q question) (answer, ok bool) {
	if a, ok := f.answers[q]; ok {
		return a, true
	}
	switch exact := f.low == f.high; q.op {
	case opJEQ:
		if exact {
			return f.low == q.k, true
		}
		return false, q.k < f.low || q.k > f.high || slices.Contains(f.unlike, q.k)
	case opJGT:
		return f.low > q.k, f.low > q.k || f.high <= q.k
	case opJGE:
		return f.low >= q.k, f.low >= q.k || f.high < q.k
	case opJSET:
		return f.low&q.k != 0, exact
	}
	return false, false
}
