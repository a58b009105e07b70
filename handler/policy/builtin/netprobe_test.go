package builtin

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture/probe"
	"visor/decode/dnsmsg"
	"visor/handler/policy"
)

// probeOptions reads the configuration of a netprobe input from YAML, as in a document.
func probeOptions(t testing.TB, text string) policy.Options {
	tap, _, err := Catalog().ParseTap([]byte("visor: {taps: {probe: {input_type: mock, config: {" + text + "}}}}"))
	require.NoError(t, err, text)
	return tap.Config
}

// TestProbeErrors has pktvisor's texts. Of two problems, it reports the one that pktvisor checks
// first.
func TestProbeErrors(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.pem")
	there := filepath.Join(t.TempDir(), "there.pem")
	require.NoError(t, os.WriteFile(there, nil, 0o600))
	const (
		web  = "targets: {a: {target: 'https://example.com/'}}"
		host = "targets: {a: {target: 127.0.0.1, port: 1}}"
	)
	long := strings.Repeat("a", 64)
	for _, tt := range []struct{ config, want string }{
		{"test_type: nothing, unheard: 1", "unheard is an invalid/unsupported config or filter. The valid configs/filters are: test_type, interval_msec, timeout_msec, packets_per_test, " +
			"packets_interval_msec, packet_payload_size, targets, http_method, qname, qtype, expected_status, failure_status, expected_body, expected_body_regex, body, " +
			"body_check_max_bytes, proxy, tls, json_path, json_equals, not_contains, body_not_matches_regex, min_response_size_bytes, max_response_size_bytes, " +
			"fail_if_header_matches, fail_if_header_not_matches, max_last_modified_diff_secs, valid_http_versions, transport, port"},
		{web, "'test_type' config not specified. The valid test types are: dns, doh, http, ping, tcp, udp"},
		{"test_type: dot, timeout_msec: 9000", "dot is an invalid/unsupported test type. The valid test types are: dns, doh, http, ping, tcp, udp"},
		{"test_type: udp, " + host, "Test type currently not supported"},
		{"test_type: udp", "no targets specified"},
		{"test_type: http, interval_msec: 1000, expected_status: [abc], " + web, "timeout_msec [2000] cannot be greater than interval_msec [1000]"},
		{"test_type: http, packets_per_test: 0, " + web, "packets_per_test needs to be greater than 0"},
		{"test_type: doh, qname: a.b, timeout_msec: 10, interval_msec: 24, " + web, "packets_per_test [1] times packets_interval_msec [25] cannot be greater than packets_interval_msec [24]"},
		{"test_type: ping, packet_payload_size: 65501, " + host, "packet_payload_size was set to 65501 but max supported size is 65500"},
		{"test_type: doh, http_method: get, expected_status: [abc]", "unsupported http_method 'get' for doh (use GET or POST)"},
		{"test_type: ping, expected_status: [abc]", "netprobe: expected_status: invalid status entry 'abc'"},
		{"test_type: http, failure_status: [200, 2x]", "netprobe: failure_status: invalid status entry '2x'"},
		{"test_type: http, expected_status: [600]", "netprobe: expected_status: invalid status entry '600'"},
		{"test_type: http, expected_status: ['99']", "netprobe: expected_status: invalid status entry '99' (codes must be 100-599, ranges low-high)"},
		{"test_type: http, expected_status: [299-200]", "netprobe: expected_status: invalid status entry '299-200' (codes must be 100-599, ranges low-high)"},
		{"test_type: http, expected_status: 200, " + web, "wrong type for key: expected_status"},
		{"test_type: http, expected_body: 123, " + web, "wrong type for key: expected_body"},
		{"test_type: http, expected_body_regex: '(secret'", "netprobe: expected_body_regex is not a valid ECMAScript regular expression"},
		{"test_type: http, body_not_matches_regex: '(secret'", "netprobe: body_not_matches_regex is not a valid ECMAScript regular expression"},
		{"test_type: http, fail_if_header_matches: {Server: '(secret'}", "netprobe: header value_regex is not a valid ECMAScript regular expression (header 'Server')"},
		{"test_type: http, body_check_max_bytes: 0", "netprobe: body_check_max_bytes must be greater than 0"},
		{"test_type: http, json_path: a/b", "netprobe: json_path is not a valid JSON Pointer (RFC 6901): 'a/b'"},
		{"test_type: http, json_path: /a~2b", "netprobe: json_path is not a valid JSON Pointer (RFC 6901): '/a~2b'"},
		{"test_type: http, json_equals: x, " + web, "netprobe: 'json_equals' requires 'json_path'"},
		{"test_type: http, min_response_size_bytes: 2, max_response_size_bytes: 1, " + web, "netprobe: min_response_size_bytes must not exceed max_response_size_bytes"},
		{"test_type: http, valid_http_versions: ['1'], " + web, "netprobe: invalid valid_http_versions entry '1' (use 1.0, 1.1, 2, or 3)"},
		{"test_type: doh", "no targets specified"},
		{"test_type: ping, targets: {a: {port: 1}}", "'a' does not have key 'target' which is required"},
		{"test_type: tcp, targets: {a: {target: 127.0.0.1}}", "'a' does not have key 'port' which is required"},
		{"test_type: ping, targets: {a: {target: 5}}", "wrong type for key: target"},
		{"test_type: ping, targets: {a: {target: 1.2.3.4, ip_version: 6}}", "target 1.2.3.4 is IPv4 but ip_version is set to 6"},
		{"test_type: ping, targets: {a: {target: '::1', ip_version: 4}}", "target ::1 is IPv6 but ip_version is set to 4"},
		{"test_type: ping, targets: {a: {target: host}}", "host is an invalid/unsupported DNS"},
		{"test_type: http, targets: {a: {target: 'https://example.com', ip_version: 0}}", "ip_version must be 4 or 6"},
		{"test_type: http, targets: {a: {target: 'ftp://me:secret@example.com/'}}", "target 'a' is not a valid http(s) URL: 'ftp://<redacted>@example.com/'"},
		{"test_type: doh, targets: {a: {target: 'https:///x'}}", "target 'a' is not a valid http(s) URL: 'https:///x'"},
		{"test_type: doh, targets: {a: {target: 'https://example.com', headers: {A: b}}}", "per-target 'headers' is not supported for test_type 'doh'"},
		{"test_type: dns, targets: {a: {target: 127.0.0.1, headers: {A: b}}}", "per-target 'headers' is not supported for test_type 'dns'"},
		{"test_type: http, targets: {a: {target: 'https://example.com', headers: {A: [b]}}}", "netprobe: header 'A' has an unsupported value type"},
		{"test_type: http, targets: {a: {target: 'https://example.com', resolve: ['h:80']}}", "netprobe: target 'a' has an invalid resolve entry 'h:80' (expected host:port:address)"},
		{"test_type: http, targets: {a: {target: 'https://example.com', resolve: ['h:x:1.2.3.4']}}", "netprobe: target 'a' has an invalid resolve entry 'h:x:1.2.3.4' (expected host:port:address)"},
		{"test_type: doh, " + web, "netprobe: 'qname' is required when test_type is 'doh'"},
		{"test_type: dns, " + host, "netprobe: 'qname' is required when test_type is 'dns'"},
		{"test_type: doh, qname: " + strings.Repeat("a.", 127) + ", " + web, ""},
		{"test_type: doh, qname: " + strings.Repeat("a.", 127) + "b, " + web, "exceeds the 253-character DNS name limit"},
		{"test_type: doh, qname: a..b, " + web, "netprobe: qname 'a..b' has an empty DNS label"},
		{"test_type: doh, qname: " + long + ", " + web, "netprobe: qname '" + long + "' has a DNS label longer than 63 characters"},
		{"test_type: doh, qname: a.b, qtype: nothing, " + web, "netprobe: unknown qtype 'NOTHING'"},
		{"test_type: dns, qname: a.b, transport: quic, " + host, "netprobe: unknown transport 'quic' (use udp, tcp, or dot)"},
		{"test_type: ping, expected_status: [200], " + host, "'expected_status' is not supported for test_type 'ping'"},
		{"test_type: doh, qname: a.b, body: x, " + web, "'body' is not supported for test_type 'doh'"},
		{"test_type: ping, transport: udp, " + host, "'transport' is not supported for test_type 'ping'"},
		{"test_type: tcp, proxy: 'http://secret@p', " + host, "'proxy' is only supported for test_type 'http' or 'doh'"},
		{"test_type: dns, qname: a.b, tls: {verify: false}, " + host, "'tls' is only supported for test_type 'http' or 'doh'"},
		{"test_type: http, body: x, " + web, "'body' requires http_method POST, PUT, or PATCH"},
		{"test_type: http, tls: {cert_file: '" + missing + "'}, " + web, "tls.cert_file and tls.key_file must be set together"},
		{"test_type: http, proxy: ' ', tls: {ca_file: '" + missing + "'}, " + web, "netprobe: tls.ca_file '" + missing + "' does not exist"},
		{"test_type: http, tls: {cert_file: '" + there + "', key_file: '" + missing + "'}, " + web, "netprobe: tls.key_file '" + missing + "' does not exist"},
		{"test_type: http, tls: {ca_file: '" + there + "'}, " + web, "holds no certificate"},
		{`test_type: http, proxy: "http://secret@p\n", ` + web, "netprobe: 'proxy' value is invalid"},
	} {
		_, err := parseProbe(probeOptions(t, tt.config))
		if tt.want == "" {
			require.NoError(t, err, tt.config)
			continue
		}
		require.ErrorContains(t, err, tt.want, tt.config)
		require.NotContains(t, err.Error(), "secret")
		if !strings.HasPrefix(tt.want, "exceeds") && !strings.HasPrefix(tt.want, "holds") {
			require.Equal(t, tt.want, err.Error(), tt.config)
		}
	}
}

