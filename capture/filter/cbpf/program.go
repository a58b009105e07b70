package cbpf

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/bpf"
)

// acceptLength is the return value for an accepted frame: the number of bytes to keep, which
// exceeds every frame.
const acceptLength = 1 << 18

// Program is an assembled Test. It is immutable, and safe for concurrent use.
type Program struct {
	code  []Instruction
	steps []step // translation of code
}

// New returns the optimized program for t.
func New(t Test) *Program {
	g := newGraph()
	code := g.assemble(g.optimise(t.build(g, g.accept, g.reject)))
	return &Program{code: code, steps: steps(code)}
}

// Instructions returns a copy of the instructions, for a socket of the kernel or for
// [bpf.Disassemble]. The kernel accepts up to 4096 instructions.
func (p *Program) Instructions() []bpf.RawInstruction { return slices.Clone(p.code) }

// String returns the instructions, one per line, in the notation of tcpdump -d. Use it for
// debugging.
func (p *Program) String() string {
	var b strings.Builder
	for i, ins := range p.code {
		fmt.Fprintf(&b, "(%03d) %s\n", i, describe(i, ins))
	}
	return b.String()
}

// describe formats an instruction. Jumps show the numbers of their target instructions.
func describe(at int, ins Instruction) string {
	if ins.Op&7 == JA&7 && ins.Op != JA {
		name := map[uint16]string{JEQ: "jeq", JGT: "jgt", JGE: "jge", JSET: "jset"}[ins.Op&^X]
		value := fmt.Sprintf("#0x%x", ins.K)
		if ins.Op&X != 0 {
			value = "x"
		}
		return fmt.Sprintf("%-8s %-16s jt %d\tjf %d", name, value, at+1+int(ins.Jt), at+1+int(ins.Jf))
	}
	name, operand, _ := strings.Cut(fmt.Sprint(ins.Disassemble()), " ")
	return strings.TrimSpace(fmt.Sprintf("%-8s %s", name, operand))
}
