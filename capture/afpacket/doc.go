// Package afpacket captures from network interfaces on Linux, through the rings of AF_PACKET
// sockets (TPACKET_V3, https://docs.kernel.org/networking/packet_mmap.html). It needs the
// capability CAP_NET_RAW, and no C library.
//
//	live, err := afpacket.Open(afpacket.Config{Interface: "eth0", Queues: 2})
//	...
//	p, err := handler.NewPipeline(handler.Config{Sources: live.Sources(), Handlers: handlers})
//
// The kernel writes blocks of packets into memory that it shares with the process. Frames are
// slices of this memory, so nothing is copied, and there is one system call per block, not per
// packet. Several queues share the traffic by a hash of addresses and ports, which is the same for
// both directions. When a queue is full, the kernel uses another one. Packets dropped by the kernel
// are counted.
//
// The kernel marks each packet as addressed to this host or sent by it, and the source derives the
// direction from this mark. Some packets get their direction from their addresses instead: packets
// for other hosts (a mirror port), and packets of loopback, of a bridge or its ports, and of
// interfaces that forward. The addresses of this host are then all current addresses of the network
// namespace, including anycast addresses and addresses of other interfaces (VIPs on lo). If
// handler.Config has Hosts, these alone decide.
//
// On other systems Open returns [errors.ErrUnsupported].
package afpacket
