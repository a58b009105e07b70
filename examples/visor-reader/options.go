package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"visor/decode"
	"visor/handler/anonymize"
	"visor/handler/asks"
	"visor/handler/policy/builtin"
)

// options is the parsed and validated command line.
type options struct {
	files      []string
	input      string // one of inputs
	filter     string
	hosts      decode.NetSet
	dnsPorts   []uint16
	deepSample int
	periods    int           // number of last periods to show; 0 for the whole capture
	step       time.Duration // length of the rows to write; 0 writes a summary
	from, to   moment        // range of the input to analyse
	top        int           // entries per list
	writeTo    string        // file for a snapshot; "" for none
	history    string        // directory of an agent's history; files then has the policy
	policyFile string        // document of policies to run; "" for none
	workers    int
	geoCity    string
	geoASN     string
	hashKey    string
	format     string // one of formats
	service    string // name of the service in formatRSSAC
	width      int    // columns of text
	color      bool
	all        bool // also show zeros
	verbose    bool
	version    bool
	helpErr    error // of writing the manual
	warnings   []string
	question   asks.Question // of --name and --client; empty for a summary
	given      []string      // names of the options on the command line

	anonymize       *anonymize.Method // nil shows whole addresses
	anonymizeConfig *anonymize.Config // the same, for policies
}

// Formats of the answer.
const (
	formatText     = "text"
	formatJSON     = "json"
	formatPktvisor = "pktvisor" // JSON as pktvisor-reader writes it
	formatRSSAC    = "rssac002" // YAML of package rssac002
)

// Limits of --periods and --max-deep-sample.
const (
	maxPeriods    = 10
	maxDeepSample = 100
)

// countingOptions are options of how packets are counted. They have no effect on what has been
// counted already: snapshots and the history.
var countingOptions = []string{"bpf", "host", "dns-ports", "periods", "name", "client", "policy", "max-deep-sample", "anonymize", "geo-city", "geo-asn"}

// Contents of FILE.
const (
	inputPcap    = "pcap"
	inputDNSTap  = "dnstap"
	inputNetFlow = "netflow"
	inputSFlow   = "sflow"
)

const manual = `visor-reader summarises network captures: top talkers, DNS names, response times and
more.

Usage:
  visor-reader [options] FILE...
  visor-reader [options] --history DIR [POLICY]

FILE is a pcap or pcapng capture, plain or compressed with gzip, zstd or bzip2;
with -i dnstap it is a Frame Streams file of dnstap messages. With -i netflow or -i
sflow it is a capture of flow exports over UDP (NetFlow, IPFIX, sFlow), and their flows
are summarised. - is standard input. Several files are read as one capture, merged by
time. FILEs may also be snapshots, which --write-snapshot writes: their summaries are
merged.

Options:
%s
Examples:
  visor-reader capture.pcap
        what happened in the capture, and when
  visor-reader -H 192.0.2.0/24,2001:db8::/32 capture.pcap
        with your own networks: ingress and egress are separated, and remote addresses
        and DNS response times are listed
  visor-reader --step 1m capture.pcap
        a row for each minute; --step 10s is finer
  visor-reader --from 14:05 --to 14:06 --top 30 capture.pcap
        what happened in one minute, with longer lists
  visor-reader -b 'port 53 and net 192.0.2.0/24' capture.pcap
        DNS traffic of one network
  visor-reader --geo-city City.mmdb --geo-asn ASN.mmdb -H 192.0.2.0/24 *.pcap.gz
        locations and networks of remote addresses
  visor-reader --write-snapshot monday.vsnap monday.pcap
  visor-reader monday.vsnap tuesday.vsnap
        the summaries of several captures or agents as one
  visor-reader --name deleted.example.com capture.pcap
        which clients ask for a name, when, for which types, and their answers;
        '*.example.com' includes the names below it
  visor-reader --client 192.0.2.7 capture.pcap
        what a client asks for
  visor-reader --history /var/lib/visor/history --from 03:00 --to 03:30 default
        what the policy "default" of an agent counted; the agent must not be running
  visor-reader --policy visord.yaml capture.pcap
        what the policies of an agent would have counted
  visor-reader -i dnstap queries.dnstap
        queries and responses logged by a DNS server
  visor-reader -i netflow exports.pcap
        flows reported by routers, by device and interface
  tcpdump -w - port 53 | visor-reader --format json - | jq .
        from a pipe, for a program

The last line counts all packets by outcome, and shows which part of the capture the
answer covers; in JSON these are "account" and "coverage", and "timeline" counts by time.
The format pktvisor is JSON with only the keys of pktvisor-reader; without --periods it
covers the last five minutes. With --step, JSON is a line for each step. The format
rssac002 is the YAML of RSSAC002v5 for a DNS server, from captures or snapshots of a day.

Exit status: 0 done, or ended by Ctrl-C, 1 a file could not be read to its end (what
could be read is shown, of the other files too), 2 wrong usage.
`

