package builtin

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"visor/capture/probe"
	"visor/decode/dnsmsg"
	"visor/handler/options"
	"visor/handler/policy"
)

// netprobeConfig is the configuration of an input of type "netprobe". The keys transport and port
// are additions to pktvisor.
type netprobeConfig struct {
	Test           string                    `policy:"test_type" values:"ping tcp http doh dns" help:"how targets are tested"`
	Interval       uint64                    `policy:"interval_msec" help:"time between two tests of a target; 5000 by default"`
	Timeout        uint64                    `policy:"timeout_msec" help:"time for a test, at most interval_msec; 2000 by default"`
	Packets        uint64                    `policy:"packets_per_test" help:"echo requests per test; 1 by default"`
	PacketInterval uint64                    `policy:"packets_interval_msec" help:"time between these; 25 by default"`
	Payload        uint64                    `policy:"packet_payload_size" help:"bytes of an echo request, at most 65500; 48 by default"`
	Targets        map[string]probeTarget    `policy:"targets" help:"what is tested, by name"`
	Method         string                    `policy:"http_method" help:"method of http, or of doh: GET or POST"`
	QName          string                    `policy:"qname" help:"name to ask for in doh and dns"`
	QType          dnsmsg.Type               `policy:"qtype" type:"text" help:"type to ask for; A by default"`
	Expected       []probe.Statuses          `policy:"expected_status" help:"codes of success, as 204, 2xx or 200-299; http"`
	Failure        []probe.Statuses          `policy:"failure_status" help:"codes of failure, as 204, 2xx or 200-299; http"`
	Contains       string                    `policy:"expected_body" help:"text that the body must have; http"`
	Matches        *regexp.Regexp            `policy:"expected_body_regex" type:"text" help:"regular expression that the body must match; http"`
	Body           string                    `policy:"body" help:"body to send with POST, PUT or PATCH; http"`
	MaxBody        int                       `policy:"body_check_max_bytes" range:"0-1073741824,cut" help:"bytes of the body that are checked; http"`
	Proxy          string                    `policy:"proxy" help:"URL of a proxy; http and doh"`
	TLS            tlsOptions                `policy:"tls" help:"http, doh, and dns over TLS"`
	JSON           *probe.JSONCheck          `policy:"json_path" type:"text" help:"JSON Pointer (RFC 6901) to a value that the body must have; http"`
	Equals         *string                   `policy:"json_equals" type:"text, number or flag" help:"what the value at json_path must be; http"`
	NotContains    string                    `policy:"not_contains" help:"text that the body must lack; http"`
	NotMatches     *regexp.Regexp            `policy:"body_not_matches_regex" type:"text" help:"regular expression that the body must not match; http"`
	MinSize        uint64                    `policy:"min_response_size_bytes" help:"least size of a body; http"`
	MaxSize        uint64                    `policy:"max_response_size_bytes" help:"greatest size of a body; http"`
	NotHeaders     map[string]*regexp.Regexp `policy:"fail_if_header_matches" help:"regular expressions by header; http"`
	Headers        map[string]*regexp.Regexp `policy:"fail_if_header_not_matches" help:"regular expressions by header; http"`
	MaxAge         time.Duration             `policy:"max_last_modified_diff_secs" help:"greatest age by the header Last-Modified; http"`
	HTTPVersions   []string                  `policy:"valid_http_versions" help:"1.0, 1.1, 2 or 3; http"`
	Transport      probe.Transport           `policy:"transport" type:"text" values:"udp tcp dot" help:"how dns asks; udp by default"`
	Port           uint16                    `policy:"port" range:"0-65535,cut" help:"port of dns targets without one"`
}

// probeTarget is one of the targets.
type probeTarget struct {
	Host    string        `policy:"target" help:"address or name; of http and doh a URL"`
	Port    uint16        `policy:"port" range:"0-65535,cut" help:"port of tcp and dns"`
	Version int           `policy:"ip_version" range:"0-99,cut" help:"4 or 6; any by default"`
	Headers options.Table `policy:"headers" help:"headers to send; http"`
	Resolve []string      `policy:"resolve" help:"host:port:address: where connections to a host go instead; http and doh"`
}

// tlsOptions are the options of TLS.
type tlsOptions struct {
	NoVerify bool   `policy:"!verify" help:"false accepts any certificate"`
	CA       string `policy:"ca_file" help:"PEM file of authorities"`
	Cert     string `policy:"cert_file" help:"PEM file of the client's certificate"`
	Key      string `policy:"key_file" help:"PEM file of its key"`
}

