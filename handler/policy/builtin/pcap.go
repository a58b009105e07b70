package builtin

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"

	"visor/capture"
	"visor/capture/afpacket"
	"visor/capture/filter"
	"visor/capture/mock"
	"visor/capture/pcapfile"
	"visor/decode"
	"visor/handler/options"
	"visor/handler/policy"
)

// pcapConfig is the configuration of an input of type "pcap".
type pcapConfig struct {
	Interface string         `policy:"iface" help:"interface for live capture, or one of its addresses, or any, or auto for the busiest one"`
	Source    string         `policy:"pcap_source" values:"libpcap af_packet mock" help:"mock makes up traffic; the others have no effect, because visor has one way of capturing"`
	Filter    string         `policy:"bpf" help:"filter in the language of tcpdump"`
	Hosts     decode.NetSet  `policy:"host_spec" type:"text" help:"networks of this host, in CIDR form, separated by commas; they determine directions"`
	File      string         `policy:"pcap_file" type:"file" help:"capture file to read"`
	_         bool           `policy:"debug" help:"has no effect"`
	MaxConns  int            `policy:"tcp_packet_reassembly_cache_limit" range:"0-268435456,cut" help:"TCP connections that are followed; 0 is the default"`
	DNSPorts  []uint16       `policy:"dns_ports" help:"ports of DNS over UDP and TCP; 53, 5353, 5355 and 53000 by default"`
	ProxyFrom []netip.Prefix `policy:"proxy_from" help:"trusted proxies, whose PROXY protocol headers ahead of DNS are believed"`
	FIFO      bool           `policy:"allow_fifo" help:"the file may be a named pipe"`
	RingMB    int            `policy:"af_packet_ring_mb" range:"0-1024,cut" help:"MiB of the kernel's ring for live capture; 0 is the default"`
}

// ringMiB is the size of the ring without af_packet_ring_mb, a key that pktvisor lacks. It holds 50
// ms of a gigabit, or 300 ms of 100,000 DNS packets per second, in an agent that fits into 24 MiB.
const ringMiB = 6

func pcapInput(live opener[pcapConfig]) policy.InputType {
	t := policy.DeclareInput("pcap", []string{"net", "dns", "asks", "dhcp", "bgp", "pcap"}, func(c pcapConfig, env policy.InputEnv) (policy.Opened, error) {
		return c.open(env, live)
	})
	t.Words = options.Dialect{
		Choices: map[string]string{"pcap_source": "unknown pcap source"},
		Readers: map[string]options.Reader{"host_spec": hostSpec, "dns_ports": portNumbers, "proxy_from": proxies},
	}
	return t
}

func hostSpec(v any) (any, error) {
	text, ok := v.(string)
	if !ok {
		return nil, options.ErrType
	}
	return ParseNetworks(text)
}

func portNumbers(v any) (any, error) { return options.Each(v, parsePort) }

// ParsePorts parses port numbers.
func ParsePorts(texts []string) ([]uint16, error) { return options.Each(texts, parsePort) }

func parsePort(text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("invalid port: %s; ports are 1 to 65535", text)
	}
	return uint16(n), nil
}

func proxies(v any) (any, error) { return options.Each(v, parseNet) }

// parseNet parses a network. An address is a network of one address.
func parseNet(text string) (netip.Prefix, error) {
	net, err := netip.ParsePrefix(text)
	if err == nil {
		return net, nil
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return net, fmt.Errorf("invalid network: %s; it is as 192.0.2.0/24 or 192.0.2.1", text)
	}
	return netip.PrefixFrom(addr, addr.BitLen()), nil
}

// Check implements [policy.Checker].
func (c *pcapConfig) Check(_ policy.Options, found options.Problems) options.Problems {
	if err := filter.Check(c.Filter, decode.LinkEthernet); err != nil {
		found = append(found, options.At(c.filterError(err), "bpf"))
	}
	if c.live() && c.Interface == "" && !found.Has("iface", "pcap_file", "pcap_source") {
		found = append(found, options.At(errors.New("no iface was specified for live capture"), "iface"))
	}
	return found
}

func (c *pcapConfig) mock() bool { return c.Source == "mock" && c.File == "" }

func (c *pcapConfig) live() bool { return c.File == "" && !c.mock() }