// parseOptions parses the command line. With -h it writes the manual to stdout and returns
// pflag.ErrHelp.
func parseOptions(args []string, stdout io.Writer) (options, error) {
	var o options
	var hosts, color, from, to, anonymous string
	var ports []string
	fs := pflag.NewFlagSet("visor-reader", pflag.ContinueOnError)
	fs.SortFlags = false
	fs.Usage = func() { _, o.helpErr = fmt.Fprintf(stdout, manual, fs.FlagUsagesWrapped(88)) }
	fs.StringVarP(&o.input, "input", "i", inputPcap, "`type` of input: pcap, dnstap, netflow or sflow")
	fs.StringVarP(&o.filter, "bpf", "b", "", "tcpdump `filter`: only matching packets are analysed")
	fs.StringVarP(&hosts, "host", "H", "", "your own networks, comma separated `CIDRs`, to separate ingress from egress")
	fs.StringSliceVar(&ports, "dns-ports", nil, "`ports` of DNS, comma separated; the default is 53,5353,5355,53000")
	fs.IntVar(&o.periods, "periods", 0, "show only the last `P` minutes, 2 to 10; 1 counts everything as one period. Without it the whole capture is shown")
	fs.DurationVar(&o.step, "step", 0, "write the counts of each `step` of time, as 10s, 1m or 1h, in place of a summary")
	fs.StringVar(&from, "from", "", "leave out packets before a `time`: 15:04, 2026-01-31 15:04:05, or +10m after the first packet")
	fs.StringVar(&to, "to", "", "leave out packets at and after a `time`")
	fs.StringVar(&o.question.QName, "name", "", "show only which clients ask for a `name`, with *.NAME for names below it too, or with * for any name")
	fs.StringVar(&o.question.Client, "client", "", "show only what the clients at an `address` or in a network ask for")
	fs.StringVar(&o.history, "history", "", "answer from the history in an agent's `directory`, for the policy named in place of FILE; without one, list the policies")
	fs.StringVar(&o.writeTo, "write-snapshot", "", "write the summary to a `file`, too, for visor-reader to merge with others")
	fs.StringVar(&o.policyFile, "policy", "", "run the policies of an agent's `file` over the capture, with their handlers and filters, one worker each and no findings; -i must be their input")
	fs.IntVar(&o.top, "top", 10, "show `N` entries of each list")
	fs.IntVar(&o.deepSample, "max-deep-sample", 100, "`percent` of packets sampled for lists, cardinalities and times, 1 to 100")
	fs.StringVar(&anonymous, "anonymize", "", "show only the first `bits` of addresses, as 24,48 for IPv4 and IPv6; or a file with a key of 64 hexadecimal digits, which encrypts them (Crypto-PAn)")
	fs.StringVar(&o.geoCity, "geo-city", "", "MaxMind city database `file`")
	fs.StringVar(&o.geoASN, "geo-asn", "", "MaxMind ASN database `file`")
	fs.StringVar(&o.hashKey, "hash-key", "", "`file` with the key of the sketches' hash, 32 hexadecimal digits; without it the key is a public one, or a random one with --anonymize")
	fs.StringVar(&o.format, "format", "", "`text|json|pktvisor|rssac002`: the default is text on a terminal and json elsewhere")
	fs.StringVar(&o.service, "service", "", "`name` of the DNS server in the format rssac002")
	fs.BoolVarP(&o.all, "all", "a", false, "also show zeros in text")
	fs.IntVar(&o.width, "width", 0, "`columns` of text: the default is COLUMNS, or the terminal's width, or 80")
	fs.StringVar(&color, "color", "auto", "`always|never|auto`: colours in text; auto is on a terminal, unless NO_COLOR is set")
	fs.IntVarP(&o.workers, "jobs", "j", min(runtime.NumCPU(), 4), "`workers` that share the packets, 1 to 64")
	fs.BoolVarP(&o.verbose, "verbose", "v", false, "report on standard error what is being done")
	fs.BoolVar(&o.version, "version", false, "print the version and exit")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	o.files = expand(fs.Args())
	if o.history != "" {
		o.files = fs.Args()
	}
	if o.version {
		return o, nil
	}
	fs.Visit(func(f *pflag.Flag) { o.given = append(o.given, f.Name) })
	o.input = strings.ToLower(o.input)
	o.setOutput(stdout)
	o.clamp(fs.Changed("periods"))
	if fs.Changed("step") && (o.step < time.Second || o.step%time.Second != 0) {
		return o, fmt.Errorf("--step %v: must be whole seconds, as 10s, 1m or 1h", o.step)
	}
	return o, errors.Join(o.setTimes(from, to), o.setHosts(hosts), o.setPorts(ports), o.setAnonymize(anonymous), o.check(), o.checkClient(), o.setColor(color, stdout))
}

