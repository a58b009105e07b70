package policy

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"

	"visor/capture"
	"visor/decode"
)

// Opened is an open input, with the settings that its pipeline needs.
type Opened struct {
	Sources  []capture.Source // the caller must close it
	Hosts    decode.NetSet
	MaxConns int // 0 is the default

	DNSPorts  []uint16       // empty is the default
	ProxyFrom []netip.Prefix // trusted proxies, whose PROXY protocol headers are believed
	// facts about the input that the API shows in addition to its configuration. The Manager
	// replaces the value at [HostIPs]
	Facts Options
}

// HostIPs is the key in [Opened].Facts of the networks that determine directions.
const HostIPs = "host_ips"

// NewOpened returns an input with one source. The input is live if src is a [capture.LiveSource].
func NewOpened(src capture.Source) Opened { return Opened{Sources: []capture.Source{src}} }

// InputEnv is the environment of inputs. The zero InputEnv is ready to use.
type InputEnv struct {
	Logger *slog.Logger // for sources; may be nil

	// Socket returns a socket that listens at an address and was opened for this process, as by
	// systemd, or nil without one. The input takes ownership of it. The func may be nil.
	Socket func(network, address string) (net.Listener, error)

	files opener // nil opens regular files anywhere
}

// Recording opens a file for reading, or a named pipe if the configuration permits it. The file is
// read, not mapped, so a file that shrinks ends without further harm.
func (env InputEnv) Recording(path string, mayBeFIFO bool, open func(io.Reader) (capture.Source, error)) (Opened, error) {
	var f *os.File
	var err error
	switch {
	case env.files != nil:
		f, err = env.files(path)
	case mayBeFIFO:
		var isFIFO bool
		if f, isFIFO, err = openFIFO(path); isFIFO {
			return NewOpened(newFIFO(f, open)), nil
		}
	default:
		f, err = openFile(path)
	}
	if err != nil {
		return Opened{}, err
	}
	src, err := open(f)
	if err != nil {
		f.Close()
		return Opened{}, err
	}
	return NewOpened(src), nil
}

// Open opens an input of a type with its configuration and the filter of a policy.
func (c Catalog) Open(env InputEnv, typ string, config, only Options) (Opened, error) {
	in, err := c.parseInput(typ, config, only)
	if err != nil {
		return Opened{}, err
	}
	return in.open(env)
}

// CheckInput checks an input like [Catalog.Open], but opens nothing. The returned source blocks
// until it is closed. A Manager with it as its Open tries a document without side effects.
func (c Catalog) CheckInput(typ string, config, only Options) (Opened, error) {
	if _, err := c.parseInput(typ, config, only); err != nil {
		return Opened{}, err
	}
	return NewOpened(&silent{gone: make(chan struct{})}), nil
}

func (c Catalog) parseInput(typ string, config, only Options) (inputConfig, error) {
	t := c.input(typ)
	if t == nil {
		return inputConfig{}, fmt.Errorf("input type '%s' is not available", typ)
	}
	in, problems := t.parse(config, only)
	if len(problems) > 0 {
		return in, problems
	}
	return in, in.verify()
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

// shownNets returns networks as pktvisor shows them.
func shownNets(own *decode.NetSet) Options {
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
