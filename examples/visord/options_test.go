package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"visor/handler/policy"
)

func configFile(t testing.TB, text string) string {
	path := filepath.Join(t.TempDir(), "visord.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// TestMisuse has a mistake and its error in each line.
func TestMisuse(t *testing.T) {
	const mock = "visor: {taps: {t: {input_type: mock}}, policies: {p: {kind: collection, input: {tap: t, input_type: mock}, handlers: {modules: {}}}}}"
	for _, tt := range []struct {
		config string
		args   []string
		want   string
	}{
		{"", nil, "Nothing to do: specify --admin-api or IFACE."},
		{"", []string{"eth0", "eth1"}, "one IFACE at most"},
		{"", []string{"pktvisor-reader", "--help"}, "pktvisor-reader: run the program visor-reader"},
		{"", []string{"pktvisor-cli", "-H", "ns1"}, "pktvisor-cli: run the program visor-cli"},
		{"", []string{"--no-such"}, "unknown flag: --no-such"},
		{"", []string{"--otel-t", "eth0"}, "--otel-t may be --otel-tls or --otel-tls-cert or --otel-tls-key"},
		{"", []string{"--geo-c=x", "eth0"}, "--geo-c may be --geo-city or --geo-cache-size"},
		{"", []string{"-p", "70000", "eth0"}, "invalid argument \"70000\" for \"-p, --port\" flag: a port is a number from 0 to 65535"},
		{"", []string{"-H", "192.0.2.1", "eth0"}, "-H 192.0.2.1: invalid CIDR: 192.0.2.1; did you mean 192.0.2.1/32 or 192.0.2.0/24?"},
		{"", []string{"--admin-api", "-l", "0.0.0.0"}, "--admin-api on 0.0.0.0 lets every client that reaches that address change policies"},
		{"", []string{"--admin-api", "-l", ""}, "--admin-api on all addresses lets"},
		{"visor: {config: {admin_api: true, host: ns1.example}}", nil, "add --api-token-file or --tls-client-ca, or --insecure"},
		{"", []string{"--memory-limit", "1T", "eth0"}, "--memory-limit 1T: must be bytes as 536870912, 512M or 2G, or 'off'"},
		{"", []string{"--otel-port", "x", "eth0"}, "a port is a number from 0 to 65535"},
		{"", []string{"--tls", "eth0"}, "you must specify --tls-key and --tls-cert to use --tls"},
		{"", []string{"--tls-client-ca", "x", "eth0"}, "--tls-client-ca needs --tls"},
		{"", []string{"--otel-tls", "--otel-tls-key", "x", "eth0"}, "--otel-tls-key and --otel-tls-cert go together"},
		{"", []string{"--otel-protocol", "udp", "eth0"}, "--otel-protocol udp: must be http or grpc"},
		{"", []string{"--otel-metrics", "sums", "eth0"}, "--otel-metrics sums: must be pktvisor, cumulative or both"},
		{"", []string{"--otel-interval", "0", "eth0"}, "--otel-interval 0: must be from 1 to 3600 seconds"},
		{"", []string{"--geo-cache-size", "-1", "eth0"}, "must not be negative"},
		{"", []string{"--cp-token", "x", "eth0"}, "missing information to setup crashpad"},
		{mock, []string{"--history", "x", "--no-history"}, "exclude each other"},
	} {
		args := tt.args
		if tt.config != "" {
			args = append([]string{"--config", configFile(t, tt.config)}, args...)
		}
		var stdout, stderr bytes.Buffer
		require.Equal(t, exitMisuse, run(t.Context(), args, &stdout, &stderr), args)
		require.Contains(t, stderr.String(), tt.want)
		require.Contains(t, stderr.String(), "Try 'visord --help'.")
		require.Empty(t, stdout.String())
	}
}

// TestBadConfig checks that errors in the configuration file do not refer to the manual, which does
// not describe it.
func TestBadConfig(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "visord.yaml")
	for _, tt := range []struct{ path, want string }{
		{missing, missing},
		{configFile(t, "a: ["), "in config file: "},
		{configFile(t, "hello"), "invalid schema"},
		{configFile(t, "{version: 2, visor: {}}"), "unsupported version"},
		{configFile(t, "visor: {config: {prot: 1}}"), "visor.config has no key 'prot' (line 1, column 18); did you mean 'port'?"},
		{configFile(t, "{visor: {taps: {}}, orb: 1}"), "the document has no key 'orb'"},
		{configFile(t, "visor: {config: {port: high}}"), "visor.config: port: "},
	} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, exitMisuse, run(t.Context(), []string{"--strict", "--config", tt.path, "eth0"}, &stdout, &stderr))
		require.Contains(t, stderr.String(), tt.want)
		require.NotContains(t, stderr.String(), "--help")
		require.Empty(t, stdout.String())
	}
}