// clamp clamps numbers with a warning. pktvisor-reader shows five minutes unless the number of
// periods is given.
func (o *options) clamp(periods bool) {
	switch {
	case periods:
		o.periods = o.clamped("--periods", o.periods, maxPeriods)
	case o.format == formatPktvisor:
		o.periods = 5
	}
	o.deepSample = o.clamped("--max-deep-sample", o.deepSample, maxDeepSample)
}

func (o *options) clamped(flag string, n, most int) int {
	use := min(max(n, 1), most)
	if use != n {
		o.warnings = append(o.warnings, fmt.Sprintf("%s %d: must be from 1 to %d; %d is used", flag, n, most, use))
	}
	return use
}

// among lists the names that are on the command line.
func (o *options) among(names []string) string {
	var out []string
	for _, name := range names {
		if slices.Contains(o.given, name) {
			out = append(out, "--"+name)
		}
	}
	return strings.Join(out, ", ")
}

func (o *options) check() error {
	if o.question != (asks.Question{}) {
		if _, err := o.question.Config(); err != nil {
			return fmt.Errorf("--name and --client: %w", err)
		}
	}
	switch {
	case o.history != "" && len(o.files) > 1:
		return errors.New("--history answers for one policy")
	case o.history != "" && o.among(countingOptions) != "":
		return fmt.Errorf("%s cannot go with --history, which has been counted already", o.among(countingOptions))
	case o.history != "" && o.format == formatPktvisor:
		return errors.New("--format pktvisor shows the last minutes of a capture, and cannot go with --history")
	case o.history == "" && len(o.files) == 0:
		return errors.New("no FILE given")
	case !slices.Contains([]string{inputPcap, inputDNSTap, inputNetFlow, inputSFlow}, o.input):
		return fmt.Errorf("-i %s: unknown type of input; must be pcap, dnstap, netflow or sflow", o.input)
	case o.input == inputDNSTap && o.filter != "":
		return errors.New("-b filters packets, and cannot go with -i dnstap")
	case o.workers < 1 || o.workers > 64:
		return fmt.Errorf("-j %d: must be from 1 to 64", o.workers)
	case !slices.Contains([]string{formatText, formatJSON, formatPktvisor, formatRSSAC}, o.format):
		return fmt.Errorf("--format %s: must be text, json, pktvisor or rssac002", o.format)
	case (o.format == formatRSSAC) != (o.service != ""):
		return errors.New("--format rssac002 and --service NAME go together")
	case o.format == formatRSSAC && (o.step != 0 || o.periods != 0 || o.question != (asks.Question{})):
		return errors.New("--format rssac002 writes the whole input, and cannot go with --step, --periods, --name or --client")
	case o.step != 0 && o.periods != 0:
		return errors.New("--step writes all of the capture, and cannot go with --periods or --format pktvisor")
	case o.writeTo != "" && (o.step != 0 || o.periods != 0):
		return errors.New("--write-snapshot writes the whole capture, and cannot go with --step, --periods or --format pktvisor")
	case o.question != (asks.Question{}) && (o.step != 0 || o.input == inputNetFlow || o.input == inputSFlow):
		return errors.New("--name and --client look at DNS messages, and cannot go with --step or flows")
	case o.policyFile != "" && (o.step != 0 || o.writeTo != "" || o.filter != "" || o.question != (asks.Question{}) || slices.Contains([]string{formatPktvisor, formatRSSAC}, o.format)):
		return errors.New("--policy has filters in its file, and cannot go with -b, --step, --write-snapshot, --name, --client or --format pktvisor and rssac002")
	case o.policyFile != "" && o.among([]string{"jobs"}) != "":
		return errors.New("--policy runs each policy with one worker, and cannot go with -j")
	case o.policyFile != "" && slices.Contains(o.files, "-"):
		return errors.New("--policy reads files, and cannot read standard input")
	case o.writeTo == "-":
		return errors.New("--write-snapshot -: must be a file; standard output has the summary")
	case slices.Contains(o.files[slices.Index(o.files, "-")+1:], "-"):
		return errors.New("- is named twice, but standard input can be read once")
	case o.top < 1:
		return fmt.Errorf("--top %d: must be 1 or more", o.top)
	case o.width < 0:
		return fmt.Errorf("--width %d: must be a number of columns", o.width)
	}
	return nil
}

