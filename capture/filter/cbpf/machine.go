package cbpf

import "encoding/binary"

// step is an instruction for Match. Its opcodes are dense, so that Go compiles the switch to a jump
// table, which saves a tenth to a fifth of the time (benchmarks/results/filter.txt).
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
func steps(program []Instruction) []step {
	dense := map[uint16]uint8{
		Load | Abs | Half: stepHalf, Load | Abs | Byte: stepByte, Load | Abs | Word: stepWord,
		JEQ: stepJEQ, JSET: stepJSET, JGT: stepJGT, JGE: stepJGE, JA: stepJA,
		LoadXHeader: stepXHeader, Load | Ind | Half: stepIndHalf, ALU | And: stepAnd, Ret: stepRet,
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

// Match reports whether the program accepts a frame. The data begin with the link header and are
// cut at the snaplen; wireLen is the length on the wire. As in the kernel, a frame that is too
// short for a load is rejected.
func (p *Program) Match(data []byte, wireLen uint32) bool {
	var a, x uint32
	var scratch [Slots]uint32
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
			if op := p.code[pc].Op; op&7 == JA&7 {
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

// rare runs rarely used instructions. It is out of line so that the common ones need few registers.
func rare(ins *Instruction, a, x uint32, scratch *[Slots]uint32, data []byte, wireLen uint32) (a2, x2 uint32, ok bool) {
	k := ins.K
	switch ins.Op {
	case Load | Ind | Byte, Load | Ind | Word:
		at := uint64(k) + uint64(x)
		if ins.Op == Load|Ind|Byte {
			if at >= uint64(len(data)) {
				return 0, 0, false
			}
			return uint32(data[at]), x, true
		}
		if at+4 > uint64(len(data)) {
			return 0, 0, false
		}
		return binary.BigEndian.Uint32(data[at:]), x, true
	case LoadConst:
		a = k
	case LoadLen:
		a = wireLen
	case LoadMem:
		a = scratch[k%Slots]
	case LoadXConst:
		x = k
	case LoadXMem:
		x = scratch[k%Slots]
	case Store:
		scratch[k%Slots] = a
	case StoreX:
		scratch[k%Slots] = x
	case TAX:
		x = a
	default:
		if ins.Op&7 == ALU {
			return alu(ins, a, x)
		}
	}
	return a, x, true
}

// alu computes the result of an ALU instruction. It returns false for a division by zero, which
// rejects the frame.
func alu(ins *Instruction, a, x uint32) (a2, x2 uint32, ok bool) {
	b := ins.K
	if ins.Op&X != 0 {
		b = x
	}
	v, ok := Apply(ins.Op&^(ALU|X), a, b)
	return v, x, ok
}

// compareX compares A with X.
func compareX(op uint16, a, x uint32) bool {
	switch op &^ X {
	case JEQ:
		return a == x
	case JGT:
		return a > x
	case JGE:
		return a >= x
	}
	return a&x != 0
}
