// Package afpacket captures from network interfaces on Linux, through the rings of AF_PACKET sockets (TPACKET_V3,
// https://docs.kernel.org/networking/packet_mmap.html). It needs the capability CAP_NET_RAW, and no C library.
//
//	live, err := afpacket.Open(afpacket.Config{Interface: "eth0", Queues: 2})
//	...
//	own, err := live.HostNets()
//	p, err := handler.NewPipeline(handler.Config{Sources: live.Sources(), Hosts: own, Live: true, Handlers: handlers})
//
// The kernel writes packets into memory that it shares with the process, a block at a time, and frames are slices of it: nothing
// is copied, and there is a system call per block, not per packet. Several queues share the traffic by a hash of
// addresses and ports, the same for both directions; a queue that is full hands over to another one. What the kernel
// had to drop is counted. On other systems Open returns [errors.ErrUnsupported].
package afpacket