// Verify implements [policy.Verifier]. Filters may look up host names.
func (c *pcapConfig) Verify() error {
	if c.Filter == "" {
		return nil
	}
	if _, err := filter.Compile(c.Filter, decode.LinkEthernet); err != nil {
		return &policy.Error{Text: c.filterError(err).Error()}
	}
	return nil
}

// filterError begins with pktvisor's text.
func (c *pcapConfig) filterError(err error) error {
	if wrong, ok := errors.AsType[*filter.Error](err); ok {
		err = fmt.Errorf("column %d of the filter: %s", wrong.Column, wrong.Reason)
	}
	//lint:ignore ST1005 it is pktvisor's text
	return fmt.Errorf("Failed to parse bpf filter: %s: %w", c.Filter, err)
}

// Bytes implements [policy.Sizer].
func (c *pcapConfig) Bytes(l policy.Limits) int64 {
	sum := policy.WorkerBytes + l.ConnBytes(c.MaxConns) + int64(l.Streams()+l.Fragments())
	if c.live() && c.Interface != "" {
		sum += int64(c.ringSize())
	}
	return sum
}

func (c *pcapConfig) ringSize() int { return cmp.Or(c.RingMB, ringMiB) << 20 }

func (c *pcapConfig) open(env policy.InputEnv, live opener[pcapConfig]) (o policy.Opened, err error) {
	if err := c.Verify(); err != nil {
		return o, err
	}
	if c.File != "" {
		o, err = c.openFile(env)
	} else {
		o, err = live(c, env)
	}
	if !c.Hosts.Empty() {
		o.Hosts = c.Hosts
	}
	o.MaxConns, o.DNSPorts, o.ProxyFrom = c.MaxConns, c.DNSPorts, c.ProxyFrom
	o.Facts = policy.Options{"available_iface": strings.Join(interfaces(), ","), policy.HostIPs: nil, "pcap_source": c.source()}
	return o, err
}

// source returns the source as pktvisor names it.
func (c *pcapConfig) source() string {
	switch {
	case c.File != "":
		return "unknown"
	case c.mock():
		return "mock"
	}
	return "af_packet" // in all live capture
}

// capture opens an interface, or makes up traffic.
func (c *pcapConfig) capture(env policy.InputEnv) (policy.Opened, error) {
	if !c.mock() {
		return c.openInterface(env.Logger)
	}
	o := policy.NewOpened(mock.New(mock.Config{}))
	o.Hosts, _ = decode.ParseNetSet(mock.LocalNets) // a constant
	return o, nil
}

// captureFile opens a capture file.
func captureFile(env policy.InputEnv, path string, mayBeFIFO bool) (policy.Opened, error) {
	return env.Recording(path, mayBeFIFO, func(r io.Reader) (capture.Source, error) { return pcapfile.NewReader(r, path) })
}

func (c *pcapConfig) openFile(env policy.InputEnv) (policy.Opened, error) {
	o, err := captureFile(env, c.File, c.FIFO)
	if err != nil || c.Filter == "" {
		return o, err
	}
	return c.filtered(o.Sources[0])
}

// filtered filters a source in the process.
func (c *pcapConfig) filtered(src capture.Source) (policy.Opened, error) {
	out, err := filter.NewSource(src, c.Filter)
	if err != nil {
		return policy.Opened{}, errors.Join(err, src.Close())
	}
	return policy.NewOpened(out), nil
}

// openInterface opens an interface. Where the configuration does not determine directions, the
// interface does, see [capture.Owner].
func (c *pcapConfig) openInterface(log *slog.Logger) (policy.Opened, error) {
	if err := checkInterface(c.Interface); err != nil {
		return policy.Opened{}, err
	}
	cfg := afpacket.Config{Interface: c.Interface, RingSize: c.ringSize()}
	if c.Filter != "" {
		cfg.Filter = filter.Kernel(c.Filter)
	}
	opened, err := afpacket.Open(cfg)
	tagged := errors.Is(err, filter.ErrTags) // VLAN tags are filtered in the process
	if tagged {
		cfg.Filter = nil
		opened, err = afpacket.Open(cfg)
	}
	if err != nil {
		return policy.Opened{}, explained(err)
	}
	warnDown(log, opened.Interface())
	if tagged {
		return c.filtered(opened.Sources()[0]) // cfg requests one
	}
	return policy.Opened{Sources: opened.Sources()}, nil
}
