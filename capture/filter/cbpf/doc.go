// Package cbpf makes and runs programs of classic BPF (McCanne and Jacobson, "The BSD Packet
// Filter", USENIX 1993), the filters that a socket of the kernel runs on each frame. A program is
// described as a [Test]: loads, comparisons, and what follows from their answers.
//
//	load := cbpf.Code{{Op: cbpf.Load | cbpf.Abs | cbpf.Half, K: 12}} // the EtherType
//	program := cbpf.New(cbpf.If(load, cbpf.JEQ, 0x86DD))
//	if program.Match(frame.Data, frame.WireLen) { … }
//
// [New] orders the tests as a graph, leaves out the questions whose answers are known from earlier
// ones, and drops repeated loads. [Program.Match] runs the program in the process; it costs some
// nanoseconds a frame and allocates nothing. [Program.Instructions] returns it for the kernel.
//
// The package has no notion of protocols. [visor/capture/filter] compiles tcpdump's language to it.
//
// Programs have no loops, as the kernel demands. A load beyond the end of a frame, and a division by
// zero, reject the frame. A question that makes no difference is not asked, and rejects nothing. The
// number of instructions of a Test is not limited here; the kernel refuses more than 4096.
package cbpf
