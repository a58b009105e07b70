package builtin

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"unicode"

	"visor/capture/probe"
	"visor/decode/dnsmsg"
	"visor/handler/options"
	"visor/handler/policy"
)

// Check implements [policy.Checker]. It reports problems in pktvisor's order, and stops at a type
// of test that is missing or unknown.
func (c *netprobeConfig) Check(table policy.Options, found options.Problems) options.Problems {
	k := &netprobeCheck{netprobeConfig: c, table: table, left: found}
	k.defaults()
	k.takeIf(func(p *options.Problem) bool { return p.Known != nil })
	if !k.test() {
		return append(k.out, k.left...)
	}
	k.step(k.times, "interval_msec", "timeout_msec", "packets_per_test", "packets_interval_msec", "packet_payload_size")
	k.step(k.method, "http_method")
	k.step(nil, "expected_status", "failure_status", "expected_body", "not_contains", "expected_body_regex", "body_not_matches_regex")
	k.step(k.answer, "body_check_max_bytes", "json_path", "json_equals", "min_response_size_bytes", "max_response_size_bytes",
		"fail_if_header_matches", "fail_if_header_not_matches", "max_last_modified_diff_secs", "valid_http_versions")
	k.step(k.eachTarget, "targets")
	k.step(k.query, "qname", "qtype", "transport", "port")
	k.misplaced()
	k.step(k.body, "body")
	k.step(k.tls, "tls")
	k.step(k.proxy, "proxy")
	return append(k.out, k.left...)
}

// netprobeCheck collects the problems of a configuration.
type netprobeCheck struct {
	*netprobeConfig
	table policy.Options
	left  options.Problems // of values, not yet in out
	out   options.Problems
}

// defaults sets the values of missing keys.
func (k *netprobeCheck) defaults() {
	for key, to := range map[string]struct {
		field *uint64
		usual uint64
	}{
		"interval_msec": {&k.Interval, 5000}, "timeout_msec": {&k.Timeout, 2000}, "packets_per_test": {&k.Packets, 1},
		"packets_interval_msec": {&k.PacketInterval, 25}, "packet_payload_size": {&k.Payload, 48}, "max_response_size_bytes": {&k.MaxSize, math.MaxUint64},
	} {
		if !k.has(key) {
			*to.field = to.usual
		}
	}
	if !k.has("qtype") {
		k.QType = dnsmsg.TypeA
	}
}

func (k *netprobeCheck) has(key string) bool { _, ok := k.table[key]; return ok }

// step reports the problems of the values at keys. If there are none, it checks them together.
func (k *netprobeCheck) step(check func(), keys ...string) {
	n := len(k.out)
	k.takeIf(func(p *options.Problem) bool { return slices.Contains(keys, p.Key()) })
	if len(k.out) == n && check != nil {
		check()
	}
}

// takeIf reports some of the remaining problems.
func (k *netprobeCheck) takeIf(wanted func(*options.Problem) bool) {
	for _, p := range k.left {
		if wanted(p) {
			k.out = append(k.out, p)
		}
	}
	k.left = slices.DeleteFunc(k.left, wanted)
}

// wrong reports a problem of a key, which the table may lack.
func (k *netprobeCheck) wrong(key, format string, args ...any) {
	k.out = append(k.out, options.At(fmt.Errorf(format, args...), key))
}

const validTests = "The valid test types are: dns, doh, http, ping, tcp, udp"

func (k *netprobeCheck) test() bool {
	_, ok := testOf(k.Test)
	switch {
	case !k.has("test_type"):
		k.wrong("test_type", "'test_type' config not specified. %s", validTests)
	case !ok:
		k.wrong("test_type", "%s is an invalid/unsupported test type. %s", k.Test, validTests)
	}
	return ok
}

