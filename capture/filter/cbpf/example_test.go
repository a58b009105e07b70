package cbpf_test

import (
	"fmt"

	"visor/capture/filter/cbpf"
)

// Example accepts UDP datagrams over IPv4 on Ethernet from ports below 1024.
func Example() {
	field := func(size uint16, offset uint32) cbpf.Code {
		return cbpf.Code{{Op: cbpf.Load | cbpf.Abs | size, K: offset}}
	}
	port := cbpf.Code{
		{Op: cbpf.LoadXHeader, K: 14}, // X = the length of the IPv4 header
		{Op: cbpf.Load | cbpf.Ind | cbpf.Half, K: 14},
	}
	program := cbpf.New(cbpf.All(
		cbpf.If(field(cbpf.Half, 12), cbpf.JEQ, 0x0800),
		cbpf.If(field(cbpf.Byte, 23), cbpf.JEQ, 17),
		cbpf.Not(cbpf.If(port, cbpf.JGE, 1024)),
	))
	fmt.Print(program)

	frame := make([]byte, 60)
	frame[12], frame[14], frame[23] = 0x08, 0x45, 17
	frame[35] = 53
	fmt.Println(program.Match(frame, 60))
	// Output:
	// (000) ldh      [12]
	// (001) jeq      #0x800           jt 2	jf 8
	// (002) ldb      [23]
	// (003) jeq      #0x11            jt 4	jf 8
	// (004) ldx      4*([14]&0xf)
	// (005) ldh      [x + 14]
	// (006) jge      #0x400           jt 8	jf 7
	// (007) ret      #262144
	// (008) ret      #0
	// true
}
