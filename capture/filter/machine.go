package filter

import "encoding/binary"

// step is an instruction for Match. Its opcodes are dense, so that the compiler makes a jump table of the switch, which saves
// a tenth to a fifth of the time (benchmarks/results/filter.txt).
type step struct {
	op     uint8
	jt, jf uint8
	k      uint32
}

const (
	stepHalf uint8 = iota
	stepByte
	stepWord
	stepJEQ
	stepJSET
	stepJGT
	stepJGE
	stepJA
	stepXHeader
	stepIndHalf
	stepAnd
	stepRet
	stepRare
)

// steps translates a program.
func steps(program []instruction) []step {
	dense := map[uint16]uint8{
		opLoad | opAbs | opHalf: stepHalf, opLoad | opAbs | opByte: stepByte, opLoad | opAbs | opWord: stepWord,
		opJEQ: stepJEQ, opJSET: stepJSET, opJGT: stepJGT, opJGE: stepJGE, opJA: stepJA,
		opLoadXHeader: stepXHeader, opLoad | opInd | opHalf: stepIndHalf, opALU | opAnd: stepAnd, opRet: stepRet,
	}
	all := make([]step, len(program))
	for i, ins := range program {
		op, ok := dense[ins.Op]
		if !ok {
			op = stepRare
		}
		all[i] = step{op, ins.Jt, ins.Jf, ins.K}
	}
	return all
}

// Match reports whether the filter lets a frame through. data is the frame from its link header on, cut at the snaplen; wireLen is
// its length on the wire. A frame that is too short for what the filter looks at does not pass, as in the kernel.
func (p *Program) Match(data []byte, wireLen uint32) bool {
	var a, x uint32
	var scratch [scratchSlots]uint32
	for pc := 0; pc < len(p.steps); pc++ {
		ins := &p.steps[pc]
		k := ins.k
		switch ins.op {
		case stepHalf:
			if uint64(k)+2 > uint64(len(data)) {
				return false
			}
			a = uint32(binary.BigEndian.Uint16(data[k:]))
		case stepByte:
			if uint64(k) >= uint64(len(data)) {
				return false
			}
			a = uint32(data[k])
		case stepWord:
			if uint64(k)+4 > uint64(len(data)) {
				return false
			}
			a = binary.BigEndian.Uint32(data[k:])
		case stepJEQ:
			pc += jump(ins, a == k)
		case stepJSET:
			pc += jump(ins, a&k != 0)
		case stepJGT:
			pc += jump(ins, a > k)
		case stepJGE:
			pc += jump(ins, a >= k)
		case stepJA:
			pc += int(k)
		case stepXHeader:
			if uint64(k) >= uint64(len(data)) {
				return false
			}
			x = uint32(data[k]&0x0F) * 4
		case stepIndHalf:
			at := uint64(k) + uint64(x)
			if at+2 > uint64(len(data)) {
				return false
			}
			a = uint32(binary.BigEndian.Uint16(data[at:]))
		case stepAnd:
			a &= k
		case stepRet:
			return k != 0
		default:
			var ok bool
			if a, x, ok = rare(&p.code[pc], a, x, &scratch, data, wireLen); !ok {
				return false
			}
			if op := p.code[pc].Op; op&7 == opJA&7 {
				pc += jump(ins, compareX(op, a, x))
			}
		}
	}
	return false
}

func jump(ins *step, yes bool) int {
	if yes {
		return int(ins.jt)
	}
	return int(ins.jf)
}

// rare runs the instructions that few filters have. It is out of line so that the others stay in few registers.
func rare(ins *instruction, a, x uint32, scratch *[scratchSlots]uint32, data []byte, wireLen uint32) (a2, x2 uint32, ok bool) {
	k := ins.K
	switch ins.Op {
	case opLoad | opInd | opByte, opLoad | opInd | opWord:
		at := uint64(k) + uint64(x)
		if ins.Op == opLoad|opInd|opByte {
			if at >= uint64(len(data)) {
				return 0, 0, false
			}
			return uint32(data[at]), x, true
		}
		if at+4 > uint64(len(data)) {
			return 0, 0, false
		}
		return binary.BigEndian.Uint32(data[at:]), x, true
	case opLoadConst:
		a = k
	case opLoadLen:
		a = wireLen
	case opLoadMem:
		a = scratch[k%scratchSlots]
	case opLoadXConst:
		x = k
	case opLoadXMem:
		x = scratch[k%scratchSlots]
	case opStore:
		scratch[k%scratchSlots] = a
	case opStoreX:
		scratch[k%scratchSlots] = x
	case opTAX:
		x = a
	default:
		if ins.Op&7 == opALU {
			return alu(ins, a, x)
		}
	}
	return a, x, true
}

// alu computes. A division by zero ends the filter: the frame does not pass.
func alu(ins *instruction, a, x uint32) (a2, x2 uint32, ok bool) {
	b := ins.K
	if ins.Op&opX != 0 {
		b = x
	}
	op := ins.Op &^ (opALU | opX)
	if b == 0 && (op == opDiv || op == opMod) {
		return 0, 0, false
	}
	return apply(op, a, b), x, true
}

// compareX compares A with X.
func compareX(op uint16, a, x uint32) bool {
	switch op &^ opX {
	case opJEQ:
		return a == x
	case opJGT:
		return a > x
	case opJGE:
		return a >= x
	}
	return a&x != 0
}
