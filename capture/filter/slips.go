package filter

// slips maps words of other filter languages, especially Wireshark's, to their equivalents in
// pcap-filter(7).
var slips = map[string]string{
	"dns": "port 53", "mdns": "port 5353", "llmnr": "port 5355", "http": "tcp port 80", "https": "tcp port 443", "tls": "tcp port 443",
	"quic": "udp port 443", "ssh": "tcp port 22", "smtp": "tcp port 25", "ntp": "udp port 123", "snmp": "udp port 161",
	"dhcp": "port 67 or port 68", "bootp": "port 67 or port 68", "dhcpv6": "port 546 or port 547", "bgp": "tcp port 179",
	"syslog": "udp port 514", "netflow": "udp port 2055", "ipfix": "udp port 4739", "sflow": "udp port 6343",
	"ipv4": "ip", "ipv6": "ip6", "icmpv6": "icmp6", "eth": "ether", "ethernet": "ether",
	"ip.addr": "host", "ip.src": "src host", "ip.dst": "dst host", "tcp.port": "tcp port", "udp.port": "udp port",
}

// correction returns a suggestion for word, to append to an error.
func correction(word string) string {
	if meant, ok := slips[word]; ok {
		return "; did you mean '" + meant + "'?"
	}
	return ""
}