// All problems of a file are printed, each on a line with the program's name.
func TestAllProblemsOfConfig(t *testing.T) {
	path := configFile(t, `
visor:
  policies:
    a: {kind: collection, input: {tap: t, input_type: mock}, handlers: {modules: {d: {type: dns, config: {bogus: 1}}}}}
    b: {kind: collections, input: {tap: t, input_type: mock}}
`)
	for _, flag := range []string{"--config", "--check"} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, exitMisuse, run(t.Context(), []string{flag, path}, &stdout, &stderr))
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		require.Len(t, lines, 3)
		for i, want := range []string{"unknown policy kind: collections", "missing or invalid handler configuration", "policy [a] failed to start: bogus"} {
			require.True(t, strings.HasPrefix(lines[i], "visord: "+want), lines[i])
			require.True(t, strings.HasSuffix(lines[i], "in config file: "+path), lines[i])
		}
	}
}

// TestConfig checks that the configuration file can set all options except those for the command
// line alone, and that the command line wins.
func TestConfig(t *testing.T) {
	path := configFile(t, `
visor:
  config: {port: 8080, host: 0.0.0.0, verbose: true, admin_api: "true", geo_cache_size: 5, prom_instance: 7, prom_sum_is_max: true, otel: true, otel_protocol: grpc, no_track: true, insecure: true}
`)
	_, err := parseOptions([]string{"--config", path, "-p", "9090", "--prom", "eth0"}, nil)
	require.ErrorContains(t, err, "--prom may be --prom-instance or --prom-sum-is-max or --prometheus")
	o, err := parseOptions([]string{"--config", path, "-p", "9090", "--max-d=50", "eth0"}, nil)
	require.NoError(t, err)
	require.Equal(t, []any{portNumber(9090), "0.0.0.0", true, true, 5, "7", true, portNumber(4317), 50, "eth0"},
		[]any{o.port, o.host, o.verbose, o.adminAPI, o.geoCache, o.instance, o.otel, o.otelPort, o.deepSample, o.iface})
	require.True(t, o.sumIsMax)
	require.True(t, filepath.IsAbs(o.config))

	flags := (&options{}).flags()
	flags.VisitAll(func(f *pflag.Flag) {
		o := &options{}
		fs := o.flags()
		value := map[string]any{"bool": true, "string": "x", "int": uint64(1), "port": uint64(1), "duration": "1s"}[f.Value.Type()]
		o.doc = &policy.Document{Config: policy.Options{strings.ReplaceAll(f.Name, "-", "_"): value}}
		o.configKeys = configKeys(fs)
		require.NoError(t, o.take(fs), f.Name)
		alone := map[string]bool{"config": true, "check": true, "bpf": true, "host-spec": true, "version": true}[f.Name]
		require.Equal(t, alone, len(o.warningsOf(o.doc)) > 0, f.Name)
	})
}

// TestWarnings checks that input which pktvisord accepts is accepted with a warning.
func TestWarnings(t *testing.T) {
	path := configFile(t, "visor: {taps: , config: {log_level: debug, bpf: udp}}")
	o, err := parseOptions([]string{"pktvisord", "--config", path, "--periods", "99", "--max-deep-sample", "0", "eth0"}, nil)
	require.NoError(t, err)
	require.Equal(t, []string{
		"'taps' is not a map: it is ignored (line 1, column 15) in config file: " + path,
		"visor.config has no key 'bpf' (line 1, column 44) in config file: " + path,
		"visor.config has no key 'log_level' (line 1, column 26) in config file: " + path,
		"--periods 99: must be from 1 to 10; 10 is used",
		"--max-deep-sample 0: must be from 1 to 100; 1 is used",
	}, o.warnings)
	require.Equal(t, []any{"eth0", 10, 1}, []any{o.iface, o.periods, o.deepSample}, "the name of the program is that of pktvisor's image")
}

