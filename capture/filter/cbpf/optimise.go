package cbpf

import (
	"math"
	"slices"
)

// Limits of the facts kept, because an expression may have thousands of parts.
const (
	maxRounds  = 20
	maxFacts   = 16 // values
	maxUnlike  = 32 // excluded numbers of one value
	maxAnswers = 8
)

// optimise returns the entry of a graph with the same results in fewer steps. It removes a
// block if the path to it implies its result. Such a block loads nothing that the path has not
// loaded, so frames that are too short are still rejected.
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

// facts are the facts about values at a point of the graph.
type facts []fact

// fact holds the knowledge about one value.
type fact struct {
	load      string // key of the code that computes the value
	low, high uint32
	unlike    []uint32 // excluded numbers
	answers   []answer // results of earlier tests of the value
}

type question struct {
	op uint16
	k  uint32
}

type answer struct {
	question
	yes bool
}

// shortcut redirects every edge to the first following block whose result is not implied. It
// returns entry if all edges already do so.
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

// edges are the successors of a block.
type edges struct{ yes, no *block }

// targets returns the possible targets of the edges of all blocks.
func targets(order []*block) map[*block]edges {
	to := make(map[*block]edges, len(order))
	in := make(map[*block]facts) // facts at the start of each block
	for _, b := range order {
		if b.op == Ret {
			continue
		}
		known := in[b]
		delete(in, b)
		if b.effect { // facts may depend on the memory that the block fills
			to[b] = edges{b.yes, nil}
			meet(in, b.yes, nil)
			continue
		}
		onYes, onNo := known.with(b, true), known.with(b, false)
		to[b] = edges{decide(b.yes, onYes), decide(b.no, onNo)}
		meet(in, to[b].yes, onYes)
		meet(in, to[b].no, onNo)
		meet(in, b.yes, onYes) // the block may be unreachable now; the next round removes it
		meet(in, b.no, onNo)
	}
	return to
}

// decide follows the edges from b while the result is implied.
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

// meet adds a path to b with facts f. The facts at b are those that all paths share.
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

// with returns the facts after b has a result. At maxFacts it drops the oldest fact.
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

// and returns f with the result of one more test.
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

// or returns the knowledge that f and g share.
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

// answer returns the result of q, if f implies it.
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
