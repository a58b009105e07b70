// Package afpacket captures from network interfaces on Linux, through the rings of AF_PACKET
// sockets (TPACKET_V3, https://docs.kernel.org/networking/packet_mmap.html). It needs the
// capability CAP_NET_RAW, and no C library.
//
//	live, err := afpacket.Open(afpacket.Config{Interface: "eth0", Queues: 2})
//	...
//	p, err := handler.NewPipeline(handler.Config{Sources: live.Sources(), Live: true, Handlers: handlers})
//
// The kernel writes packets into memory that it shares with the process, a block at a time, and
// frames are slices of it: nothing is copied, and there is a system call per block, not per packet.
// Several queues share the traffic by a hash of addresses and ports, the same for both directions;
// a queue that is full hands over to another one. What the kernel had to drop is counted.
//
// Which way a packet went is said by its type: for this host, or sent by it. What is for another
// host (a mirror port), and all of loopback and of interfaces that forward or belong to a bridge,
// goes by its addresses: own are all those of the network namespace as they are at the moment, also
// on other interfaces (VIPs on lo) and anycast. Where handler.Config has Hosts, these alone decide.
//
// On other systems Open returns [errors.ErrUnsupported].
package afpacket