// TestIdleOptions checks that an option which needs another is not ignored silently, on the command
// line and in the file.
func TestIdleOptions(t *testing.T) {
	path := configFile(t, "visor: {config: {otel_port: 4318}}")
	for _, tt := range []struct {
		args []string
		want []string
	}{
		{[]string{"--otel-host", "ns1", "--tls-cert", "x"}, []string{"--otel-host has no effect without --otel", "--otel-port has no effect without --otel", "--tls-cert has no effect without --tls"}},
		{[]string{"--otel", "--otel-host", "ns1"}, nil},
		{[]string{"--otel", "--otel-tls-cert", "x", "--otel-tls-key", "x"}, []string{
			"--otel-tls-cert has no effect without --otel-tls: metrics are not encrypted", "--otel-tls-key has no effect without --otel-tls: metrics are not encrypted",
		}},
		{[]string{"--otel", "--otel-tls", "--otel-tls-cert", "x", "--otel-tls-key", "x"}, nil},
		{[]string{"--otel", "--syslog", "--log-file", "x"}, []string{"--syslog has no effect beside --log-file"}},
		{[]string{"--otel", "--module-dir", "x"}, []string{"--module-dir has no effect here: all modules are built in"}},
		{[]string{"--otel", "--cp-token", "t", "--cp-url", "u", "--cp-path", "p", "--cp-custom", "c", "--no-track", "--prometheus"},
			[]string{"--cp-token has no effect here: crashes are not reported, they are in the log"}},
	} {
		o, err := parseOptions(append(tt.args, "--config", path, "eth0"), nil)
		require.NoError(t, err)
		slices.Sort(o.warnings)
		require.Equal(t, tt.want, o.warnings)
	}
	o, err := parseOptions([]string{"--admin-api", "-b", "udp", "-H", "192.0.2.0/24"}, nil)
	require.NoError(t, err)
	require.Equal(t, []string{
		"--bpf has no effect without IFACE: it is of the default policy; taps have the keys bpf and host_spec",
		"--host-spec has no effect without IFACE: it is of the default policy; taps have the keys bpf and host_spec",
	}, o.warnings)
}

// TestOrbFile reads a file that configures both Orb's agent and pktvisord.
func TestOrbFile(t *testing.T) {
	path := configFile(t, `
visor:
  taps: {default_pcap: {input_type: pcap, config: {iface: auto}}}
orb:
  backends: {pktvisor: {binary: /usr/local/sbin/pktvisord, config_file: /opt/orb/agent.yaml}}
`)
	o, err := parseOptions([]string{"--admin-api", "-l", "localhost", "-p", "10853", "--config", path, "--otel", "--otel-host", "localhost", "--otel-port", "4318", "--cp-custom", "id"}, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"the document has no key 'orb'. Its keys are: version, visor (line 4, column 1) in config file: " + path}, o.warnings)
	require.Equal(t, "default_pcap", o.doc.Taps[0].Name)
}

// TestEnvironment checks that the variables of Orb's images define taps.
func TestEnvironment(t *testing.T) {
	tap := func(name, typ string, config policy.Options) policy.Tap {
		return policy.Tap{Name: name, InputType: typ, Config: config}
	}
	for _, tt := range []struct {
		env  map[string]string
		want []policy.Tap
	}{
		{nil, nil},
		{map[string]string{"PKTVISOR_PCAP": "true"}, []policy.Tap{tap("default_pcap", "pcap", policy.Options{"iface": "auto"})}},
		{map[string]string{"PKTVISOR_PCAP_IFACE_DEFAULT": "mock"}, []policy.Tap{tap("default_pcap", "pcap", policy.Options{"iface": "mock", "pcap_source": "mock"})}},
		{map[string]string{"PKTVISOR_FLOW_TYPE": "sflow"}, []policy.Tap{tap("default_sflow", "flow", policy.Options{"flow_type": "sflow", "bind": "0.0.0.0", "port": uint64(6343)})}},
		{
			map[string]string{"PKTVISOR_NETFLOW": "true", "PKTVISOR_NETFLOW_PORT_DEFAULT": "9995", "PKTVISOR_NETFLOW_BIND_ADDRESS": "::1", "PKTVISOR_DNSTAP": "true"},
			[]policy.Tap{
				tap("default_netflow", "flow", policy.Options{"flow_type": "netflow", "bind": "::1", "port": uint64(9995)}),
				tap("default_dnstap", "dnstap", policy.Options{"tcp": "0.0.0.0:6000"}),
			},
		},
	} {
		require.Equal(t, tt.want, tapsOfEnvironment(func(name string) string { return tt.env[name] }))
	}
}