// TestProbeConfig reads every key.
func TestProbeConfig(t *testing.T) {
	cfg, err := parseProbe(probeOptions(t, `
		test_type: http, interval_msec: 9000, timeout_msec: 0, http_method: POST, body: hello, proxy: 'proxy:3128',
		expected_status: [204, 3XX, 400-404], failure_status: [301], expected_body: a, expected_body_regex: b+, not_contains: c, body_not_matches_regex: d,
		json_path: /a~1b/0, json_equals: 42, min_response_size_bytes: 1, max_last_modified_diff_secs: 60, valid_http_versions: [2, 1.1], body_check_max_bytes: 99,
		fail_if_header_matches: {A: x}, fail_if_header_not_matches: {B: y}, tls: {verify: false},
		targets: {a: {target: 'https://example.com/', ip_version: 6, headers: {X-N: 5, X-T: true, X-S: s}, resolve: ['h:80:::1', 'H:443:[::1]']}}`))
	require.NoError(t, err)
	require.Equal(t, []probe.Target{{
		Name: "a", Host: "https://example.com/", Version: 6, Headers: map[string]string{"X-N": "5", "X-T": "true", "X-S": "s"},
		Routes: []probe.Route{{Host: "h", Port: "80", Address: "::1"}, {Host: "H", Port: "443", Address: "[::1]"}},
	}}, cfg.Targets)
	require.Equal(t, []any{probe.HTTP, 9 * time.Second, time.Duration(-1)}, []any{cfg.Test, cfg.Interval, cfg.Timeout})
	require.Equal(t, probe.Request{Method: "POST", Body: "hello", Proxy: "proxy:3128"}, cfg.Request)
	c := cfg.Checks
	require.Equal(t, []probe.Statuses{{Low: 204, High: 204}, {Low: 300, High: 399}, {Low: 400, High: 404}}, c.Expected)
	require.Equal(t, []probe.Statuses{{Low: 301, High: 301}}, c.Failure)
	require.Equal(t, []string{"a", "b+", "c", "d"}, []string{c.Contains, c.Matches.String(), c.NotContains, c.NotMatches.String()})
	require.Equal(t, probe.JSONCheck{Pointer: []string{"a/b", "0"}, Equals: new("42")}, *c.JSON)
	require.Equal(t, probe.Sizes{Min: 1, Max: 1<<64 - 1}, *c.Sizes)
	require.Equal(t, []any{time.Minute, []string{"2", "1.1"}, 99, "x", "y"}, []any{c.MaxAge, c.HTTPVersions, c.MaxBody, c.NotHeaders["A"].String(), c.Headers["B"].String()})
	require.True(t, cfg.TLS.InsecureSkipVerify)

	cfg, err = parseProbe(probeOptions(t, "test_type: dns, qname: Example.com., qtype: aaaa, transport: dot, port: 8853, targets: {a: {target: 127.0.0.1}, b: {target: dns.example.net, port: 853}}"))
	require.NoError(t, err)
	require.Equal(t, probe.Query{Name: "Example.com", Type: dnsmsg.TypeAAAA, Transport: probe.TLS}, cfg.Query)
	require.Equal(t, []uint16{8853, 853}, []uint16{cfg.Targets[0].Port, cfg.Targets[1].Port})
	require.Nil(t, cfg.TLS)
}

