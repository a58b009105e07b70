package policy

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strconv"
	"strings"
	"time"
	"visor/handler/options"

	"visor/capture"
	"visor/capture/dnstap"
	"visor/decode"
	"visor/internal/tlsfiles"
)

// TapInput is the configuration of an input of type "dnstap": a file to read, or where to listen.
// All keys but the first four are additions to pktvisor.
//
//	socket                   path of a Unix socket to make
//	tcp                      HOST:PORT to listen on
//	dnstap_file              Frame Streams file to read, also in gzip, zstd or bzip2
//	allow_fifo               whether dnstap_file may be a named pipe; false by default
//	only_hosts               taken, and does nothing here: it is a filter, see ParseTapFilter
//	socket_mode              octal permissions of the socket; 0660 by default
//	socket_owner             user of the socket, name or number; by default that of the process
//	socket_group             group of the socket; the process's by default
//	tls_cert, tls_key        PEM files of the server: clients over TCP must use TLS
//	tls_client_ca            PEM file: clients need a certificate signed by one of these
//	allow_from               addresses and networks of clients over TCP; all by default
//	max_clients              connected at once; 1024 by default
//	max_clients_per_address  of these, from one address; a quarter of max_clients by default
//	idle_timeout_secs        longest silence between two frames; no limit by default
type TapInput struct {
	File   string
	FIFO   bool // File may be a named pipe
	Listen dnstap.Config
	TLS    tlsfiles.Files
}

// ParseTapInput parses the configuration of an input of type "dnstap". As in pktvisor, a file takes
// precedence over a socket, and a socket over an address.
func ParseTapInput(opts Options) (TapInput, error) {
	r := &Reader{opts: opts}
	socket, address, file := r.Text("socket"), r.Text("tcp"), r.Text("dnstap_file")
	fifo := r.Flag(allowFIFO)
	r.List("only_hosts")
	in := TapInput{Listen: listenConfig(r)}
	in.TLS = tlsfiles.Files{Cert: r.Text("tls_cert"), Key: r.Text("tls_key"), ClientCA: r.Text("tls_client_ca")}
	if err := r.finish(); err != nil {
		return TapInput{}, err
	}
	switch {
	case file != "":
		return TapInput{File: file, FIFO: fifo}, nil
	case socket != "":
		in.Listen.Network, in.Listen.Address = "unix", socket
		return in, firstOf(opts, "is for tcp, not for a socket", "tls_cert", "tls_key", "tls_client_ca", "allow_from")
	case address == "":
		return TapInput{}, errors.New("config must specify one of: socket, dnstap_file")
	}
	in.Listen.Network, in.Listen.Address = "tcp", address
	if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
		return TapInput{}, &options.Problem{Key: "tcp", Err: errors.New("invalid tcp address specification, use HOST:PORT")}
	}
	if in.TLS != (tlsfiles.Files{}) && (in.TLS.Cert == "" || in.TLS.Key == "") {
		return TapInput{}, &options.Problem{Key: "tls_cert", Err: errors.New("tls_cert and tls_key go together, and tls_client_ca needs both")}
	}
	return in, firstOf(opts, "is for a socket, not for tcp", "socket_mode", "socket_owner", "socket_group")
}

// listenConfig reads the options of listening, including permitted clients.
func listenConfig(r *Reader) dnstap.Config {
	cfg := dnstap.Config{Mode: fileMode(r, "socket_mode"), Owner: name(r, "socket_owner"), Group: name(r, "socket_group")}
	list := r.List("allow_from")
	var err error
	if cfg.Allow, err = parseNetworks(list); err != nil {
		r.fail("%w", err)
	}
	cfg.Clients = r.Int("max_clients", 1<<20)
	cfg.PerAddress = r.Int("max_clients_per_address", 1<<20)
	cfg.Idle = time.Duration(r.Int("idle_timeout_secs", 1<<31)) * time.Second
	return cfg
}

// firstOf returns an error for the first of keys that is present.
func firstOf(opts Options, what string, keys ...string) error {
	for _, key := range keys {
		if _, there := opts[key]; there {
			return &options.Problem{Key: key, Err: fmt.Errorf("%s %s", key, what)}
		}
	}
	return nil
}

// parseNetworks parses networks. An address is a network of one address.
func parseNetworks(list []string) (decode.HostNets, error) {
	nets := make([]string, len(list))
	for i, text := range list {
		nets[i] = text
		if addr := net.ParseIP(text); addr != nil {
			nets[i] = text + map[bool]string{true: "/32", false: "/128"}[addr.To4() != nil && !strings.Contains(text, ":")]
		}
	}
	return decode.ParseHostNets(strings.Join(nets, ","))
}

// fileMode returns the octal permissions at key, or 0. YAML and JSON have them as a number or a
// text: 0660, "0660", 660, "0o660".
func fileMode(r *Reader, key string) fs.FileMode {
	text := name(r, key)
	if text == "" {
		return 0
	}
	mode, err := strconv.ParseUint(strings.TrimPrefix(text, "0o"), 8, 12)
	if err != nil || mode == 0 || mode > 0o777 {
		r.fail("%s %s: must be permissions in octal, as 0660", key, text)
	}
	return fs.FileMode(mode)
}

// name returns the text at key, or "". The text may consist of digits.
func name(r *Reader, key string) string {
	if n, isNumber := r.opts[key].(uint64); isNumber {
		r.look(key)
		return strconv.FormatUint(n, 10)
	}
	return r.Text(key)
}

// ParseTapFilter parses the filter of an input of type "dnstap". At least one end of a message must
// be in one of its networks. An empty filter accepts all messages.
func ParseTapFilter(opts Options) (decode.HostNets, error) {
	r := &Reader{opts: opts}
	list := r.List("only_hosts")
	if err := r.finish(); err != nil {
		return decode.HostNets{}, err
	}
	hosts, err := decode.ParseHostNets(strings.Join(list, ","))
	if err != nil {
		return decode.HostNets{}, &options.Problem{Key: "only_hosts", Err: err}
	}
	return hosts, nil
}

func (in Inputs) openTap(config, only Options) (Opened, error) {
	tap, err := ParseTapInput(config)
	if err != nil {
		return Opened{}, err
	}
	hosts, err := ParseTapFilter(only)
	if err != nil {
		return Opened{}, err
	}
	var o Opened
	if tap.File != "" {
		o, err = recorded(in.tapFile(tap))
	} else {
		o, err = in.listenTap(tap)
	}
	if err == nil && !hosts.Empty() {
		o.Sources[0] = dnstap.OnlyHosts(o.Sources[0], hosts)
	}
	return o, err
}

// tapFile opens a dnstap file.
func (in Inputs) tapFile(tap TapInput) (capture.Source, error) {
	return in.recording(tap.File, tap.FIFO, func(r io.Reader) (capture.Source, error) { return dnstap.NewFile(r, tap.File) })
}

func (in Inputs) listenTap(tap TapInput) (Opened, error) {
	cfg := tap.Listen
	cfg.Logger = in.Logger
	var err error
	if tap.TLS != (tlsfiles.Files{}) {
		certs, err := tlsfiles.New(tap.TLS, nil, in.Logger)
		if err != nil {
			return Opened{}, err
		}
		cfg.TLS = certs.Config()
	}
	if in.Socket != nil {
		if cfg.Socket, err = in.Socket(cfg.Network, cfg.Address); err != nil {
			return Opened{}, err
		}
	}
	return live(dnstap.Listen(cfg))
}
