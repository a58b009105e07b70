package policy

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"visor/handler/options"

	"visor/capture/filter"
	"visor/decode"
)

// FlowInput is the configuration of an input of type "flow".
type FlowInput struct {
	Address string // host:port to listen on; empty if File is set
	File    string // capture file to read
	FIFO    bool   // File may be a named pipe
}

// ParseFlowInput parses the configuration of an input of type "flow". It checks flow_type but
// ignores it, because the format of a datagram is recognized from its contents.
func ParseFlowInput(opts Options) (FlowInput, error) {
	r := &Reader{opts: opts}
	typ := r.Text("flow_type")
	in := FlowInput{File: r.Text("pcap_file"), FIFO: r.Flag(allowFIFO)}
	bind, port := r.Text("bind"), r.Int("port", 1<<16)
	r.known = []string{"port", "bind", "flow_type", "pcap_file", allowFIFO}
	if err := r.finish(); err != nil {
		return FlowInput{}, err
	}
	if !slices.Contains([]string{"", "sflow", "netflow", "ipfix"}, typ) {
		return FlowInput{}, &options.Problem{Key: "flow_type", Err: fmt.Errorf(`invalid flow_type "%s". Supported types: "sflow", "netflow" and "ipfix"`, typ)}
	}
	if in.File != "" {
		return in, nil
	}
	if bind == "" || port == 0 {
		return FlowInput{}, errors.New("flow config must specify port and bind")
	}
	if _, err := netip.ParseAddr(bind); err != nil || port > 0xFFFF {
		return FlowInput{}, fmt.Errorf("flow config: bind %q and port %d must be an IP address and a port number", bind, port)
	}
	in.Address = net.JoinHostPort(bind, strconv.Itoa(port))
	return in, nil
}

// PcapInput is the configuration of an input of type "pcap".
type PcapInput struct {
	Interface string // interface; empty if File or Mock is set. "auto" is the busiest one
	Mock      bool   // generated traffic
	File      string // capture file to read
	FIFO      bool   // File may be a named pipe
	Filter    string // tcpdump expression; may be empty
	Hosts     decode.HostNets
	MaxConns  int // maximum number of TCP connections; 0 is the default
	RingSize  int // bytes of the kernel's ring for live capture

	DNSPorts []uint16 // empty means the default
	// trusted proxies, whose PROXY protocol headers ahead of DNS are believed
	ProxyFrom []netip.Prefix
}

// ringMiB is the size of the ring without af_packet_ring_mb, a key that pktvisor lacks. It holds 50
// ms of a gigabit, or 300 ms of 100,000 DNS packets per second, in an agent that fits into 24 MiB.
const ringMiB = 6

// ParsePcapInput parses the configuration of an input of type "pcap". It checks pcap_source but
// ignores it, because visor has one way of capturing.
func ParsePcapInput(opts Options) (PcapInput, error) {
	in, err := readPcapInput(opts)
	if err != nil || in.Filter == "" {
		return in, err
	}
	if _, err := filter.Compile(in.Filter, decode.LinkEthernet); err != nil {
		return PcapInput{}, &Error{Text: fmt.Sprintf("Failed to parse bpf filter: %s: %v", in.Filter, err)}
	}
	return in, nil
}

// readPcapInput is ParsePcapInput without the filter, which may need to look up host names.
func readPcapInput(opts Options) (PcapInput, error) {
	r := &Reader{opts: opts}
	in := PcapInput{Interface: r.Text("iface")}
	source := r.Text("pcap_source")
	in.Filter = r.Text("bpf")
	spec := r.Text("host_spec")
	in.File = r.Text("pcap_file")
	r.Flag("debug")
	in.MaxConns = r.Int("tcp_packet_reassembly_cache_limit", 1<<28)
	ports, proxies := r.List("dns_ports"), r.List("proxy_from")
	in.FIFO = r.Flag(allowFIFO)
	in.RingSize = cmp.Or(r.Int("af_packet_ring_mb", 1<<10), ringMiB) << 20
	if err := r.finish(); err != nil {
		return PcapInput{}, err
	}
	if err := in.readDNS(ports, proxies); err != nil {
		return PcapInput{}, err
	}
	hosts, err := decode.ParseHostNets(spec)
	switch {
	case err != nil:
		return PcapInput{}, &options.Problem{Key: "host_spec", Err: err}
	case !slices.Contains([]string{"", "libpcap", "af_packet", "mock"}, source):
		return PcapInput{}, &options.Problem{Key: "pcap_source", Err: errors.New("unknown pcap source")}
	case in.File == "" && in.Interface == "" && source != "mock":
		return PcapInput{}, errors.New("no iface was specified for live capture")
	}
	if in.Mock = source == "mock" && in.File == ""; in.Mock || in.File != "" {
		in.Interface = ""
	}
	in.Hosts = hosts
	return in, nil
}

// readDNS reads dns_ports and proxy_from, keys that pktvisor lacks.
func (in *PcapInput) readDNS(ports, proxies []string) (err error) {
	if in.DNSPorts, err = ParsePorts(ports); err != nil {
		return &options.Problem{Key: "dns_ports", Err: err}
	}
	if in.ProxyFrom, err = parseNets(proxies); err != nil {
		return &options.Problem{Key: "proxy_from", Err: err}
	}
	return nil
}

// ParsePorts parses port numbers.
func ParsePorts(texts []string) (ports []uint16, err error) {
	for _, text := range texts {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("invalid port: %s; ports are 1 to 65535", text)
		}
		ports = append(ports, uint16(n))
	}
	return ports, nil
}

// parseNets parses networks. An address is a network of one address.
func parseNets(texts []string) (nets []netip.Prefix, err error) {
	for _, text := range texts {
		net, err := netip.ParsePrefix(text)
		if err != nil {
			addr, addrErr := netip.ParseAddr(text)
			if addrErr != nil {
				return nil, fmt.Errorf("invalid network: %s; it is as 192.0.2.0/24 or 192.0.2.1", text)
			}
			net = netip.PrefixFrom(addr, addr.BitLen())
		}
		nets = append(nets, net)
	}
	return nets, nil
}
