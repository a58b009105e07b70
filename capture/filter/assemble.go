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
	codes := withoutRepeats(order, entry)
	return layout(order, codes)
}

// registers are what A and X hold: the keys of the codes that have computed it, or "".
type registers struct{ a, x string }

// withoutRepeats returns the code of every block without the loads of what the registers hold on all ways to the block.
func withoutRepeats(order []*block, entry *block) map[*block]code {
	codes := make(map[*block]code, len(order))
	in := map[*block]registers{entry: {}}
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

// layout puts blocks in order, and fills in the jumps. A conditional jump reaches 255 instructions far; where that is not enough, it
// goes to an unconditional one behind it.
func layout(order []*block, codes map[*block]code) []instruction {
	type far struct{ yes, no bool }
	long := make(map[*block]far)
	for {
		start := make(map[*block]int)
		at := 0
		for _, b := range order {
			start[b] = at
			at += len(codes[b]) + 1
			if long[b].yes {
				at++
			}
			if long[b].no {
				at++
			}
		}
		program := make([]instruction, 0, at)
		again := false
		for _, b := range order {
			program = append(program, codes[b]...)
			jump := instruction{Op: b.op, K: b.k}
			next := len(program) + 1
			switch {
			case b.op == opRet:
				program = append(program, jump)
				continue
			case b.effect:
				program = append(program, instruction{Op: opJA, K: uint32(start[b.yes] - next)})
				continue
			}
			l := long[b]
			yes, no := start[b.yes]-next, start[b.no]-next
			var behind []instruction
			if l.yes {
				behind = append(behind, instruction{Op: opJA, K: uint32(yes - 1)})
				yes = 0
			}
			if l.no {
				behind = append(behind, instruction{Op: opJA, K: uint32(no - len(behind) - 1)})
				no = len(behind) - 1
			}
			if yes > 255 || no > 255 {
				long[b] = far{l.yes || yes > 255, l.no || no > 255}
				again = true
			}
			jump.Jt, jump.Jf = uint8(yes), uint8(no)
			program = append(append(program, jump), behind...)
		}
		if !again {
			return program
		}
	}
}
