package filter

import "slices"

// acceptLength is what a filter returns for packets that it lets through: how many bytes of them are wanted, which is all.
const acceptLength = 1 << 18

// assemble turns a graph into a program.
func (g *graph) assemble(entry *block) []instruction {
	if entry.op == opRet {
		return []instruction{{Op: opRet, K: entry.k}}
	}
	order := ordered(entry)
	order = slices.DeleteFunc(order, func(b *block) bool { return b.op == opRet })
	order = append(order, g.accept, g.reject)
	codes := withoutRepeats(order)
	return layout(order, codes)
}

// registers are what A and X hold: the keys of the codes that have computed it, or "".
type registers struct{ a, x string }

// withoutRepeats returns the code of every block without the loads of what the registers hold on all ways to the block.
func withoutRepeats(order []*block) map[*block]code {
	codes := make(map[*block]code, len(order))
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

// missing returns the part of c that is to be run.
func (r registers) missing(c code) code {
	if n := len(r.a) / keyLength; n > 0 && n <= len(c) && c[:n].key() == r.a {
		return c[n:]
	}
	if len(c) > 0 && c[0].Op == opLoadXHeader && c[:1].key() == r.x {
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
		case opLoadXHeader:
			r.x = code{ins}.key()
		case opTAX, opLoadXMem, opLoadXConst:
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
func layout(order []*block, codes map[*block]code) []instruction {
	long := make(map[*block]far)
	for {
		starts := make(map[*block]int, len(order))
		size := 0
		for _, b := range order {
			starts[b] = size
			size += len(codes[b]) + 1 + long[b].extra()
		}
		program := make([]instruction, 0, size)
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

// far says which ways of a conditional jump are longer than the 255 instructions that it reaches. These go to an unconditional jump
// behind it.
type far struct{ yes, no bool }

// extra returns the number of those.
func (f far) extra() (n int) {
	if f.yes {
		n++
	}
	if f.no {
		n++
	}
	return n
}

// jumps returns what ends b: a jump before the instruction next. If its ways are longer than l says, that is not to be used, and what
// they are is returned.
func (b *block) jumps(next int, starts map[*block]int, l far) ([]instruction, far) {
	switch {
	case b.op == opRet:
		return []instruction{{Op: opRet, K: b.k}}, l
	case b.effect:
		return []instruction{{Op: opJA, K: uint32(starts[b.yes] - next)}}, l
	}
	yes, no := starts[b.yes]-next, starts[b.no]-next
	jumps := []instruction{{Op: b.op, K: b.k}}
	if l.yes {
		jumps = append(jumps, instruction{Op: opJA, K: uint32(yes - 1)})
		yes = 0
	}
	if l.no {
		n := len(jumps) // of instructions before this one
		jumps = append(jumps, instruction{Op: opJA, K: uint32(no - n)})
		no = n - 1
	}
	jumps[0].Jt, jumps[0].Jf = uint8(yes), uint8(no)
	return jumps, far{l.yes || yes > 255, l.no || no > 255}
}
