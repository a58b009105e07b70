package policy

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"visor/decode/dnsmsg"
	"visor/decode/dnstapmsg"
	"visor/geo"
	"visor/handler"
	"visor/handler/bgp"
	"visor/handler/dhcp"
	"visor/handler/dns"
	"visor/handler/flow"
	"visor/handler/netprobe"
	"visor/handler/network"
	"visor/handler/pcap"
	"visor/handler/resources"
)

// Module is one entry of a policy's handlers.
type Module struct {
	Name    string   // instance name; "" means the type
	Type    string   // "net", "dns", "pcap", …
	Version string   // require_version; "" means "1.0"
	Config  Options  // config, with the policy's window_config laid over it
	Filter  Options  // filter: wins over Config for the same key
	Enable  []string // metric_groups.enable
	Disable []string // metric_groups.disable
}

// Env is what modules may need of their surroundings.
type Env struct {
	Geo      *geo.DB        // nil without databases; the caller keeps ownership
	Services *flow.Services // names of ports; nil shows numbers

	FlowBytes int // that each flow module may hold; 0 is the default of [flow.Config]
}

// Kind names a handler type in a version.
type Kind struct{ Type, Version string }

// Builder makes a handler of one kind.
type Builder func(s handler.Settings, r *Reader, env Env) (handler.Handler, error)

// Builtin returns the builders of visor's own handlers. The map is the caller's.
func Builtin() map[Kind]Builder {
	return map[Kind]Builder{
		{"net", "1.0"}:  buildNetwork,
		{"net", "2.0"}:  buildNetworkByDirection,
		{"dns", "1.0"}:  buildDNS,
		{"dns", "2.0"}:  buildDNSTransactions,
		{"dhcp", "1.0"}: buildDHCP,
		{"bgp", "1.0"}:  buildBGP,
		{"flow", "1.0"}: buildFlow,
		{"pcap", "1.0"}: buildPcap,

		{"netprobe", "1.0"}:        buildNetprobe,
		{"input_resources", "1.0"}: buildResources,
	}
}

// tapKey is the key of a module's table under which the name of its tap stands; it is no key of any handler.
const tapKey = "_internal_tap_name"

// Build makes the handler that m describes, of the types in [Builtin].
func Build(m Module, env Env) (handler.Handler, error) {
	if m.Version == "" {
		m.Version = "1.0"
	}
	build, ok := Builtin()[Kind{m.Type, m.Version}]
	if !ok {
		return nil, fmt.Errorf("requires stream handler type '%s' and version '%s' which is not available", m.Type, m.Version)
	}
	opts := maps.Clone(m.Config)
	if opts == nil {
		opts = Options{}
	}
	maps.Copy(opts, m.Filter)
	s := handler.Settings{Name: m.Name, Enable: m.Enable, Disable: m.Disable}
	s.Tap, _ = opts[tapKey].(string)
	delete(opts, tapKey)
	return build(s, &Reader{opts: opts}, env)
}

// common reads the keys that every handler has. They come last in the list of known keys.
func common(s *handler.Settings, r *Reader) error {
	s.DeepSample = r.percent("deep_sample_rate")
	s.Periods = r.percent("num_periods")
	s.TopN = r.Int("topn_count", math.MaxInt32)
	if s.TopPercentile = r.Int("topn_percentile_threshold", math.MaxInt32); s.TopPercentile > 100 {
		r.fail("threshold must be between 0 and 100 but has value %f", float64(s.TopPercentile)/100)
	}
	return r.finish()
}

func buildNetwork(s handler.Settings, r *Reader, env Env) (handler.Handler, error) {
	cfg, err := networkConfig(s, r, env)
	if err != nil {
		return nil, err
	}
	return network.New(cfg)
}

func buildNetworkByDirection(s handler.Settings, r *Reader, env Env) (handler.Handler, error) {
	cfg, err := networkConfig(s, r, env)
	if err != nil {
		return nil, err
	}
	return network.NewByDirection(cfg)
}

func networkConfig(s handler.Settings, r *Reader, env Env) (network.Config, error) {
	cfg := network.Config{
		Geo:         env.Geo,
		GeoNotFound: r.Flag("geoloc_notfound"),
		ASNNotFound: r.Flag("asn_notfound"),
		GeoPrefixes: r.List("only_geoloc_prefix"),
		ASNs:        r.List("only_asn_number"),
	}
	r.look("recorded_stream") // whether a stream is recorded is known to the pipeline
	err := common(&s, r)
	cfg.Settings = s
	return cfg, err
}

func buildPcap(s handler.Settings, r *Reader, _ Env) (handler.Handler, error) {
	r.look("recorded_stream")
	if err := common(&s, r); err != nil {
		return nil, err
	}
	return pcap.New(pcap.Config{Settings: s})
}

func buildBGP(s handler.Settings, r *Reader, _ Env) (handler.Handler, error) {
	r.look("recorded_stream")
	if err := common(&s, r); err != nil {
		return nil, err
	}
	return bgp.New(bgp.Config{Settings: s})
}

func buildNetprobe(s handler.Settings, r *Reader, _ Env) (handler.Handler, error) {
	r.look("recorded_stream")
	cfg := netprobe.Config{Timeout: timeout(r)}
	if err := common(&s, r); err != nil {
		return nil, err
	}
	cfg.Settings = s
	return netprobe.New(cfg)
}