func (k *netprobeCheck) times() {
	const maxPayload = 65500
	switch {
	case k.Timeout > k.Interval:
		k.wrong("timeout_msec", "timeout_msec [%d] cannot be greater than interval_msec [%d]", k.Timeout, k.Interval)
	case k.Packets == 0:
		k.wrong("packets_per_test", "packets_per_test needs to be greater than 0")
	// the product may overflow
	case k.Packets*k.PacketInterval > k.Interval || k.Packets > k.Interval && k.PacketInterval > 0:
		k.wrong("packets_per_test", "packets_per_test [%d] times packets_interval_msec [%d] cannot be greater than packets_interval_msec [%d]",
			k.Packets, k.PacketInterval, k.Interval)
	case k.Payload > maxPayload:
		k.wrong("packet_payload_size", "packet_payload_size was set to %d but max supported size is %d", k.Payload, maxPayload)
	}
}

func (k *netprobeCheck) method() {
	if k.Test == "doh" && k.has("http_method") && k.Method != "GET" && k.Method != "POST" {
		k.wrong("http_method", "unsupported http_method '%s' for doh (use GET or POST)", k.Method)
	}
}

// answer checks the conditions on a response.
func (k *netprobeCheck) answer() {
	switch {
	case k.has("body_check_max_bytes") && k.MaxBody == 0:
		k.wrong("body_check_max_bytes", "netprobe: body_check_max_bytes must be greater than 0")
	case k.JSON == nil && k.has("json_equals"):
		k.wrong("json_path", "netprobe: 'json_equals' requires 'json_path'")
	case k.MinSize > k.MaxSize:
		k.wrong("min_response_size_bytes", "netprobe: min_response_size_bytes must not exceed max_response_size_bytes")
	}
	if k.JSON != nil {
		k.JSON.Equals = k.Equals
	}
}

func (k *netprobeCheck) eachTarget() {
	if len(k.Targets) == 0 {
		k.wrong("targets", "no targets specified")
		return
	}
	for _, name := range slices.Sorted(maps.Keys(k.Targets)) {
		t := k.Targets[name]
		if key, err := k.target(name, &t); err != nil {
			k.out = append(k.out, options.At(err, "targets", name, key))
		}
	}
	if k.Test == "udp" {
		k.wrong("test_type", "Test type currently not supported")
	}
}

// target returns the first problem of a target and its key.
func (k *netprobeCheck) target(name string, t *probeTarget) (key string, err error) {
	table, _ := k.table["targets"].(options.Table)[name].(options.Table)
	_, hasVersion := table["ip_version"]
	switch {
	case t.Host == "":
		return "target", fmt.Errorf("'%s' does not have key 'target' which is required", name)
	case k.Test == "tcp" && t.Port == 0:
		return "port", fmt.Errorf("'%s' does not have key 'port' which is required", name)
	case hasVersion && t.Version != 4 && t.Version != 6:
		return "ip_version", errors.New("ip_version must be 4 or 6")
	case k.isWeb():
		return k.webTarget(name, t)
	case k.Test == "dns" && t.Headers != nil:
		return "headers", errors.New("per-target 'headers' is not supported for test_type 'dns'")
	}
	return hostTarget(t)
}

// hostTarget checks a target that is an address or a name.
func hostTarget(t *probeTarget) (key string, err error) {
	addr, err := netip.ParseAddr(t.Host)
	switch {
	case err == nil && addr.Is4() && t.Version == 6:
		return "target", fmt.Errorf("target %s is IPv4 but ip_version is set to 6", t.Host)
	case err == nil && addr.Is6() && t.Version == 4:
		return "target", fmt.Errorf("target %s is IPv6 but ip_version is set to 4", t.Host)
	case err != nil && t.Host != "localhost" && !strings.Contains(t.Host, "."):
		return "target", fmt.Errorf("%s is an invalid/unsupported DNS", t.Host)
	}
	return "", nil
}

