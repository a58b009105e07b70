package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"visor/decode"
)

// options is the command line, checked.
type options struct {
	files      []string
	input      string // one of inputs
	filter     string
	hosts      decode.HostNets
	deepSample int
	periods    int
	workers    int
	geoCity    string
	geoASN     string
	text       bool // else JSON
	verbose    bool
	version    bool
}

// What FILE holds.
const (
	inputPcap    = "pcap"
	inputDNSTap  = "dnstap"
	inputNetFlow = "netflow"
	inputSFlow   = "sflow"
)

const manual = `visor-reader summarises network captures: who talked, what was asked in DNS, how fast
answers came.

Usage:
  visor-reader [options] FILE...

FILE is a pcap or pcapng capture, plain or compressed with gzip or zstd; with -i
dnstap it is a Frame Streams file of dnstap messages. With -i netflow or -i sflow it
is a capture of what routers and switches export over UDP (NetFlow, IPFIX, sFlow),
and the flows in that are summarised. - is standard input. Several files are read as
one capture, merged by time.

Options:
%s
Examples:
  visor-reader capture.pcap
        what happened in the last five minutes of the capture
  visor-reader --periods 1 -H 192.0.2.0/24,2001:db8::/32 capture.pcap
        the whole capture; the networks that are ours tell ingress from egress, and
        so give top remote addresses and the times of DNS answers
  visor-reader -b 'port 53 and net 192.0.2.0/24' capture.pcap
        what is DNS of one network
  visor-reader --geo-city City.mmdb --geo-asn ASN.mmdb -H 192.0.2.0/24 *.pcap.gz
        where remote addresses are, and whose
  visor-reader -i dnstap --periods 1 queries.dnstap
        what a DNS server has written of its queries and responses
  visor-reader -i netflow --periods 1 exports.pcap
        the flows that routers have told of, by device and interface
  tcpdump -w - port 53 | visor-reader --format json - | jq .
        from a pipe, for a program

Exit status: 0 done, 1 a file could not be read to its end (what could be read is
shown), 2 wrong usage.
`

// parseOptions reads the command line. With -h it writes the manual to stdout and returns pflag.ErrHelp.
func parseOptions(args []string, stdout io.Writer) (options, error) {
	var o options
	var hosts, format string
	fs := pflag.NewFlagSet("visor-reader", pflag.ContinueOnError)
	fs.SortFlags = false
	fs.Usage = func() { fmt.Fprintf(stdout, manual, fs.FlagUsagesWrapped(88)) }
	fs.StringVarP(&o.input, "input", "i", inputPcap, "`type` of input: pcap, dnstap, netflow or sflow")
	fs.StringVarP(&o.filter, "bpf", "b", "", "tcpdump `filter`: only packets that it lets through are analysed")
	fs.StringVarP(&hosts, "host", "H", "", "own networks, comma separated `CIDRs`: they tell ingress from egress")
	fs.IntVar(&o.periods, "periods", 5, "one-minute periods kept, 1 to 10: the last `P` minutes are shown; 1 keeps everything in one")
	fs.IntVar(&o.deepSample, "max-deep-sample", 100, "`percent` of packets that lists, cardinalities and times look at, 1 to 100")
	fs.StringVar(&o.geoCity, "geo-city", "", "MaxMind city database `file`")
	fs.StringVar(&o.geoASN, "geo-asn", "", "MaxMind ASN database `file`")
	fs.StringVar(&format, "format", "", "`json|text`: the default is text on a terminal and json elsewhere")
	fs.IntVarP(&o.workers, "jobs", "j", min(runtime.NumCPU(), 4), "`workers` that share the packets, 1 to 64")
	fs.BoolVarP(&o.verbose, "verbose", "v", false, "tell on standard error what is being done")
	fs.BoolVar(&o.version, "version", false, "print the version and exit")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	o.files = fs.Args()
	if o.version {
		return o, nil
	}
	var err error
	o.hosts, err = decode.ParseHostNets(hosts)
	o.input = strings.ToLower(o.input)
	return o, errors.Join(err, o.check(), o.setFormat(format, stdout))
}

func (o *options) check() error {
	switch {
	case len(o.files) == 0:
		return errors.New("no FILE given")
	case !slices.Contains([]string{inputPcap, inputDNSTap, inputNetFlow, inputSFlow}, o.input):
		return fmt.Errorf("-i %s: unknown type of input; must be pcap, dnstap, netflow or sflow", o.input)
	case o.input == inputDNSTap && o.filter != "":
		return errors.New("-b filters packets, and cannot go with -i dnstap")
	case o.periods < 1 || o.periods > 10:
		return fmt.Errorf("--periods %d: must be from 1 to 10", o.periods)
	case o.deepSample < 1 || o.deepSample > 100:
		return fmt.Errorf("--max-deep-sample %d: must be from 1 to 100", o.deepSample)
	case o.workers < 1 || o.workers > 64:
		return fmt.Errorf("-j %d: must be from 1 to 64", o.workers)
	}
	return nil
}

func (o *options) setFormat(format string, stdout io.Writer) error {
	switch format {
	case "json", "text":
		o.text = format == "text"
	case "":
		_, o.text = terminalWidth(stdout)
	default:
		return fmt.Errorf("--format %s: must be json or text", format)
	}
	return nil
}

// terminalWidth returns the columns of w if w is a terminal.
func terminalWidth(w io.Writer) (int, bool) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		width = 80
	}
	return width, true
}

// version returns the version that the Go toolchain built in.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return "(unknown)"
}