func netprobeInput(live opener[netprobeConfig]) policy.InputType {
	t := policy.DeclareInput("netprobe", []string{"netprobe"}, func(c netprobeConfig, env policy.InputEnv) (policy.Opened, error) {
		return live(&c, env)
	})
	t.FilterKeys, t.Redact = nil, redact
	t.Words = options.Dialect{
		Readers: map[string]options.Reader{
			"test_type": text, "qtype": queryType, "expected_status": statuses("expected_status"), "failure_status": statuses("failure_status"),
			"expected_body_regex": expression("expected_body_regex"), "body_not_matches_regex": expression("body_not_matches_regex"),
			"json_path": jsonPath, "json_equals": jsonValue, "valid_http_versions": httpVersions, "transport": transport,
			"fail_if_header_matches": headerRules, "fail_if_header_not_matches": headerRules,
		},
	}
	return t
}

func (c *netprobeConfig) probe(policy.InputEnv) (policy.Opened, error) {
	cfg := c.config()
	var err error
	if cfg.TLS, err = c.TLS.read(); err != nil {
		return policy.Opened{}, err
	}
	src, err := probe.New(cfg)
	if err != nil {
		return policy.Opened{}, err
	}
	o := policy.NewOpened(src)
	o.Facts = policy.Options{"current_targets_total": uint64(len(cfg.Targets))}
	if cfg.Test == probe.Ping {
		o.Facts["ping_sockets"] = uint64(src.Sockets())
	}
	return o, nil
}

// testOf returns the test with a name. udp is accepted here and refused later, as in pktvisor.
func testOf(name string) (probe.Test, bool) {
	tests := map[string]probe.Test{"ping": probe.Ping, "tcp": probe.Connect, "http": probe.HTTP, "doh": probe.DoH, "dns": probe.DNS, "udp": probe.Connect}
	t, ok := tests[name]
	return t, ok
}

// config returns the configuration of the probes, without TLS.
func (c *netprobeConfig) config() probe.Config {
	test, _ := testOf(c.Test) // Check has found it
	cfg := probe.Config{
		Test: test, Targets: c.targets(),
		Interval: millis(c.Interval), Timeout: millis(c.Timeout),
		Packets: int(c.Packets), PacketInterval: millis(c.PacketInterval), Payload: int(c.Payload),
		Request: probe.Request{Method: c.Method, Body: c.Body, Proxy: c.Proxy},
		Checks: probe.Checks{
			Expected: c.Expected, Failure: c.Failure,
			Contains: c.Contains, NotContains: c.NotContains, Matches: c.Matches, NotMatches: c.NotMatches,
			JSON: c.JSON, NotHeaders: c.NotHeaders, Headers: c.Headers, MaxAge: c.MaxAge, HTTPVersions: c.HTTPVersions, MaxBody: c.MaxBody,
		},
	}
	if c.Timeout == 0 && c.asks() {
		cfg.Timeout = -1
	}
	if c.asksDNS() {
		cfg.Query = probe.Query{Name: c.name(), Type: c.QType, Transport: c.Transport}
	}
	if c.MinSize > 0 || c.MaxSize < math.MaxUint64 {
		cfg.Checks.Sizes = &probe.Sizes{Min: c.MinSize, Max: c.MaxSize}
	}
	return cfg
}

func millis(n uint64) time.Duration { return time.Duration(n) * time.Millisecond }

// asks reports whether a test is a request, for which a timeout of 0 means unlimited.
func (c *netprobeConfig) asks() bool { return c.isWeb() || c.Test == "dns" }

func (c *netprobeConfig) isWeb() bool { return c.Test == "http" || c.Test == "doh" }

func (c *netprobeConfig) asksDNS() bool { return c.Test == "doh" || c.Test == "dns" }

// name returns the QNAME without the dot at its end.
func (c *netprobeConfig) name() string {
	if c.QName == "." {
		return "."
	}
	return strings.TrimSuffix(c.QName, ".")
}

// targets returns the targets sorted by name.
func (c *netprobeConfig) targets() (out []probe.Target) {
	for _, name := range slices.Sorted(maps.Keys(c.Targets)) {
		t := c.Targets[name]
		to := probe.Target{Name: name, Host: t.Host, Port: t.Port, Version: t.Version, Headers: headerTexts(t.Headers)}
		if c.Test == "dns" && to.Port == 0 {
			to.Port = c.Port
		}
		for _, text := range t.Resolve {
			parts := strings.SplitN(text, ":", 3) // Check has found all three
			to.Routes = append(to.Routes, probe.Route{Host: parts[0], Port: parts[1], Address: parts[2]})
		}
		out = append(out, to)
	}
	return out
}

func headerTexts(headers options.Table) map[string]string {
	if len(headers) == 0 {
		return nil
	}
	out := make(map[string]string, len(headers))
	for name, value := range headers {
		out[name] = fmt.Sprint(value)
	}
	return out
}
