package cbpf

import (
	"encoding/binary"

	"golang.org/x/net/bpf"
)

// Instruction is one instruction. Op is a sum of the constants below.
type Instruction = bpf.RawInstruction

// Code is a sequence of instructions without jumps.
type Code []Instruction

// Load loads a field of the frame into A. It needs a mode and a size: Load|Abs|Half.
const (
	Load uint16 = 0x00
	Abs  uint16 = 0x20 // at offset K
	Ind  uint16 = 0x40 // at offset X + K
	Word uint16 = 0x00 // 4 bytes
	Half uint16 = 0x08 // 2 bytes
	Byte uint16 = 0x10
)

// Other loads, stores and moves. Scratch memory has [Slots] slots.
const (
	LoadConst   uint16 = 0x00 // A = K
	LoadMem     uint16 = 0x60 // A = slot K
	LoadLen     uint16 = 0x80 // A = the length of the frame on the wire
	LoadXConst  uint16 = 0x01 // X = K
	LoadXMem    uint16 = 0x61 // X = slot K
	LoadXHeader uint16 = 0xB1 // X = 4 × (the low 4 bits of the byte at offset K)
	Store       uint16 = 0x02 // slot K = A
	StoreX      uint16 = 0x03 // slot K = X
	TAX         uint16 = 0x07 // X = A
)

// ALU computes A = A op K, or A op X with [X]. It needs an operation: ALU|X|Add. Arithmetic wraps
// at 32 bits.
const (
	ALU uint16 = 0x04
	X   uint16 = 0x08
	Add uint16 = 0x00
	Sub uint16 = 0x10
	Mul uint16 = 0x20
	Div uint16 = 0x30
	Or  uint16 = 0x40
	And uint16 = 0x50
	Lsh uint16 = 0x60
	Rsh uint16 = 0x70
	Mod uint16 = 0x90
	Xor uint16 = 0xA0
)

// Jumps of an [If], and the two that [New] adds: JA always jumps, Ret ends the program. With [X]
// jumps compare A with X instead of K.
const (
	JA   uint16 = 0x05
	JEQ  uint16 = 0x15 // A = K
	JGT  uint16 = 0x25 // A > K
	JGE  uint16 = 0x35 // A ≥ K
	JSET uint16 = 0x45 // A has one of the bits of K
	Ret  uint16 = 0x06
)

// Slots is the number of slots of the scratch memory. A program must store to a slot before it
// loads from it.
const Slots = 16

// Apply returns a op b, where op is an operation of [ALU]. It returns false for a division by zero.
func Apply(op uint16, a, b uint32) (v uint32, ok bool) {
	switch op {
	case Add:
		return a + b, true
	case Sub:
		return a - b, true
	case Mul:
		return a * b, true
	case Div, Mod:
		return divide(op, a, b)
	case And:
		return a & b, true
	case Or:
		return a | b, true
	case Xor:
		return a ^ b, true
	case Lsh:
		return a << b, true
	}
	return a >> b, true
}

func divide(op uint16, a, b uint32) (v uint32, ok bool) {
	switch {
	case b == 0:
		return 0, false
	case op == Div:
		return a / b, true
	}
	return a % b, true
}

// keyLength is the number of bytes of an instruction in a key.
const keyLength = 6

// key returns c as a string. Equal codes have equal keys.
func (c Code) key() string {
	b := make([]byte, 0, len(c)*keyLength)
	for _, ins := range c {
		b = binary.LittleEndian.AppendUint16(b, ins.Op)
		b = binary.LittleEndian.AppendUint32(b, ins.K)
	}
	return string(b)
}
