package policy

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"

	"visor/capture"
	"visor/capture/afpacket"
	"visor/capture/collector"
	"visor/capture/filter"
	"visor/capture/mock"
	"visor/capture/pcapfile"
	"visor/capture/probe"
	"visor/decode"
)

// Opened is an open input, with the settings that its pipeline needs.
type Opened struct {
	Sources  []capture.Source // the caller must close it
	Hosts    decode.HostNets
	Live     bool
	MaxConns int // 0 is the default

	DNSPorts  []uint16       // empty is the default
	ProxyFrom []netip.Prefix // trusted proxies, whose PROXY protocol headers are believed
	// facts about the input that the API shows in addition to its configuration
	Facts Options
}

// Inputs opens inputs. The zero Inputs is ready to use.
type Inputs struct {
	Types  []InputType  // available types; nil means the types of [Builtin]
	Logger *slog.Logger // for sources; may be nil

	// Socket returns a socket that listens at an address and was opened for this process, as by
	// systemd, or nil without one. The input takes ownership of it. The func may be nil.
	Socket func(network, address string) (net.Listener, error)

	files opener // nil opens regular files anywhere
}

// file opens a file for reading. It is read, not mapped, so a file that shrinks ends without
// further harm.
func (in Inputs) file(path string) (*os.File, error) {
	if in.files == nil {
		return openFile(path)
	}
	return in.files(path)
}

// capture opens a capture file.
func (in Inputs) capture(path string, mayBeFIFO bool) (capture.Source, error) {
	return in.recording(path, mayBeFIFO, func(r io.Reader) (capture.Source, error) { return pcapfile.NewReader(r, path) })
}

// recording opens a file, or a named pipe if the configuration permits it.
func (in Inputs) recording(path string, mayBeFIFO bool, open func(io.Reader) (capture.Source, error)) (capture.Source, error) {
	var f *os.File
	var err error
	if mayBeFIFO && in.files == nil {
		var isFIFO bool
		if f, isFIFO, err = openFIFO(path); isFIFO {
			return newFIFO(f, open), nil
		}
	} else {
		f, err = in.file(path)
	}
	if err != nil {
		return nil, err
	}
	src, err := open(f)
	if err != nil {
		f.Close()
		return nil, err
	}
	return src, nil
}

// Open opens an input of a type with its configuration and the filter of a policy.
func (in Inputs) Open(typ string, config, only Options) (Opened, error) {
	types := in.Types
	if types == nil {
		types = builtinInputs()
	}
	for i := range types {
		if types[i].Name == typ {
			return types[i].open(in, config, only)
		}
	}
	return Opened{}, fmt.Errorf("input type '%s' is not available", typ)
}

func openProbe(config Options) (Opened, error) {
	cfg, err := ParseProbeInput(config)
	if err != nil {
		return Opened{}, err
	}
	src, err := probe.New(cfg)
	if err != nil {
		return Opened{}, err
	}
	o, err := live(src, nil)
	o.Facts = Options{"current_targets_total": uint64(len(cfg.Targets))}
	if cfg.Test == probe.Ping {
		o.Facts["ping_sockets"] = uint64(src.Sockets())
	}
	return o, err
}

func live[S capture.Source](src S, err error) (Opened, error) {
	if err != nil {
		return Opened{}, err
	}
	return Opened{Sources: []capture.Source{src}, Live: true}, nil
}

func recorded[S capture.Source](src S, err error) (Opened, error) {
	o, err := live(src, err)
	o.Live = false
	return o, err
}

// merged overrides the values of one table by another's.
func merged(tables ...Options) Options {
	out := Options{}
	for _, t := range tables {
		for key, value := range t {
			out[key] = value
		}
	}
	return out
}

func (inputs Inputs) openPcap(config Options) (Opened, error) {
	in, err := ParsePcapInput(config)
	if err != nil {
		return Opened{}, err
	}
	var o Opened
	switch {
	case in.File != "":
		o, err = inputs.openCapture(in)
	case in.Mock:
		o, err = live(mock.New(mock.Config{}), nil)
		o.Hosts, _ = decode.ParseHostNets(mock.LocalNets) // a constant
	default:
		o, err = openInterface(in)
	}
	if !in.Hosts.Empty() {
		o.Hosts = in.Hosts
	}
	o.MaxConns, o.DNSPorts, o.ProxyFrom = in.MaxConns, in.DNSPorts, in.ProxyFrom
	o.Facts = pcapFacts(in, &o.Hosts)
	return o, err
}

// pcapFacts are the facts that pktvisor shows. All live capture uses AF_PACKET here.
func pcapFacts(in PcapInput, own *decode.HostNets) Options {
	source := "unknown"
	switch {
	case in.File != "":
	case in.Mock:
		source = "mock"
	default:
		source = "af_packet"
	}
	return Options{"available_iface": strings.Join(interfaces(), ","), hostIPs: shownNets(own), "pcap_source": source}
}

// hostIPs is the key of the networks that determine directions.
const hostIPs = "host_ips"

func shownNets(own *decode.HostNets) Options {
	v4, v6 := []string{}, []string{}
	for _, p := range own.Prefixes() {
		if p.Addr().Is4() {
			v4 = append(v4, p.String())
		} else {
			v6 = append(v6, p.String())
		}
	}
	return Options{"ipv4": v4, "ipv6": v6}
}

func (inputs Inputs) openCapture(in PcapInput) (Opened, error) {
	file, err := inputs.capture(in.File, in.FIFO)
	if err != nil || in.Filter == "" {
		return recorded(file, err)
	}
	src, err := filter.NewSource(file, in.Filter)
	if err != nil {
		return Opened{}, errors.Join(err, file.Close())
	}
	return recorded(src, nil)
}

// openInterface opens an interface. Where the configuration does not determine directions, the
// interface does, see [capture.Owner].
func openInterface(in PcapInput) (Opened, error) {
	if err := checkInterface(in.Interface); err != nil {
		return Opened{}, err
	}
	cfg := afpacket.Config{Interface: in.Interface, RingSize: in.RingSize}
	if in.Filter != "" {
		cfg.Filter = filter.Kernel(in.Filter)
	}
	c, err := afpacket.Open(cfg)
	if errors.Is(err, filter.ErrTags) {
		return openTagged(in, cfg)
	}
	if err != nil {
		return Opened{}, explained(err)
	}
	return Opened{Sources: c.Sources(), Live: true}, nil
}

// openTagged opens an interface with a filter for VLAN tags, which runs in the process.
func openTagged(in PcapInput, cfg afpacket.Config) (Opened, error) {
	cfg.Filter = nil
	c, err := afpacket.Open(cfg)
	if err != nil {
		return Opened{}, explained(err)
	}
	src := c.Sources()[0] // cfg requests one
	filtered, err := filter.NewSource(src, in.Filter)
	if err != nil {
		return Opened{}, errors.Join(err, src.Close())
	}
	return live(filtered, nil)
}

func (inputs Inputs) openFlow(config Options) (Opened, error) {
	in, err := ParseFlowInput(config)
	switch {
	case err != nil:
		return Opened{}, err
	case in.File != "":
		return recorded(inputs.capture(in.File, in.FIFO))
	}
	return live(collector.Listen(collector.Config{Address: in.Address}))
}
