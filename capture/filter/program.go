package filter

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"golang.org/x/net/bpf"

	"visor/decode"
)

// Program is a filter for frames of one link type. It is immutable, and safe for concurrent use.
type Program struct {
	code  []instruction
	steps []step // of code
	tags  bool   // it looks at VLAN tags
}

func newProgram(code []instruction) *Program { return &Program{code: code, steps: steps(code)} }

// Compile compiles a filter for frames of a link type: Ethernet, Linux cooked capture (both versions), raw IP, BSD loopback. An
// empty expression lets everything through. What is wrong with an expression is told by an [*Error].
//
// Names of hosts are looked up, which may ask a server; names of services are those of /etc/services.
func Compile(expr string, link decode.LinkType) (*Program, error) {
	e, err := parse(expr)
	if err != nil {
		return nil, err
	}
	return compile(expr, e, link, net.DefaultResolver.LookupNetIP)
}

func compile(expr string, e expression, link decode.LinkType, lookup lookup) (*Program, error) {
	if e == nil {
		return newProgram([]instruction{{Op: opRet, K: acceptLength}}), nil
	}
	c, err := newCompiler(expr, link, lookup)
	if err != nil {
		return nil, err
	}
	t := e.test(c)
	if c.err != nil {
		return nil, c.err
	}
	g := newGraph()
	entry := g.optimise(c.withSlots(t).build(g, g.accept, g.reject))
	p := newProgram(g.assemble(entry))
	p.tags = c.tags
	return p, nil
}

// ErrTags is the error of [Kernel] for an expression with 'vlan': the kernel takes tags out of frames before it filters them.
// [NewSource] runs it in the process, where live capture has put them back.
var ErrTags = errors.New("'vlan' cannot be run by the kernel, which takes the tags out of frames")

// Kernel returns a function that compiles expr for the kernel, as Config.Filter of visor/capture/afpacket wants it. It returns
// [ErrTags] if the kernel cannot run it.
func Kernel(expr string) func(link decode.LinkType) ([]bpf.RawInstruction, error) {
	return func(link decode.LinkType) ([]bpf.RawInstruction, error) {
		p, err := Compile(expr, link)
		if err != nil {
			return nil, err
		}
		if p.tags {
			return nil, fmt.Errorf("filter %q: %w", expr, ErrTags)
		}
		return p.Instructions(), nil
	}
}

// Instructions returns a copy of the program, as for [visor/capture/afpacket]'s Config.Filter. The kernel takes up to 4096
// instructions.
func (p *Program) Instructions() []bpf.RawInstruction { return slices.Clone(p.code) }

// String returns the instructions, one a line, in the notation of tcpdump -d.
func (p *Program) String() string {
	var b strings.Builder
	for i, ins := range p.code {
		fmt.Fprintf(&b, "(%03d) %s\n", i, describe(i, ins))
	}
	return b.String()
}

func describe(at int, ins instruction) string {
	if ins.Op&7 == opJA&7 && ins.Op != opJA {
		name := map[uint16]string{opJEQ: "jeq", opJGT: "jgt", opJGE: "jge", opJSET: "jset"}[ins.Op&^opX]
		value := fmt.Sprintf("#0x%x", ins.K)
		if ins.Op&opX != 0 {
			value = "x"
		}
		return fmt.Sprintf("%-8s %-16s jt %d\tjf %d", name, value, at+1+int(ins.Jt), at+1+int(ins.Jf))
	}
	name, operand, _ := strings.Cut(fmt.Sprint(ins.Disassemble()), " ")
	return strings.TrimSpace(fmt.Sprintf("%-8s %s", name, operand))
}
