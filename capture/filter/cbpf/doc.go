// Package cbpf builds and runs programs of classic BPF (McCanne and Jacobson, "The BSD Packet
// Filter", USENIX 1993). The kernel runs such a program on each frame of a socket. A program is
// described as a [Test], a tree of loads and comparisons.
//
//	load := cbpf.Code{{Op: cbpf.Load | cbpf.Abs | cbpf.Half, K: 12}} // the EtherType
//	program := cbpf.New(cbpf.If(load, cbpf.JEQ, 0x86DD))
//	if program.Match(frame.Data, frame.WireLen) { … }
//
// [New] builds a graph of the tests, removes tests whose results follow from earlier ones, and
// drops repeated loads. [Program.Match] runs the program in the process. It costs some nanoseconds
// per frame and does not allocate. [Program.Instructions] returns the program for the kernel.
//
// The package is independent of protocols. [visor/capture/filter] compiles tcpdump's language to
// it.
//
// Programs have no loops, because the kernel rejects them. A load beyond the end of a frame, and a
// division by zero, reject the frame. A test that cannot change the result is not run, so its loads
// reject nothing. The package does not limit the number of instructions; the kernel accepts at most
// 4096.
package cbpf
