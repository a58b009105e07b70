package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"visor/export/httpapi"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
)

// options is the validated command line together with the configuration file.
type options struct {
	iface      string
	config     string
	bpf        string
	hostSpec   string
	doc        *policy.Document // contents of the configuration file; empty without one
	configKeys []string         // options that a configuration file may have
	version    bool
	moduleList bool
	check      string // configuration file to check
	strict     bool
	warnings   []string // warnings about the command line and the configuration file
	badConfig  bool     // the error is about the configuration file

	daemon  bool
	verbose bool
	logFile string
	syslog  bool
	user    string

	host       string
	port       portNumber
	tls        bool
	files      httpapi.TLSFiles
	adminAPI   bool
	apiFiles   string
	insecure   bool
	allowHosts []string
	tokenFile  string
	hashKey    string
	history    string // directory of the history; "" for the default
	noHistory  bool
	historyMax string        // size of its file as text
	period     time.Duration // length of periods; other lengths than 60 s are for tests
	pprof      bool
	instance   string
	sumIsMax   bool
	memory     string // memory limit as text
	periods    int
	deepSample int

	geoCity, geoASN               string
	defaultGeoCity, defaultGeoASN string
	geoCache                      int
	services, defaultServices     string

	otel         bool
	otelProtocol string
	otelMetrics  string
	otelHost     string
	otelPort     portNumber
	otelPath     string
	otelInterval int
	otelDrain    time.Duration
	otelTLS      bool
	otelCert     string
	otelKey      string

	crash [3]string // pktvisord's options for crash reports
}

const manual = `visord summarises network traffic as it flows: top talkers, DNS names, response times
and more. It serves the results over HTTP, in JSON and for Prometheus.

Usage:
  visord [options] [IFACE]

IFACE is an interface, an IP address that it has, 'auto' for the busiest one, or 'mock'
for generated traffic, which needs no privileges and no Linux. A policy named 'default'
analyses its packets. Other taps and policies come from the configuration file
(--config), or over HTTP while visord runs (--admin-api).

Options:
%s
The section visor.config of the configuration file may set each long option, with _ for
-, such as 'log_file: /var/log/visord'; the command line wins. The exceptions are
--config, --check, --bpf, --host-spec, --help and --version. The section visor.alerts
sends findings, such as attacks, to webhooks and to Alertmanager: see
examples/visord/alerts.md.

Signals:
  SIGHUP         reads the configuration file again and applies changes of taps,
                 policies and silences of alerts; reopens the log file
  SIGTERM, SIGINT  end visord after the last push to OpenTelemetry and the last alerts

Examples:
  visord eth0
        the default policy; see http://localhost:10853/api/v1/metrics/window/5
  visord -H 192.0.2.0/24,2001:db8::/32 -b 'port 53' eth0
        only DNS; with your own networks, ingress and egress are separated
  visord --admin-api --config /etc/visord.yaml
        taps and policies from a file, and from clients over HTTP
  visord --geo-asn ASN.mmdb --prom-instance ns1 -l 0.0.0.0 auto
        for Prometheus: scrape http://ns1:10853/metrics every minute; or counters that
        only grow, at any interval, from http://ns1:10853/metrics/counters
  visord --history /var/lib/visor/history eth0
        remember the last days, for /api/v1/policies/default/history?from=-1d
  visord --otel --otel-host collector.example.net --otel-protocol grpc eth0
        push every minute to OpenTelemetry
  visord --check /etc/visord.yaml
        check a configuration file, and list the policies that it would run
  visord mock
        a demonstration

Without --config, the variables of Orb's images name taps: PKTVISOR_PCAP,
PKTVISOR_PCAP_IFACE_DEFAULT, PKTVISOR_DNSTAP, PKTVISOR_NETFLOW, PKTVISOR_SFLOW.

Exit status: 0 ended by a signal or over HTTP, 1 failed or lost the last
periods of the history, 2 wrong usage or configuration.
`

// flags declares all options, which -h shows in this order and the configuration file may set.
func (o *options) flags() *pflag.FlagSet {
	fs := pflag.NewFlagSet("visord", pflag.ContinueOnError)
	fs.SortFlags = false
	o.policyFlags(fs)
	o.serverFlags(fs)
	o.databaseFlags(fs)
	o.pushFlags(fs)
	o.processFlags(fs)
	o.ignoredFlags(fs)
	fs.VisitAll(func(f *pflag.Flag) { f.Hidden = f.Usage == "" })
	return fs
}