// TestTryOut checks that --check prints the plan and all problems.
func TestTryOut(t *testing.T) {
	check := func(text string) (int, string) {
		var stdout, stderr bytes.Buffer
		path := configFile(t, text)
		code := run(t.Context(), []string{"--check", path}, &stdout, &stderr)
		return code, strings.ReplaceAll(stdout.String()+stderr.String(), path, "FILE")
	}
	code, said := check("visor: {taps: {wire: {input_type: pcap, config: {iface: nosuch0}}}}")
	require.Equal(t, exitDone, code)
	require.Equal(t, "tap wire: pcap\nno policy: visord needs --admin-api or IFACE beside this file\n", said, "nothing is opened")
	const two = `
visor:
  taps: {t: {input_type: mock}}
  policies:
    good: {kind: collection, input: {tap: t, input_type: mock}, handlers: {config: {}, modules: {a: {type: net}, dns: {type: dns}}}}
    bad:  {kind: collection, input: {tap: none, input_type: mock}, handlers: {modules: {}}}
`
	code, said = check(two)
	require.Equal(t, exitMisuse, code)
	require.Equal(t, `warning: 'handlers' has no key 'config'. Its keys are: window_config, modules (line 5, column 76) in config file: FILE
tap t: mock
policy good: tap t, handlers a (net), dns (dns)
error: policy [bad]: tap 'none' does not exist in config file: FILE
`, said)
	code, said = check("visor: {taps: {t: {input_type: pcap, config: {iface: lo, bpf: port}}}, policies: {p: {kind: collection, input: {tap: t, input_type: pcap}, handlers: {modules: {}}}}}")
	require.Equal(t, exitMisuse, code)
	require.Contains(t, said, "error: policy [p] failed to start: Failed to parse bpf filter: port: column 5 of the filter: ")
	require.True(t, strings.HasSuffix(said, ", in tap 't' (line 1, column 58) in config file: FILE\n"), said)
	code, said = check("{orb: 1, visor: {config: {x: 1}, policies: {p: {}}}}")
	require.Contains(t, said, "visord: warning: the document has no key 'orb'")
	require.Contains(t, said, "visord: warning: visor.config has no key 'x'")
	require.Equal(t, exitMisuse, code)
	require.Contains(t, said, "missing or invalid policy kind")
}

// TestVersion checks that the metadata after the plus is valid SemVer.
func TestVersion(t *testing.T) {
	require.Regexp(t, `^4\.5\.0\+visor\.[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*$`, apiVersion())
}

// TestNoSyslog checks that a system without syslog logs to standard error, with a warning.
func TestNoSyslog(t *testing.T) {
	var stdout, stderr bytes.Buffer
	sink, warning, err := openLog(options{syslog: true}, &stdout, &stderr, func() (io.Writer, error) { return nil, errors.New("no /dev/log") })
	require.NoError(t, err)
	require.Equal(t, "--syslog: no /dev/log; the log goes to standard error", warning)
	sink.logger(false).Info("hello")
	require.Contains(t, stderr.String(), "hello")
	require.Empty(t, stdout.String())

	_, warning, err = openLog(options{syslog: true, logFile: filepath.Join(t.TempDir(), "log")}, &stdout, &stderr, func() (io.Writer, error) { return nil, errors.New("no /dev/log") })
	require.NoError(t, err)
	require.Empty(t, warning, "a file wins, as in pktvisord")
}

// TestHelp checks that all options are documented in lines of limited width.
func TestHelp(t *testing.T) {
	var stdout, stderr bytes.Buffer
	require.Equal(t, exitDone, run(t.Context(), []string{"-h"}, &stdout, &stderr))
	require.Empty(t, stderr.String())
	for line := range strings.Lines(stdout.String()) {
		require.LessOrEqual(t, len(line), 90, line)
	}
	for _, want := range []string{"Usage:", "Examples:", "Signals:", "--admin-api", "-b, --bpf filter", "-H, --host-spec CIDRs", "visor.config"} {
		require.Contains(t, stdout.String(), want)
	}
	require.NotContains(t, stdout.String(), "--cp-token")

	stdout.Reset()
	require.Equal(t, exitDone, run(t.Context(), []string{"--module-list"}, &stdout, &stderr))
	for _, want := range []string{"input: netprobe version 1.0\n", "handler: dns version 2.0\n", "handler: input_resources version 1.0\n"} {
		require.Contains(t, stdout.String(), want)
	}
	stdout.Reset()
	require.Equal(t, exitDone, run(t.Context(), []string{"--version"}, &stdout, &stderr))
	require.Contains(t, stdout.String(), "visord ")
}

// TestSample checks that the sample configuration is valid, as it is and with all comments enabled.
func TestSample(t *testing.T) {
	sample, err := os.ReadFile("visord.yaml")
	require.NoError(t, err)
	all := regexp.MustCompile(`(?m)^( *)# ((  )*\S+:.*)$`).ReplaceAllString(string(sample), "$1$2")
	for text, policies := range map[string]int{string(sample): 2, all: 5} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, exitDone, run(t.Context(), []string{"--memory-limit", "2G", "--check", configFile(t, text)}, &stdout, &stderr), "%s%s", &stdout, &stderr)
		require.Equal(t, policies, strings.Count(stdout.String(), "policy "), &stdout)
		require.NotContains(t, stdout.String(), "warning")
	}
}
