package builtin

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"visor/capture"
	"visor/capture/dnstap"
	"visor/decode"
	"visor/handler/options"
	"visor/handler/policy"
	"visor/internal/tlsfiles"
)

// dnstapConfig is the configuration of an input of type "dnstap". pktvisor has the keys socket,
// tcp, dnstap_file and only_hosts.
type dnstapConfig struct {
	Socket     string        `policy:"socket" help:"path of a Unix socket to make"`
	TCP        string        `policy:"tcp" help:"HOST:PORT to listen on, without a socket"`
	File       string        `policy:"dnstap_file" type:"file" help:"Frame Streams file to read in place of listening, also in gzip, zstd or bzip2"`
	FIFO       bool          `policy:"allow_fifo" help:"the file may be a named pipe"`
	OnlyHosts  decode.NetSet `policy:"only_hosts" in:"filter" type:"list of texts" help:"passes messages with an end in one of these networks; without effect in config"`
	Mode       fs.FileMode   `policy:"socket_mode" type:"number or text" help:"octal permissions of the socket; 0660 by default"`
	Owner      string        `policy:"socket_owner" type:"number or text" help:"user of the socket; the user of the process by default"`
	Group      string        `policy:"socket_group" type:"number or text" help:"group of the socket; the group of the process by default"`
	Allow      decode.NetSet `policy:"allow_from" type:"list of texts" help:"addresses and networks of clients over TCP; all by default"`
	Clients    int           `policy:"max_clients" range:"0-1048576,cut" help:"clients connected at once; 0 means 1024"`
	PerAddress int           `policy:"max_clients_per_address" range:"0-1048576,cut" help:"clients from one address; 0 means a quarter of max_clients"`
	Idle       time.Duration `policy:"idle_timeout_secs" help:"longest silence between two frames; 0 is without a limit"`
	Cert       string        `policy:"tls_cert" help:"PEM file of the certificate: clients over TCP must use TLS"`
	Key        string        `policy:"tls_key" help:"PEM file of the key of tls_cert"`
	ClientCA   string        `policy:"tls_client_ca" help:"PEM file: clients need a certificate signed by one of these"`
}

// dnstapBytes is the maximum of clients, long frames and batches.
const dnstapBytes = 52 * mib

func dnstapInput(live opener[dnstapConfig]) policy.InputType {
	t := policy.DeclareInput("dnstap", []string{"net", "dns", "asks"}, func(c dnstapConfig, env policy.InputEnv) (policy.Opened, error) {
		return c.open(env, live)
	})
	t.Words.Readers = map[string]options.Reader{
		"only_hosts": onlyHosts, "socket_mode": fileMode, "socket_owner": name, "socket_group": name, "allow_from": allowFrom,
	}
	return t
}

func onlyHosts(v any) (any, error) { return netSet(v, func(text string) string { return text }) }

// allowFrom parses networks. An address is a network of one address.
func allowFrom(v any) (any, error) {
	return netSet(v, func(text string) string {
		if addr, err := netip.ParseAddr(text); err == nil {
			return netip.PrefixFrom(addr, addr.BitLen()).String()
		}
		return text
	})
}

// netSet parses a list of networks. The func rewrites each of them first.
func netSet(v any, rewrite func(string) string) (any, error) {
	all, err := options.Each(v, func(text string) (string, error) {
		text = rewrite(text)
		_, err := ParseNetworks(text)
		return text, err
	})
	if err != nil {
		return nil, err
	}
	return ParseNetworks(strings.Join(all, ","))
}

// fileMode parses octal permissions. YAML and JSON have them as a number or a text: 0660, "0660",
// 660, "0o660".
func fileMode(v any) (any, error) {
	text := fmt.Sprint(v)
	mode, err := strconv.ParseUint(strings.TrimPrefix(text, "0o"), 8, 12)
	if err != nil || mode == 0 || mode > 0o777 {
		return nil, fmt.Errorf("socket_mode %s: must be permissions in octal, as 0660", text)
	}
	return fs.FileMode(mode), nil
}