func (o *options) policyFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.config, "config", "", "configuration `file`, YAML or JSON: taps, policies, options")
	fs.StringVar(&o.check, "check", "", "check a configuration `file`, list the policies that it would run, and exit")
	fs.BoolVar(&o.strict, "strict", false, "reject documents with warnings, and a configuration file with a policy that cannot start")
	fs.StringVarP(&o.bpf, "bpf", "b", "", "tcpdump `filter` of the default policy")
	fs.StringVarP(&o.hostSpec, "host-spec", "H", "", "your own networks for the default tap, comma separated `CIDRs`, to separate ingress from egress")
	fs.IntVar(&o.periods, "periods", 5, "default number of one-minute `periods` that policies keep, 1 to 10")
	fs.IntVar(&o.deepSample, "max-deep-sample", 100, "default `percent` of packets sampled for lists, cardinalities and times, 1 to 100")
}

// serverFlags declares the options of the API.
func (o *options) serverFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.memory, "memory-limit", "", "memory limit in `bytes`, such as 512M; the default is the cgroup's limit, or 512M. Policies that do not fit are rejected; 'off' disables the limit")
	fs.StringVarP(&o.host, "host", "l", "localhost", "`address` that the API is served on")
	o.port, o.otelPort = 10853, 4318
	fs.VarP(&o.port, "port", "p", "`port` of the API")
	fs.BoolVar(&o.adminAPI, "admin-api", false, "let clients of the API create and delete taps and policies, and stop visord")
	fs.BoolVar(&o.insecure, "insecure", false, "allow --admin-api on a network address without a token or client certificates")
	fs.StringVar(&o.apiFiles, "api-files", "", "`directory` in which taps created over the API may read files; without it they may read none")
	fs.StringSliceVar(&o.allowHosts, "allow-host", nil, "with --admin-api and no token: another host `name` that clients may use")
	fs.BoolVar(&o.tls, "tls", false, "serve HTTPS")
	fs.StringVar(&o.files.Cert, "tls-cert", "", "certificate `file`, PEM; read again when it changes")
	fs.StringVar(&o.files.Key, "tls-key", "", "key `file`, PEM")
	fs.StringVar(&o.files.ClientCA, "tls-client-ca", "", "require client certificates signed by an authority in this `file`, PEM")
	fs.StringVar(&o.tokenFile, "api-token-file", "", "require the bearer token in this `file`")
	fs.StringVar(&o.hashKey, "hash-key", "", "`file` with the key of the sketches' hash, 32 hexadecimal digits: the same on hosts whose summaries merge")
	fs.StringVar(&o.history, "history", "", "`directory` of the history of all policies; the default is below the state directory for a unit of systemd or with --daemon, and none otherwise")
	fs.BoolVar(&o.noHistory, "no-history", false, "keep no history")
	fs.StringVar(&o.historyMax, "history-limit", "2G", "maximum size of the history in `bytes`, such as 500M: beyond it the oldest minutes are deleted first, then hours, then days")
	fs.BoolVar(&o.pprof, "pprof", false, "serve Go's profiles at /debug/pprof/")
	fs.StringVar(&o.instance, "prom-instance", "", "`ID` for the label 'instance' of Prometheus series")
	fs.BoolVar(&o.sumIsMax, "prom-sum-is-max", false, "_sum of Prometheus' summaries is the greatest value, as in pktvisor, not the sum")
}

func (o *options) databaseFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.geoCity, "geo-city", "", "MaxMind city database `file`")
	fs.StringVar(&o.geoASN, "geo-asn", "", "MaxMind ASN database `file`")
	fs.StringVar(&o.defaultGeoCity, "default-geo-city", "", "`file` to use without --geo-city")
	fs.StringVar(&o.defaultGeoASN, "default-geo-asn", "", "`file` to use without --geo-asn")
	fs.IntVar(&o.geoCache, "geo-cache-size", 10000, "`addresses` cached per database; 0 disables the cache")
	fs.StringVar(&o.services, "iana-service-port-registry", "", "names of ports for flow policies: IANA's `file`, CSV")
	fs.StringVar(&o.defaultServices, "default-service-registry", "", "`file` to use without --iana-service-port-registry")
}