// TestRedact: what may be a secret is not shown.
func TestRedact(t *testing.T) {
	opts := probeOptions(t, `test_type: http, http_method: PUT, body: secret, proxy: secret, expected_body: secret, expected_body_regex: secret, not_contains: secret,
		json_path: /shown, json_equals: secret, body_not_matches_regex: secret, fail_if_header_matches: {A: secret}, fail_if_header_not_matches: {B: secret},
		targets: {a: {target: 'https://me:secret@example.com/x', headers: {X-Key: secret, Authorization: secret}}, b: {target: 'https://example.com/a@b'}}`)
	shown := Catalog().Redact("netprobe", opts)
	require.NotContains(t, fmt.Sprint(shown), "secret")
	require.Equal(t, policy.Options{
		"target": "https://<redacted>@example.com/x", "headers": policy.Options{"Authorization": "<redacted>", "X-Key": "<redacted>"},
		"header_names": []string{"Authorization", "X-Key"},
	}, shown["targets"].(policy.Options)["a"])
	require.Equal(t, policy.Options{"target": "https://example.com/a@b"}, shown["targets"].(policy.Options)["b"])
	require.Equal(t, "/shown", shown["json_path"])
	require.Equal(t, policy.Options{"A": "<redacted>"}, shown["fail_if_header_matches"])
	require.Contains(t, fmt.Sprint(opts), "secret", "the configuration itself is as it was")
	require.Equal(t, opts, Catalog().Redact("pcap", opts))
	_, _, err := Catalog().ParseTap([]byte("visor: {taps: {a: {input_type: netprobe, config: {targets: {b: {target: 'https://<redacted>@example.com'}}}}}}"))
	require.ErrorContains(t, err, "the value of key 'target' is <redacted>")
}
