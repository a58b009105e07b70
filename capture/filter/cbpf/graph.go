package cbpf

import "slices"

// block is a node of the graph: it runs code, compares A with a number or with X, and leads to one
// of two blocks. Code relies on nothing from earlier blocks, except scratch memory that an effect
// has filled.
type block struct {
	blockKey
	code   Code
	effect bool // fills scratch memory, and leads to yes; no is nil
}

// blockKey identifies equal blocks.
type blockKey struct {
	load    string // the code's key
	op      uint16 // Ret for the two blocks at the end
	k       uint32
	yes, no *block
}

// graph makes each block once.
type graph struct {
	known          map[blockKey]*block
	accept, reject *block
}

func newGraph() *graph {
	return &graph{
		known:  make(map[blockKey]*block),
		accept: &block{blockKey: blockKey{op: Ret, k: acceptLength}},
		reject: &block{blockKey: blockKey{op: Ret}},
	}
}

func (g *graph) block(l leaf, yes, no *block) *block {
	return g.canonical(&block{blockKey: blockKey{l.code.key(), l.jump, l.k, yes, no}, code: l.code})
}

// canonical returns the existing block that equals b, if any. b is not one of the two at the end.
func (g *graph) canonical(b *block) *block {
	if b.yes == b.no { // both results lead to the same block
		return b.yes
	}
	if same, ok := g.known[b.blockKey]; ok {
		return same
	}
	g.known[b.blockKey] = b
	return b
}

// ordered returns the blocks that can be reached from entry, each before those that it leads to.
func ordered(entry *block) []*block {
	var after []*block
	seen := map[*block]bool{nil: true}
	var visit func(b *block)
	visit = func(b *block) {
		if seen[b] {
			return
		}
		seen[b] = true
		visit(b.no)
		visit(b.yes)
		after = append(after, b)
	}
	visit(entry)
	slices.Reverse(after)
	return after
}
