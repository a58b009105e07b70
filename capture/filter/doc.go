// Package filter compiles the filter expressions of tcpdump without libpcap.
//
//	program, err := filter.Compile("udp port 53 and not host 192.0.2.1", decode.LinkEthernet)
//	if err != nil {
//		return err // has the column, and the expected words
//	}
//	if program.Match(frame.Data, frame.WireLen) { … }
//
// [NewSource] filters any source in the process. [Kernel] compiles classic BPF for live capture,
// which the kernel runs.
//
// The language is pcap-filter(7): hosts, networks, ports, MAC addresses, protocols, lengths, and
// arithmetic on bytes of headers. 'vlan', 'mpls', 'pppoes' and 'geneve' move the positions for the
// rest of the expression. The link types are Ethernet, Linux cooked capture, raw IP, BSD loopback,
// PPP, Cisco HDLC, ARCnet, and IEEE 802.11 with radiotap, Prism and AVS headers. As in
// pcap-filter(7), 'and' and 'or' have the same precedence and associate to the left. A frame that
// is too short for the filter is rejected. 'tcp[…]' and similar accessors apply to IPv4. 'ip
// broadcast' has no netmask, so it means 0.0.0.0 and 255.255.255.255, as in libpcap for files.
// 'gateway', names of networks, and names of MAC addresses are not supported.
//
// Unlike libpcap 1.10:
//
//   - IPv6 on a loopback interface is recognized by the numbers of all BSDs
//   - 'byte 0 & 1' tests the byte
//   - a packet data accessor on the right of an operator also requires its protocol
//   - 'protochain' follows up to 6 headers, so it needs no loop, which the kernel rejects
//   - '%' and '^' have a precedence, as in C
//
// Compiling takes microseconds. A filter costs some nanoseconds per frame and does not allocate.
package filter
