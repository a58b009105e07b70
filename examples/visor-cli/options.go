package main

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// options is the parsed and validated command line.
type options struct {
	host      string
	port      portNumber
	policy    string
	tls       bool
	noVerify  bool
	ca        string
	cert, key string
	tokenFile string
	refresh   time.Duration
	version   bool
}

const defaultPort = 10853

const manual = `visor-cli shows what a visor agent (visord, or pktvisord) counts: live rates, top
talkers, top names, response times. Enter on a name, an address or a network shows the
clients and names behind it.

Usage:
  visor-cli [options]

Options:
%s
Keys:
%s
To look behind an entry, the agent must allow changes (visord --admin-api): visor-cli
adds a policy that counts only that, and removes it again; if visor-cli is killed, the
agent removes it after 15 seconds.

Examples:
  visor-cli
        the policy 'default' of the agent on this host
  visor-cli -H ns1.example.net --tls -P edge
        another policy of another host, over HTTPS

Exit status: 0 done, 1 failed, 2 wrong usage.
`

// parseOptions parses the command line. With -h it writes the manual to stdout and returns
// pflag.ErrHelp.
func parseOptions(args []string, stdout io.Writer) (options, error) {
	var o options
	fs := pflag.NewFlagSet("visor-cli", pflag.ContinueOnError)
	fs.SortFlags = false
	fs.Usage = func() { fmt.Fprintf(stdout, manual, fs.FlagUsagesWrapped(88), keyHelp("  ")) }
	fs.StringVarP(&o.host, "host", "H", "localhost", "`host` of the agent")
	o.port = defaultPort
	fs.VarP(&o.port, "port", "p", "`port` of its API")
	fs.StringVarP(&o.policy, "policy", "P", "default", "`policy` to show first")
	fs.BoolVar(&o.tls, "tls", false, "use HTTPS")
	fs.BoolVar(&o.noVerify, "tls-noverify", false, "use HTTPS, and do not verify the agent's certificate")
	fs.StringVar(&o.ca, "tls-ca", "", "also trust the certificate authorities in this `file`, PEM")
	fs.StringVar(&o.cert, "tls-cert", "", "client certificate `file`, PEM")
	fs.StringVar(&o.key, "tls-key", "", "its key `file`, PEM")
	fs.StringVar(&o.tokenFile, "api-token-file", "", "send the bearer token in this `file`")
	fs.DurationVar(&o.refresh, "refresh", time.Second, "`time` between updates")
	fs.BoolVar(&o.version, "version", false, "print the version and exit")
	if err := fs.Parse(twoDashes(args, fs)); err != nil {
		return o, err
	}
	switch {
	case fs.NArg() > 0:
		return o, fmt.Errorf("no arguments are taken, but options: %q", fs.Args())
	case (o.cert == "") != (o.key == ""):
		return o, errors.New("--tls-cert and --tls-key go together")
	case o.refresh < 50*time.Millisecond || o.refresh > time.Minute:
		return o, fmt.Errorf("--refresh %v: must be from 50ms to 1m", o.refresh)
	}
	o.tls = o.tls || o.noVerify
	if !o.tls && (o.ca != "" || o.cert != "") {
		return o, errors.New("--tls-ca and --tls-cert need --tls")
	}
	return o, nil
}

// portNumber is the number of a port.
type portNumber uint16

func (p *portNumber) String() string { return strconv.Itoa(int(*p)) }

func (p *portNumber) Type() string { return "port" }

func (p *portNumber) Set(text string) error {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return errors.New("a port is a number from 1 to 65535")
	}
	*p = portNumber(n)
	return nil
}

// version returns the version from the Go toolchain.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return "(unknown)"
}

// twoDashes adds a dash to long options with one dash. pktvisor-cli accepts both, as Go's flag
// package does.
func twoDashes(args []string, fs *pflag.FlagSet) []string {
	out := slices.Clone(args)
	for i, arg := range out {
		name, _, _ := strings.Cut(strings.TrimPrefix(arg, "-"), "=")
		if strings.HasPrefix(arg, "-") && len(name) > 1 && (fs.Lookup(name) != nil || name == "help") {
			out[i] = "-" + arg
		}
	}
	return out
}
