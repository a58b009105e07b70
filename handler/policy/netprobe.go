package policy

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
	"visor/handler/options"

	"visor/capture/probe"
)

// ParseProbeInput parses the configuration of an input of type "netprobe" and reads the files that
// it names. Of several problems, it returns the one that pktvisor reports.
func ParseProbeInput(opts Options) (probe.Config, error) {
	cfg, err := readProbeInput(opts)
	if err != nil {
		return cfg, err
	}
	cfg.TLS, err = probeTLS(value[Options](&Reader{opts: opts}, "tls"))
	return cfg, err
}

// readProbeInput is ParseProbeInput without the files.
func readProbeInput(opts Options) (probe.Config, error) {
	p := &probeInput{Reader: Reader{opts: opts}}
	for _, step := range []func(){
		p.keys, p.test, p.times, p.method, p.statuses, p.bodies, p.answers, p.targets, p.query, p.unfit, p.body, p.tls, p.proxy,
	} {
		if step(); p.err != nil {
			return p.cfg, p.err
		}
	}
	return p.cfg, nil
}

// probeInput reads the configuration of probes, key by key in pktvisor's order.
type probeInput struct {
	Reader
	cfg probe.Config
	typ string
}

// keys reports unknown keys. The last two are additions to pktvisor.
func (p *probeInput) keys() {
	p.known = []string{
		"test_type", "interval_msec", "timeout_msec", "packets_per_test", "packets_interval_msec", "packet_payload_size", "targets", "http_method",
		"qname", "qtype", "expected_status", "failure_status", "expected_body", "expected_body_regex", "body", "body_check_max_bytes", "proxy", "tls",
		"json_path", "json_equals", "not_contains", "body_not_matches_regex", "min_response_size_bytes", "max_response_size_bytes",
		"fail_if_header_matches", "fail_if_header_not_matches", "max_last_modified_diff_secs", "valid_http_versions", "transport", "port",
	}
	p.err = p.finish()
}

// wrong reports the invalid value of a key.
func (p *probeInput) wrong(key, format string, args ...any) {
	if p.err == nil {
		p.err = &options.Problem{Key: key, Err: fmt.Errorf(format, args...)}
	}
}

