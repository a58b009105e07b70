package cbpf

import (
	"math"
	"slices"
)

// Bounds of what is remembered: an expression may have thousands of parts.
const (
	maxRounds  = 20
	maxFacts   = 16 // values
	maxUnlike  = 32 // numbers that one of them is not
	maxAnswers = 8
)

// optimise returns the entry of a graph with the same answers in fewer steps. It leaves out a block
// where the path to it implies its answer. Such a block loads nothing that the path has not loaded,
// so that frames which are too short for a load are rejected as before.
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

// facts are what is known of values at a point of the graph.
type facts []fact

// fact is what is known of one value.
type fact struct {
	load      string // the key of the code that computes it
	low, high uint32
	unlike    []uint32 // not these
	answers   []answer // to questions that were asked of it
}

type question struct {
	op uint16
	k  uint32
}

type answer struct {
	question
	yes bool
}

// shortcut makes every edge lead to the first block after it whose answer is not known there. It
// returns entry if all edges do so already.
func (g *graph) shortcut(entry *block) *block {
	order := ordered(entry)
	to := targets(order)
	known := g.known
	g.known = make(map[blockKey]*block)
	made := map[*block]*block{g.accept: g.accept, g.reject: g.reject, nil: nil}
	changed := false
	for _, b := range slices.Backward(order) {
		if b.op == Ret {
			continue
		}
		n := *b
		n.yes, n.no = made[to[b].yes], made[to[b].no]
		if n.blockKey == b.blockKey {
			made[b] = g.canonical(b)
		} else {
			made[b] = g.canonical(&n)
		}
		changed = changed || made[b] != b
	}
	if !changed {
		g.known = known
	}
	return made[entry]
}

// edges are the blocks that a block leads to.
type edges struct{ yes, no *block }

// targets returns where the edges of blocks could lead.
func targets(order []*block) map[*block]edges {
	to := make(map[*block]edges, len(order))
	in := make(map[*block]facts) // known where a block is entered
	for _, b := range order {
		if b.op == Ret {
			continue
		}
		known := in[b]
		delete(in, b)
		if b.effect { // what is known may be about the memory that it fills
			to[b] = edges{b.yes, nil}
			meet(in, b.yes, nil)
			continue
		}
		onYes, onNo := known.with(b, true), known.with(b, false)
		to[b] = edges{decide(b.yes, onYes), decide(b.no, onNo)}
		meet(in, to[b].yes, onYes)
		meet(in, to[b].no, onNo)
		meet(in, b.yes, onYes) // perhaps no longer reached; the next round removes it
		meet(in, b.no, onNo)
	}
	return to
}

// decide follows the edges from b while the answer is known.
func decide(b *block, known facts) *block {
	for b.op != Ret && !b.effect {
		i := known.find(b.load)
		if i < 0 {
			return b
		}
		yes, ok := known[i].answer(question{b.op, b.k})
		if !ok {
			return b
		}
		if yes {
			b = b.yes
		} else {
			b = b.no
		}
	}
	return b
}

// meet adds a path to b on which f is known. What is known at b is what all paths have in common.
func meet(in map[*block]facts, b *block, f facts) {
	old, ok := in[b]
	if !ok {
		in[b] = f
		return
	}
	var common facts
	for i := range old {
		if j := f.find(old[i].load); j >= 0 {
			common = append(common, old[i].or(&f[j]))
		}
	}
	in[b] = common
}

func (f facts) find(load string) int {
	return slices.IndexFunc(f, func(v fact) bool { return v.load == load })
}

// with returns what is known after b has answered. At maxFacts the oldest fact is dropped.
func (f facts) with(b *block, yes bool) facts {
	i := f.find(b.load)
	if i >= 0 {
		after := slices.Clone(f)
		after[i] = f[i].and(question{b.op, b.k}, yes)
		return after
	}
	if len(f) == maxFacts {
		f = f[1:]
	}
	first := fact{load: b.load, high: math.MaxUint32}
	return append(slices.Clip(f), first.and(question{b.op, b.k}, yes))
}

// and returns f with the answer to one more question.
func (f fact) and(q question, yes bool) fact {
	if len(f.answers) < maxAnswers {
		f.answers = append(slices.Clip(f.answers), answer{q, yes})
	}
	switch {
	case q.op == JEQ && yes:
		f.low, f.high = q.k, q.k
	case q.op == JEQ && len(f.unlike) < maxUnlike:
		f.unlike = append(slices.Clip(f.unlike), q.k)
	case q.op == JGT && yes:
		f.low = max(f.low, q.k+1)
	case q.op == JGT:
		f.high = min(f.high, q.k)
	case q.op == JGE && yes:
		f.low = max(f.low, q.k)
	case q.op == JGE && q.k > 0:
		f.high = min(f.high, q.k-1)
	}
	return f
}

// or returns what f and g have in common.
func (f *fact) or(g *fact) fact {
	common := fact{load: f.load, low: min(f.low, g.low), high: max(f.high, g.high)}
	for _, v := range f.unlike {
		if slices.Contains(g.unlike, v) || v < g.low || v > g.high {
			common.unlike = append(common.unlike, v)
		}
	}
	for _, v := range g.unlike {
		if (v < f.low || v > f.high) && len(common.unlike) < maxUnlike {
			common.unlike = append(common.unlike, v)
		}
	}
	for _, a := range f.answers {
		if slices.Contains(g.answers, a) {
			common.answers = append(common.answers, a)
		}
	}
	return common
}

// answer returns the answer to q, if it is known.
func (f *fact) answer(q question) (yes, ok bool) {
	for _, a := range f.answers {
		if a.question == q {
			return a.yes, true
		}
	}
	switch exact := f.low == f.high; q.op {
	case JEQ:
		if exact {
			return f.low == q.k, true
		}
		return false, q.k < f.low || q.k > f.high || slices.Contains(f.unlike, q.k)
	case JGT:
		return f.low > q.k, f.low > q.k || f.high <= q.k
	case JGE:
		return f.low >= q.k, f.low >= q.k || f.high < q.k
	case JSET:
		return f.low&q.k != 0, exact
	}
	return false, false
}