// setTimes parses --from and --to.
func (o *options) setTimes(from, to string) (err error) {
	var bad error
	o.from, err = parseMoment("--from", from)
	o.to, bad = parseMoment("--to", to)
	return errors.Join(err, bad)
}

// setPorts parses the ports of --dns-ports.
func (o *options) setPorts(list []string) (err error) {
	if o.dnsPorts, err = builtin.ParsePorts(list); err != nil {
		return fmt.Errorf("--dns-ports: %w", err)
	}
	return nil
}

// setHosts parses the networks of -H.
func (o *options) setHosts(list string) (err error) {
	if o.hosts, err = builtin.ParseNetworks(list); err != nil {
		return fmt.Errorf("-H %s: %w", list, err)
	}
	return nil
}

// setOutput chooses the output for options that are not set.
func (o *options) setOutput(stdout io.Writer) {
	width, terminal := terminalWidth(stdout)
	if o.format == "" {
		o.format = formatJSON
		if terminal {
			o.format = formatText
		}
	}
	if columns, err := strconv.Atoi(os.Getenv("COLUMNS")); o.width == 0 && err == nil && columns > 0 {
		o.width = columns
	}
	if o.width == 0 {
		o.width = cmp.Or(width, 80)
	}
}

func (o *options) setColor(when string, stdout io.Writer) error {
	switch when {
	case "always", "never":
		o.color = when == "always"
	case "auto":
		_, terminal := terminalWidth(stdout)
		o.color = terminal && os.Getenv("NO_COLOR") == "" // https://no-color.org
	default:
		return fmt.Errorf("--color %s: must be always, never or auto", when)
	}
	return nil
}

// terminalWidth returns the number of columns of w if w is a terminal.
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

// expand replaces patterns such as *.pcap that are not file names, because shells of Windows pass
// them unchanged.
func expand(args []string) (files []string) {
	for _, arg := range args {
		matches, err := filepath.Glob(arg)
		if _, missing := os.Stat(arg); missing == nil || err != nil || len(matches) == 0 {
			matches = []string{arg}
		}
		files = append(files, matches...)
	}
	return files
}

// version returns the version from the Go toolchain.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return "(unknown)"
}
