package filter

import (
	"encoding/binary"

	"golang.org/x/net/bpf"
)

// instruction is one of classic BPF (McCanne and Jacobson, "The BSD Packet Filter", USENIX 1993, section 3).
type instruction = bpf.RawInstruction

// code is a run of instructions without jumps.
type code []instruction

// Opcodes are sums of a class and what the class needs.
const (
	opLoad uint16 = 0x00 // plus a mode and a size
	opAbs  uint16 = 0x20
	opInd  uint16 = 0x40
	opWord uint16 = 0x00
	opHalf uint16 = 0x08
	opByte uint16 = 0x10

	opLoadConst   uint16 = 0x00
	opLoadMem     uint16 = 0x60
	opLoadLen     uint16 = 0x80
	opLoadXConst  uint16 = 0x01
	opLoadXMem    uint16 = 0x61
	opLoadXHeader uint16 = 0xB1 // X = 4 × (the low nibble of a byte)
	opStore       uint16 = 0x02
	opStoreX      uint16 = 0x03

	opALU uint16 = 0x04 // plus an operation, and opX if the operand is X
	opX   uint16 = 0x08
	opAdd uint16 = 0x00
	opSub uint16 = 0x10
	opMul uint16 = 0x20
	opDiv uint16 = 0x30
	opOr  uint16 = 0x40
	opAnd uint16 = 0x50
	opLsh uint16 = 0x60
	opRsh uint16 = 0x70
	opMod uint16 = 0x90
	opXor uint16 = 0xA0

	opJA   uint16 = 0x05
	opJEQ  uint16 = 0x15 // plus opX
	opJGT  uint16 = 0x25
	opJGE  uint16 = 0x35
	opJSET uint16 = 0x45

	opRet uint16 = 0x06
	opTAX uint16 = 0x07
)

// The scratch memory has 16 slots. The last ones belong to a tunnel, the others to whoever computes.
const (
	scratchSlots = 16
	slotType     = 13 // a tunnel's place of the type, of the link header and of what follows that
	slotHeader   = 14
	slotPayload  = 15
	freeSlots    = slotType - 1
)

// arithmeticOps are the operators of expressions.
var arithmeticOps = map[string]uint16{
	"+": opAdd, "-": opSub, "*": opMul, "/": opDiv, "%": opMod, "&": opAnd, "|": opOr, "^": opXor, "<<": opLsh, ">>": opRsh,
}

// apply computes a op b. A division by zero is up to the caller.
func apply(op uint16, a, b uint32) uint32 {
	switch op {
	case opAdd:
		return a + b
	case opSub:
		return a - b
	case opMul:
		return a * b
	case opDiv:
		return a / b
	case opMod:
		return a % b
	case opAnd:
		return a & b
	case opOr:
		return a | b
	case opXor:
		return a ^ b
	case opLsh:
		return a << b
	}
	return a >> b
}

// keyLength is the bytes of an instruction in a key.
const keyLength = 6

// key returns c as a string: codes that are equal have equal keys.
func (c code) key() string {
	b := make([]byte, 0, len(c)*keyLength)
	for _, ins := range c {
		b = binary.LittleEndian.AppendUint16(b, ins.Op)
		b = binary.LittleEndian.AppendUint32(b, ins.K)
	}
	return string(b)
}