func (o *options) pushFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&o.otel, "otel", false, "push metrics to an OpenTelemetry receiver")
	fs.StringVar(&o.otelHost, "otel-host", "localhost", "`host` of the receiver")
	fs.Var(&o.otelPort, "otel-port", "its `port`; 4317 with --otel-protocol grpc")
	fs.StringVar(&o.otelPath, "otel-path", "/v1/metrics", "its `path`, with http")
	fs.StringVar(&o.otelProtocol, "otel-protocol", "http", "`http|grpc`")
	fs.StringVar(&o.otelMetrics, "otel-metrics", "pktvisor", "`pktvisor|cumulative|both`: pktvisor's metrics of each period; or totals since the start, as sums and exponential histograms")
	fs.IntVar(&o.otelInterval, "otel-interval", 60, "`seconds` between pushes; each pushes the periods that have closed since the last")
	fs.DurationVar(&o.otelDrain, "otel-drain", time.Second, "maximum `time` for the last push when visord ends")
	fs.BoolVar(&o.otelTLS, "otel-tls", false, "push over TLS")
	fs.StringVar(&o.otelCert, "otel-tls-cert", "", "client certificate `file`, PEM")
	fs.StringVar(&o.otelKey, "otel-tls-key", "", "key `file`, PEM")
}

func (o *options) processFlags(fs *pflag.FlagSet) {
	fs.BoolVarP(&o.daemon, "daemon", "d", false, "continue in the background once visord serves")
	fs.StringVar(&o.user, "user", "", "switch to this `user` once all taps and ports are open; later policies cannot open interfaces")
	fs.BoolVarP(&o.verbose, "verbose", "v", false, "log more")
	fs.StringVar(&o.logFile, "log-file", "", "log to this `file`")
	fs.BoolVar(&o.syslog, "syslog", false, "log to syslog")
	fs.BoolVar(&o.moduleList, "module-list", false, "list inputs and handlers, and exit")
	fs.BoolVar(&o.version, "version", false, "print the version, and exit")
	fs.DurationVar(&o.period, "period", 0, "") // hidden: short periods, for tests
}

// ignoredFlags declares options of pktvisord without a meaning here. visor does not load modules,
// and does not report crashes or usage. It always serves Prometheus.
func (o *options) ignoredFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.crash[0], "cp-token", "", "")
	fs.StringVar(&o.crash[1], "cp-url", "", "")
	fs.StringVar(&o.crash[2], "cp-path", "", "")
	fs.String("cp-custom", "", "")
	fs.String("module-dir", "", "")
	fs.Bool("cp-disable", false, "")
	fs.Bool("no-track", false, "")
	fs.Bool("prometheus", false, "")
}

// parseOptions parses the command line and the configuration file. With -h it writes the manual to
// stdout and returns pflag.ErrHelp.
func parseOptions(args []string, stdout io.Writer) (options, error) {
	o := options{doc: &policy.Document{}}
	if len(args) > 0 { // pktvisor's image expects the name of a program first
		switch args[0] {
		case "pktvisord":
			args = args[1:]
		case "pktvisor-reader", "pktvisor-pcap":
			return o, fmt.Errorf("%s: run the program visor-reader, which is separate", args[0])
		case "pktvisor-cli", "pktvisor":
			return o, fmt.Errorf("%s: run the program visor-cli, which is separate", args[0])
		}
	}
	fs := o.flags()
	fs.Usage = func() { fmt.Fprintf(stdout, manual, fs.FlagUsagesWrapped(88)) }
	args, err := whole(args, fs)
	if err == nil {
		err = fs.Parse(args)
	}
	if err != nil {
		return o, err
	}
	if o.version || o.moduleList {
		return o, nil
	}
	if fs.NArg() > 1 {
		return o, fmt.Errorf("one IFACE at most, not %q", fs.Args())
	}
	o.iface = fs.Arg(0)
	if o.check != "" {
		o.config = o.check
	}
	if err := o.configure(fs); err != nil {
		o.badConfig = true
		return o, err
	}
	if o.otelProtocol == "grpc" && !fs.Changed("otel-port") {
		o.otelPort = 4317
	}
	o.clamp()
	o.warnIdle(fs)
	return o, errors.Join(absolute(&o.config), absolute(&o.logFile), absolute(&o.apiFiles), absolute(&o.history), o.validate())
}

// configure reads the configuration file, or the environment without one.
func (o *options) configure(fs *pflag.FlagSet) (err error) {
	if o.config == "" {
		o.doc.Taps = tapsOfEnvironment(os.Getenv)
		return nil
	}
	if o.doc, err = readConfig(o.config); o.doc == nil {
		return err
	}
	o.configKeys = configKeys(fs)
	if configErr := o.take(fs); err == nil {
		err = policy.InFile(configErr, o.config)
	}
	for _, w := range o.warningsOf(o.doc) {
		named := policy.InFile(w, o.config)
		o.warnings = append(o.warnings, named.Error())
		if err == nil && o.strict {
			err = named
		}
	}
	return err
}