// missing reports keys that are missing everywhere: a tap may leave them to the policy.
func (p *probeInput) missing(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

func (p *probeInput) has(key string) bool { _, ok := p.opts[key]; return ok }

const validTests = "The valid test types are: dns, doh, http, ping, tcp, udp"

func (p *probeInput) test() {
	if !p.has("test_type") {
		p.missing("'test_type' config not specified. %s", validTests)
		return
	}
	p.typ = fmt.Sprint(p.opts["test_type"])
	tests := map[string]probe.Test{"ping": probe.Ping, "tcp": probe.Connect, "http": probe.HTTP, "doh": probe.DoH, "dns": probe.DNS, "udp": probe.Connect}
	var ok bool
	if p.cfg.Test, ok = tests[p.typ]; !ok {
		p.wrong("test_type", "%s is an invalid/unsupported test type. %s", p.typ, validTests)
	}
}

// number returns the number at key, or usual if it is missing.
func (p *probeInput) number(key string, usual uint64) uint64 {
	if !p.has(key) {
		return usual
	}
	return min(value[uint64](&p.Reader, key), 1<<40)
}

func (p *probeInput) times() {
	const maxPayload = 65500
	interval, timeout := p.number("interval_msec", 5000), p.number("timeout_msec", 2000)
	packets, pause, payload := p.number("packets_per_test", 1), p.number("packets_interval_msec", 25), p.number("packet_payload_size", 48)
	switch {
	case timeout > interval:
		p.wrong("timeout_msec", "timeout_msec [%d] cannot be greater than interval_msec [%d]", timeout, interval)
	case packets == 0:
		p.wrong("packets_per_test", "packets_per_test needs to be greater than 0")
	case packets*pause > interval || packets > interval && pause > 0: // the product may overflow
		p.wrong("packets_per_test", "packets_per_test [%d] times packets_interval_msec [%d] cannot be greater than packets_interval_msec [%d]", packets, pause, interval)
	case payload > maxPayload:
		p.wrong("packet_payload_size", "packet_payload_size was set to %d but max supported size is %d", payload, maxPayload)
	}
	p.cfg.Interval, p.cfg.Timeout = millis(interval), millis(timeout)
	if timeout == 0 && p.asks() {
		p.cfg.Timeout = -1
	}
	p.cfg.Packets, p.cfg.PacketInterval, p.cfg.Payload = int(packets), millis(pause), int(payload)
}

func millis(n uint64) time.Duration { return time.Duration(n) * time.Millisecond }

// asks reports whether a test is a request, for which a timeout of 0 means unlimited.
func (p *probeInput) asks() bool { return p.typ == "http" || p.typ == "doh" || p.typ == "dns" }

func (p *probeInput) method() {
	p.cfg.Request.Method = p.Text("http_method")
	if method := p.cfg.Request.Method; p.typ == "doh" && p.has("http_method") && method != "GET" && method != "POST" {
		p.wrong("http_method", "unsupported http_method '%s' for doh (use GET or POST)", method)
	}
}

func (p *probeInput) targets() {
	targets := value[Options](&p.Reader, "targets")
	if len(targets) == 0 {
		p.missing("no targets specified")
		return
	}
	for _, name := range slices.Sorted(maps.Keys(targets)) {
		entry, _ := targets[name].(Options)
		t, err := p.target(name, entry)
		if err != nil {
			p.wrong("targets", "%w", err)
			return
		}
		p.cfg.Targets = append(p.cfg.Targets, t)
	}
	if p.typ == "udp" {
		p.wrong("test_type", "Test type currently not supported")
	}
}

func (p *probeInput) target(name string, opts Options) (probe.Target, error) {
	r := &Reader{opts: opts}
	t := probe.Target{Name: name, Host: r.Text("target"), Port: uint16(r.Int("port", 0xFFFF)), Version: r.Int("ip_version", 99)}
	_, hasVersion := opts["ip_version"]
	switch {
	case r.err != nil:
		return t, r.err
	case t.Host == "":
		return t, fmt.Errorf("'%s' does not have key 'target' which is required", name)
	case p.typ == "tcp" && t.Port == 0:
		return t, fmt.Errorf("'%s' does not have key 'port' which is required", name)
	case hasVersion && t.Version != 4 && t.Version != 6:
		return t, errors.New("ip_version must be 4 or 6")
	case p.typ == "http" || p.typ == "doh":
		return t, p.webTarget(&t, r)
	case p.typ == "dns":
		if _, has := opts["headers"]; has {
			return t, errors.New("per-target 'headers' is not supported for test_type 'dns'")
		}
	}
	return t, hostTarget(&t)
}

// hostTarget checks a target that is an address or a name.
func hostTarget(t *probe.Target) error {
	addr, err := netip.ParseAddr(t.Host)
	switch {
	case err == nil && addr.Is4() && t.Version == 6:
		return fmt.Errorf("target %s is IPv4 but ip_version is set to 6", t.Host)
	case err == nil && addr.Is6() && t.Version == 4:
		return fmt.Errorf("target %s is IPv6 but ip_version is set to 4", t.Host)
	case err != nil && t.Host != "localhost" && !strings.Contains(t.Host, "."):
		return fmt.Errorf("%s is an invalid/unsupported DNS", t.Host)
	}
	return nil
}

// webTarget checks a target that is a URL, and reads the keys specific to URLs.
func (p *probeInput) webTarget(t *probe.Target, r *Reader) error {
	if u, err := url.Parse(t.Host); err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("target '%s' is not a valid http(s) URL: '%s'", t.Name, redactURL(t.Host))
	}
	if _, has := r.opts["headers"]; has && p.typ == "doh" {
		return errors.New("per-target 'headers' is not supported for test_type 'doh'")
	}
	headers := value[Options](r, "headers")
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		switch v := headers[name].(type) {
		case string, uint64, bool:
			if t.Headers == nil {
				t.Headers = make(map[string]string)
			}
			t.Headers[name] = fmt.Sprint(v)
		default:
			return fmt.Errorf("netprobe: header '%s' has an unsupported value type", name)
		}
	}
	for _, text := range r.List("resolve") {
		parts := strings.SplitN(text, ":", 3)
		if len(parts) < 3 || slices.Contains(parts, "") || strings.Trim(parts[1], "0123456789") != "" {
			return fmt.Errorf("netprobe: target '%s' has an invalid resolve entry '%s' (expected host:port:address)", t.Name, text)
		}
		t.Routes = append(t.Routes, probe.Route{Host: parts[0], Port: parts[1], Address: parts[2]})
	}
	return r.err
}