// webTarget checks a target that is a URL, and the keys specific to URLs.
func (k *netprobeCheck) webTarget(name string, t *probeTarget) (key string, err error) {
	if u, err := url.Parse(t.Host); err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "target", fmt.Errorf("target '%s' is not a valid http(s) URL: '%s'", name, redactURL(t.Host))
	}
	if t.Headers != nil && k.Test == "doh" {
		return "headers", errors.New("per-target 'headers' is not supported for test_type 'doh'")
	}
	for _, header := range slices.Sorted(maps.Keys(t.Headers)) {
		switch t.Headers[header].(type) {
		case string, uint64, bool:
		default:
			return "headers", fmt.Errorf("netprobe: header '%s' has an unsupported value type", header)
		}
	}
	for _, text := range t.Resolve {
		parts := strings.SplitN(text, ":", 3)
		if len(parts) < 3 || slices.Contains(parts, "") || strings.Trim(parts[1], "0123456789") != "" {
			return "resolve", fmt.Errorf("netprobe: target '%s' has an invalid resolve entry '%s' (expected host:port:address)", name, text)
		}
	}
	return "", nil
}

// query checks the DNS question.
func (k *netprobeCheck) query() {
	switch name := k.name(); {
	case !k.asksDNS():
	case name == "":
		k.wrong("qname", "netprobe: 'qname' is required when test_type is '%s'", k.Test)
	case len(name) > 253:
		k.wrong("qname", "netprobe: qname '%s' exceeds the 253-character DNS name limit", name)
	case name != ".":
		k.labels(name)
	}
}

func (k *netprobeCheck) labels(name string) {
	for label := range strings.SplitSeq(name, ".") {
		switch {
		case label == "":
			k.wrong("qname", "netprobe: qname '%s' has an empty DNS label", name)
		case len(label) > 63:
			k.wrong("qname", "netprobe: qname '%s' has a DNS label longer than 63 characters", name)
		}
	}
}

// misplaced reports keys that do not apply to the type of test.
func (k *netprobeCheck) misplaced() {
	for _, key := range []string{
		"expected_status", "failure_status", "expected_body", "expected_body_regex", "body", "body_check_max_bytes", "json_path", "json_equals", "not_contains",
		"body_not_matches_regex", "min_response_size_bytes", "max_response_size_bytes", "fail_if_header_matches", "fail_if_header_not_matches",
		"max_last_modified_diff_secs", "valid_http_versions",
	} {
		if k.has(key) && k.Test != "http" {
			k.wrong(key, "'%s' is not supported for test_type '%s'", key, k.Test)
		}
	}
	for _, key := range []string{"transport", "port"} {
		if k.has(key) && k.Test != "dns" {
			k.wrong(key, "'%s' is not supported for test_type '%s'", key, k.Test)
		}
	}
	if k.has("proxy") && !k.isWeb() {
		k.wrong("proxy", "'proxy' is only supported for test_type 'http' or 'doh'")
	}
	if k.has("tls") && !k.isWeb() && !(k.Test == "dns" && k.Transport == probe.TLS) {
		k.wrong("tls", "'tls' is only supported for test_type 'http' or 'doh'")
	}
}

func (k *netprobeCheck) body() {
	if k.Test == "http" && k.has("body") && !slices.Contains([]string{"POST", "PUT", "PATCH"}, k.Method) {
		k.wrong("http_method", "'body' requires http_method POST, PUT, or PATCH")
	}
}

// tls checks the keys of TLS. A missing file only keeps a policy from starting.
func (k *netprobeCheck) tls() {
	if (k.TLS.Cert == "") != (k.TLS.Key == "") {
		k.wrong("tls", "tls.cert_file and tls.key_file must be set together")
	}
	for _, file := range []struct{ key, path string }{{"ca_file", k.TLS.CA}, {"cert_file", k.TLS.Cert}, {"key_file", k.TLS.Key}} {
		if _, err := os.Stat(file.path); err != nil && file.path != "" {
			k.wrong("", "netprobe: tls.%s '%s' does not exist", file.key, file.path)
		}
	}
}

// proxy checks the proxy. Errors do not quote it, because it may hold a password.
func (k *netprobeCheck) proxy() {
	if k.has("proxy") && (strings.TrimSpace(k.Proxy) == "" || strings.ContainsFunc(k.Proxy, unicode.IsControl)) {
		k.wrong("proxy", "netprobe: 'proxy' value is invalid")
	}
}