// buildResources takes any key, as the reference does.
func buildResources(s handler.Settings, r *Reader, _ Env) (handler.Handler, error) {
	for key := range r.opts {
		r.look(key)
	}
	if err := common(&s, r); err != nil {
		return nil, err
	}
	return resources.New(resources.Config{Settings: s})
}

func buildDHCP(s handler.Settings, r *Reader, _ Env) (handler.Handler, error) {
	r.look("recorded_stream")
	cfg := dhcp.Config{Timeout: timeout(r)}
	if err := common(&s, r); err != nil {
		return nil, err
	}
	cfg.Settings = s
	cfg.TopN, cfg.TopPercentile = 0, 0 // as in the reference, which takes these keys for what other handlers need
	return dhcp.New(cfg)
}

// timeout reads how long transactions stay open; 0 if that is not said.
func timeout(r *Reader) time.Duration {
	seconds := r.Int("xact_ttl_secs", math.MaxInt32)
	if ms := r.Int("xact_ttl_ms", math.MaxInt32); ms != 0 {
		return time.Duration(ms) * time.Millisecond
	}
	return time.Duration(seconds) * time.Second
}

func buildDNS(s handler.Settings, r *Reader, env Env) (handler.Handler, error) {
	cfg, err := dnsConfig(s, r, env, func(cfg *dns.Config) {
		cfg.OnlyQueries, cfg.OnlyReplies = r.Flag("only_queries"), r.Flag("only_responses")
	})
	if err != nil {
		return nil, err
	}
	return dns.New(cfg)
}

func buildDNSTransactions(s handler.Settings, r *Reader, env Env) (handler.Handler, error) {
	cfg, err := dnsConfig(s, r, env, func(*dns.Config) {})
	if err != nil {
		return nil, err
	}
	return dns.NewTransactions(cfg)
}

// dnsConfig reads the keys of both versions, and more where those of one version stand in the list of known keys.
func dnsConfig(s handler.Settings, r *Reader, env Env, more func(*dns.Config)) (dns.Config, error) {
	cfg := dns.Config{Geo: env.Geo, ExcludeNoError: r.Flag("exclude_noerror"), OnlyRCodes: rcodes(r)}
	more(&cfg)
	cfg.OnlySignedReplies = r.Flag("only_dnssec_response")
	cfg.AnswerCount = answerCount(r)
	cfg.OnlyQTypes = qtypes(r)
	cfg.OnlyQNames = r.List("only_qname")
	cfg.OnlySuffixes = r.List("only_qname_suffix")
	cfg.GeoNotFound = r.Flag("geoloc_notfound")
	cfg.ASNNotFound = r.Flag("asn_notfound")
	cfg.OnlyTapped = dnstapType(r)
	cfg.PublicSuffix = r.Flag("public_suffix_list")
	r.look("recorded_stream")
	cfg.Timeout = timeout(r)
	err := common(&s, r)
	cfg.Settings = s
	return cfg, err
}

func rcodes(r *Reader) []dnsmsg.RCode {
	v, ok := r.look("only_rcode")
	if !ok {
		return nil
	}
	switch v := v.(type) {
	case uint64:
		code, ok := dnsmsg.ParseRCode(fmt.Sprint(v))
		if !ok {
			r.fail("DnsStreamHandler: only_rcode filter contained an invalid/unsupported rcode")
		}
		return []dnsmsg.RCode{code}
	case []string:
		return parseAll(r, v, dnsmsg.ParseRCode, "DnsStreamHandler: only_rcode filter contained an invalid/unsupported rcode")
	}
	r.fail("DnsStreamHandler: wrong value type for only_rcode filter. It should be an integer or an array")
	return nil
}

func qtypes(r *Reader) []dnsmsg.Type {
	return parseAll(r, r.List("only_qtype"), dnsmsg.ParseType, "DnsStreamHandler: only_qtype filter contained an invalid/unsupported qtype")
}

func parseAll[T any](r *Reader, texts []string, parse func(string) (T, bool), complaint string) []T {
	var out []T
	for _, text := range texts {
		t, ok := parse(text)
		if !ok {
			r.fail("%s: %s", complaint, text)
			return nil
		}
		out = append(out, t)
	}
	return out
}

func answerCount(r *Reader) *uint16 {
	v, ok := r.look("answer_count")
	if !ok {
		return nil
	}
	n, ok := v.(uint64)
	if !ok || n > math.MaxUint16 {
		r.fail("DnsStreamHandler: wrong value type for answer_count filter. It should be an integer")
		return nil
	}
	count := uint16(n)
	return &count
}

// dnstapType reads a filter that concerns dnstap messages alone: packets pass it.
func dnstapType(r *Reader) dnstapmsg.Type {
	name := r.Text("dnstap_msg_type")
	if name == "" {
		return 0
	}
	var valid []string
	for t := dnstapmsg.AuthQuery; t <= dnstapmsg.UpdateQuery; t += 2 {
		if t.String() == name {
			return t
		}
		valid = append(valid, t.String())
	}
	slices.Sort(valid)
	r.fail("DnsStreamHandler: dnstap_msg_type contained an invalid/unsupported type. Valid types: %s", strings.Join(valid, ", "))
	return 0
}