// name parses a text that may consist of digits.
func name(v any) (any, error) {
	switch v.(type) {
	case string, uint64:
		return fmt.Sprint(v), nil
	}
	return nil, options.ErrType
}

// Check implements [policy.Checker]. As in pktvisor, a file takes precedence over a socket, and a
// socket over an address.
func (c *dnstapConfig) Check(table policy.Options, found options.Problems) options.Problems {
	misplaced := func(what string, keys ...string) {
		for _, key := range keys {
			if _, given := table[key]; given {
				found = append(found, options.At(fmt.Errorf("%s %s", key, what), key))
			}
		}
	}
	switch {
	case c.File != "" || found.Has("socket", "tcp", "dnstap_file"):
	case c.Socket != "":
		misplaced("is for tcp, not for a socket", "tls_cert", "tls_key", "tls_client_ca", "allow_from")
	case c.TCP == "":
		found = append(found, options.At(errors.New("config must specify one of: socket, dnstap_file"), "socket"))
	default:
		if err := checkAddress(c.TCP); err != nil {
			found = append(found, options.At(err, "tcp"))
		}
		if c.tls() != (tlsfiles.Files{}) && (c.Cert == "" || c.Key == "") {
			found = append(found, options.At(errors.New("tls_cert and tls_key go together, and tls_client_ca needs both"), "tls_cert"))
		}
		misplaced("is for a socket, not for tcp", "socket_mode", "socket_owner", "socket_group")
	}
	return found
}

// checkAddress checks HOST:PORT. Its errors are pktvisor's.
func checkAddress(text string) error {
	_, port, err := net.SplitHostPort(text)
	if err != nil || port == "" {
		return errors.New("invalid tcp address specification, use HOST:PORT")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return errors.New("unable to parse tcp address specification, use HOST:PORT")
	}
	return nil
}

// Bytes implements [policy.Sizer].
func (c *dnstapConfig) Bytes(policy.Limits) int64 { return policy.WorkerBytes + dnstapBytes }

func (c *dnstapConfig) tls() tlsfiles.Files {
	return tlsfiles.Files{Cert: c.Cert, Key: c.Key, ClientCA: c.ClientCA}
}

// listen returns the configuration of listening, without TLS.
func (c *dnstapConfig) listen() dnstap.Config {
	cfg := dnstap.Config{
		Network: "tcp", Address: c.TCP, Mode: c.Mode, Owner: c.Owner, Group: c.Group,
		Allow: c.Allow, Clients: c.Clients, PerAddress: c.PerAddress, Idle: c.Idle,
	}
	if c.Socket != "" {
		cfg.Network, cfg.Address = "unix", c.Socket
	}
	return cfg
}

func (c *dnstapConfig) open(env policy.InputEnv, live opener[dnstapConfig]) (o policy.Opened, err error) {
	if c.File != "" {
		o, err = env.Recording(c.File, c.FIFO, func(r io.Reader) (capture.Source, error) { return dnstap.NewFile(r, c.File) })
	} else {
		o, err = live(c, env)
	}
	if err == nil && !c.OnlyHosts.Empty() {
		o.Sources[0] = dnstap.OnlyHosts(o.Sources[0], c.OnlyHosts)
	}
	return o, err
}

func (c *dnstapConfig) openListener(env policy.InputEnv) (policy.Opened, error) {
	cfg := c.listen()
	cfg.Logger = env.Logger
	if files := c.tls(); files != (tlsfiles.Files{}) {
		certs, err := tlsfiles.New(files, nil, env.Logger)
		if err != nil {
			return policy.Opened{}, err
		}
		cfg.TLS = certs.Config()
	}
	var err error
	if env.Socket != nil {
		if cfg.Socket, err = env.Socket(cfg.Network, cfg.Address); err != nil {
			return policy.Opened{}, err
		}
	}
	src, err := dnstap.Listen(cfg)
	if err != nil {
		return policy.Opened{}, err
	}
	return policy.NewOpened(src), nil
}
