// Package filter compiles the filter expressions of tcpdump, without libpcap.
//
//	program, err := filter.Compile("udp port 53 and not host 192.0.2.1", decode.LinkEthernet)
//	if err != nil {
//		return err // says the column, and what was expected there
//	}
//	if program.Match(frame.Data, frame.WireLen) { … }
//
// [NewSource] puts a filter in front of any source. [Kernel] is for live capture: it makes classic BPF that the kernel runs.
//
// The language is that of pcap-filter(7), for Ethernet, Linux cooked capture, raw IP, BSD loopback, PPP, Cisco HDLC, IEEE 802.11
// (with radiotap, Prism and AVS headers) and ARCnet: hosts, networks, ports, MAC
// addresses, protocols, lengths, arithmetic on bytes of headers, 'vlan', 'mpls', 'pppoes' and 'geneve' that move what comes after
// them. As there, 'and' and 'or' have the same precedence and associate to the left; a frame too short for what the filter looks at
// does not pass; 'tcp[…]' and its like are about IPv4. 'ip broadcast' knows no netmask, and so means 0.0.0.0 and 255.255.255.255, as
// for files there. Not supported are 'gateway', names of networks and of MAC addresses.
//
// It differs from libpcap 1.10 in these: IPv6 on a loopback interface is known by the numbers of every BSD; 'byte 0 & 1' looks at
// the byte; a packet data accessor on the right of an operator demands its protocol as well; 'protochain' follows 6 headers, and so
// needs no loop, which the kernel refuses; '%' and '^' have a precedence, that of C.
//
// Compiling takes microseconds. A filter costs some nanoseconds a frame, and allocates nothing.
package filter
