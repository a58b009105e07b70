package cbpf

import "slices"

// assemble turns a graph into a program.
func (g *graph) assemble(entry *block) []Instruction {
	if entry.op == Ret {
		return []Instruction{{Op: Ret, K: entry.k}}
	}
	order := ordered(entry)
	order = slices.DeleteFunc(order, func(b *block) bool { return b.op == Ret })
	order = append(order, g.accept, g.reject)
	codes := withoutRepeats(order)
	return layout(order, codes)
}

// registers holds the keys of the codes that computed A and X, or "" if they are unknown.
type registers struct{ a, x string }

// withoutRepeats returns the code of each block, without loads of values that the registers hold on
// all paths to the block.
func withoutRepeats(order []*block) map[*block]Code {
	codes := make(map[*block]Code, len(order))
	in := make(map[*block]registers) // nothing at the entry
	for _, b := range order {
		r := in[b]
		codes[b] = r.missing(b.code)
		r = r.after(b)
		for _, next := range []*block{b.yes, b.no} {
			if next == nil {
				continue
			}
			if old, ok := in[next]; ok {
				in[next] = old.common(r)
			} else {
				in[next] = r
			}
		}
	}
	return codes
}

// missing returns the part of c that must run.
func (r registers) missing(c Code) Code {
	if n := len(r.a) / keyLength; n > 0 && n <= len(c) && c[:n].key() == r.a {
		return c[n:]
	}
	if len(c) > 0 && c[0].Op == LoadXHeader && c[:1].key() == r.x {
		return c[1:]
	}
	return c
}

// after returns the registers after b.
func (r registers) after(b *block) registers {
	if b.effect {
		return registers{}
	}
	for _, ins := range b.code {
		switch ins.Op {
		case LoadXHeader:
			r.x = Code{ins}.key()
		case TAX, LoadXMem, LoadXConst:
			r.x = ""
		}
	}
	r.a = b.load
	return r
}

func (r registers) common(s registers) registers {
	if r.a != s.a {
		r.a = ""
	}
	if r.x != s.x {
		r.x = ""
	}
	return r
}

// layout puts blocks in order, and fills in the jumps.
func layout(order []*block, codes map[*block]Code) []Instruction {
	long := make(map[*block]far)
	for {
		starts := make(map[*block]int, len(order))
		size := 0
		for _, b := range order {
			starts[b] = size
			size += len(codes[b]) + 1 + long[b].extra()
		}
		program := make([]Instruction, 0, size)
		done := true
		for _, b := range order {
			program = append(program, codes[b]...)
			jumps, l := b.jumps(len(program)+1, starts, long[b])
			if l != long[b] {
				long[b], done = l, false
			}
			program = append(program, jumps...)
		}
		if done {
			return program
		}
	}
}

// far marks the targets of a conditional jump that are beyond its reach of 255 instructions. They
// are reached by an unconditional jump after it.
type far struct{ yes, no bool }

// extra returns the number of these jumps.
func (f far) extra() (n int) {
	if f.yes {
		n++
	}
	if f.no {
		n++
	}
	return n
}

// jumps returns the jump that ends b, before the instruction next, and which of its targets are
// far. If these are not l, the jump is wrong, and the layout is repeated.
func (b *block) jumps(next int, starts map[*block]int, l far) ([]Instruction, far) {
	switch {
	case b.op == Ret:
		return []Instruction{{Op: Ret, K: b.k}}, l
	case b.effect:
		return []Instruction{{Op: JA, K: uint32(starts[b.yes] - next)}}, l
	}
	yes, no := starts[b.yes]-next, starts[b.no]-next
	jumps := []Instruction{{Op: b.op, K: b.k}}
	if l.yes {
		jumps = append(jumps, Instruction{Op: JA, K: uint32(yes - 1)})
		yes = 0
	}
	if l.no {
		n := len(jumps) // number of instructions before this one
		jumps = append(jumps, Instruction{Op: JA, K: uint32(no - n)})
		no = n - 1
	}
	jumps[0].Jt, jumps[0].Jf = uint8(yes), uint8(no)
	return jumps, far{l.yes || yes > 255, l.no || no > 255}
}