// clamp clamps numbers to their ranges, as pktvisord does.
func (o *options) clamp() {
	for _, n := range []struct {
		name  string
		value *int
		most  int
	}{{"periods", &o.periods, 10}, {"max-deep-sample", &o.deepSample, 100}} {
		if given := *n.value; given < 1 || given > n.most {
			*n.value = min(max(given, 1), n.most)
			o.warnings = append(o.warnings, fmt.Sprintf("--%s %d: must be from 1 to %d; %d is used", n.name, given, n.most, *n.value))
		}
	}
}

// warnIdle warns of options that have no effect. pktvisord accepts them in silence.
func (o *options) warnIdle(fs *pflag.FlagSet) {
	fs.Visit(func(f *pflag.Flag) {
		if why := o.idle(f.Name); why != "" {
			o.warnings = append(o.warnings, fmt.Sprintf("--%s has no effect %s", f.Name, why))
		}
	})
}

// idle returns why a given option has no effect, or "".
func (o *options) idle(name string) string {
	switch {
	case strings.HasPrefix(name, "tls-") && !o.tls:
		return "without --tls"
	case strings.HasPrefix(name, "otel-") && !o.otel:
		return "without --otel"
	case strings.HasPrefix(name, "otel-tls-") && !o.otelTLS:
		return "without --otel-tls: metrics are not encrypted"
	case (name == "bpf" || name == "host-spec") && o.iface == "":
		return "without IFACE: it is of the default policy; taps have the keys bpf and host_spec"
	case name == "syslog" && o.syslog && o.logFile != "":
		return "beside --log-file"
	case name == "module-dir":
		return "here: all modules are built in"
	case name == "cp-token":
		return "here: crashes are not reported, they are in the log"
	}
	return ""
}

// portNumber is the number of a port, or 0 for any.
type portNumber uint16

func (p *portNumber) String() string { return strconv.Itoa(int(*p)) }

func (p *portNumber) Type() string { return "port" }

func (p *portNumber) Set(text string) error {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return errors.New("a port is a number from 0 to 65535")
	}
	*p = portNumber(n)
	return nil
}

// absolute makes a path independent of the working directory, which a daemon leaves.
func absolute(path *string) (err error) {
	if *path != "" {
		*path, err = filepath.Abs(*path)
	}
	return err
}

// whole completes abbreviated long options that have one completion. pktvisord accepts them.
func whole(args []string, fs *pflag.FlagSet) ([]string, error) {
	out := slices.Clone(args)
	for i, arg := range out {
		if arg == "--" {
			break
		}
		name, _, _ := strings.Cut(arg, "=")
		prefix, long := strings.CutPrefix(name, "--")
		if !long || fs.Lookup(prefix) != nil || prefix == "help" {
			continue
		}
		var found []string
		fs.VisitAll(func(f *pflag.Flag) {
			if strings.HasPrefix(f.Name, prefix) {
				found = append(found, f.Name)
			}
		})
		switch len(found) {
		case 0: // the parser refuses it
		case 1:
			out[i] = "--" + found[0] + strings.TrimPrefix(arg, name)
		default:
			return nil, fmt.Errorf("%s may be --%s", name, strings.Join(found, " or --"))
		}
	}
	return out, nil
}

// readConfig reads a configuration file. On error it returns the part that was read, for its
// warnings, or nil if the file cannot be read.
func readConfig(path string) (*policy.Document, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	doc, err := builtin.Catalog().Parse(data)
	return doc, policy.InFile(err, path)
}

// configKeys returns the options that a configuration file may have, as its keys.
func configKeys(fs *pflag.FlagSet) (known []string) {
	fs.VisitAll(func(f *pflag.Flag) {
		if !slices.Contains([]string{"config", "check", "bpf", "host-spec", "version"}, f.Name) {
			known = append(known, strings.ReplaceAll(f.Name, "-", "_"))
		}
	})
	return known
}

// take sets the options that the command line does not set.
func (o *options) take(fs *pflag.FlagSet) error {
	for _, key := range slices.Sorted(maps.Keys(o.doc.Config)) {
		f := fs.Lookup(strings.ReplaceAll(key, "_", "-"))
		if !slices.Contains(o.configKeys, key) || f.Changed {
			continue
		}
		if err := fs.Set(f.Name, fmt.Sprint(o.doc.Config[key])); err != nil {
			return fmt.Errorf("visor.config: %s: %w", key, err)
		}
	}
	return nil
}

// warningsOf returns the warnings about a configuration file, unknown options included.
func (o *options) warningsOf(doc *policy.Document) []*policy.Error {
	out := slices.Clone(doc.Warnings)
	for _, key := range slices.Sorted(maps.Keys(doc.Config)) {
		if !slices.Contains(o.configKeys, key) {
			out = append(out, doc.UnknownConfig(key, o.configKeys))
		}
	}
	return out
}

// validate checks the options and their combinations.
func (o *options) validate() error {
	_, hostErr := builtin.ParseNetworks(o.hostSpec)
	_, memoryErr := memoryLimit(o.memory, os.DirFS("/"))
	_, historyErr := parseBytes(o.historyMax)
	_, formKnown := otelForms[o.otelMetrics]
	crash := o.crash[:]
	switch {
	case memoryErr != nil:
		return memoryErr
	case historyErr != nil:
		return fmt.Errorf("--history-limit %s: %w", o.historyMax, historyErr)
	case o.noHistory && o.history != "":
		return errors.New("--history and --no-history exclude each other")
	case hostErr != nil:
		return fmt.Errorf("-H %s: %w", o.hostSpec, hostErr)
	case o.tls && (o.files.Key == "" || o.files.Cert == ""):
		return errors.New("you must specify --tls-key and --tls-cert to use --tls")
	case !o.tls && o.files.ClientCA != "":
		return errors.New("--tls-client-ca needs --tls")
	case o.otelTLS && (o.otelKey == "") != (o.otelCert == ""):
		return errors.New("--otel-tls-key and --otel-tls-cert go together")
	case o.otelProtocol != "http" && o.otelProtocol != "grpc":
		return fmt.Errorf("--otel-protocol %s: must be http or grpc", o.otelProtocol)
	case !formKnown:
		return fmt.Errorf("--otel-metrics %s: must be pktvisor, cumulative or both", o.otelMetrics)
	case o.otelInterval < 1 || time.Duration(o.otelInterval)*time.Second > time.Hour:
		return fmt.Errorf("--otel-interval %d: must be from 1 to 3600 seconds", o.otelInterval)
	case o.geoCache < 0:
		return fmt.Errorf("--geo-cache-size %d: must not be negative", o.geoCache)
	case slices.Contains(crash, "") && slices.ContainsFunc(crash, func(s string) bool { return s != "" }):
		return errors.New("missing information to setup crashpad")
	case o.adminAPI && !o.insecure && !o.guarded():
		return fmt.Errorf("--admin-api on %s lets every client that reaches that address change policies: "+
			"add --api-token-file or --tls-client-ca, or --insecure to allow it", cmp.Or(o.host, "all addresses"))
	case o.iface == "" && !o.adminAPI && len(o.doc.Policies) == 0 && o.check == "":
		//lint:ignore ST1005 it is pktvisor's text
		return errors.New("Nothing to do: specify --admin-api or IFACE.")
	}
	return nil
}

// guarded reports whether clients of the API must authenticate or be on this machine.
func (o *options) guarded() bool {
	return o.local() || o.tokenFile != "" || o.files.ClientCA != ""
}

// local reports whether the API is only served to this machine.
func (o *options) local() bool {
	addr, err := netip.ParseAddr(o.host)
	return o.host == "localhost" || err == nil && addr.IsLoopback()
}

// version returns the version from the Go toolchain.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return "(unknown)"
}

// apiVersion returns the version shown by the API. pktvisor's clients require the major version 4.
// It is SemVer, whose metadata allows few characters.
func apiVersion() string {
	return "4.5.0+visor." + strings.Trim(notSemVer.ReplaceAllString(version(), "."), ".")
}

var notSemVer = regexp.MustCompile(`[^0-9A-Za-z-]+`)

func listModules(w io.Writer) {
	types := builtin.Catalog()
	for _, typ := range types.InputTypes() {
		fmt.Fprintf(w, "input: %s version 1.0\n", typ)
	}
	var lines []string
	for _, kind := range types.Handlers {
		lines = append(lines, fmt.Sprintf("handler: %s version %s\n", kind.Type, kind.Version))
	}
	slices.Sort(lines)
	fmt.Fprint(w, strings.Join(lines, ""))
}
