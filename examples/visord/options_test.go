package main

import (
	"bytes"
	"os"
	"path/filepath"
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

// Each line is a mistake, and what is said of it.
func TestMisuse(t *testing.T) {
	const mock = "visor: {taps: {t: {input_type: mock}}, policies: {p: {kind: collection, input: {tap: t, input_type: mock}, handlers: {modules: {}}}}}"
	for _, tt := range []struct {
		config string
		args   []string
		want   string
	}{
		{"", nil, "Nothing to do: specify --admin-api or IFACE."},
		{"", []string{"eth0", "eth1"}, "one IFACE at most"},
		{"", []string{"--no-such"}, "unknown flag: --no-such"},
		{"", []string{"--otel-t", "eth0"}, "unknown flag: --otel-t"},
		{"", []string{"-p", "70000", "eth0"}, "invalid argument \"70000\""},
		{"", []string{"--periods", "11", "eth0"}, "--periods 11: must be from 1 to 10"},
		{"", []string{"--max-deep-sample", "0", "eth0"}, "--max-deep-sample 0: must be from 1 to 100"},
		{"", []string{"-H", "192.0.2.1", "eth0"}, "invalid CIDR: 192.0.2.1"},
		{"", []string{"-b", "port 53", "--admin-api"}, "which needs IFACE"},
		{"", []string{"--tls", "eth0"}, "you must specify --tls-key and --tls-cert to use --tls"},
		{"", []string{"--tls-client-ca", "x", "eth0"}, "--tls-client-ca needs --tls"},
		{"", []string{"--otel-tls", "--otel-tls-key", "x", "eth0"}, "--otel-tls-key and --otel-tls-cert go together"},
		{"", []string{"--otel-protocol", "udp", "eth0"}, "--otel-protocol udp: must be http or grpc"},
		{"", []string{"--otel-interval", "0", "eth0"}, "--otel-interval 0: must be from 1 to 3600 seconds"},
		{"", []string{"--geo-cache-size", "-1", "eth0"}, "must not be negative"},
		{"", []string{"--syslog", "--log-file", "x", "eth0"}, "exclude each other"},
		{"", []string{"--cp-token", "x", "eth0"}, "missing information to setup crashpad"},
		{"", []string{"--config", "/nonexistent/visord.yaml"}, "/nonexistent/visord.yaml"},
		{"a: [", []string{"eth0"}, "in config file: "},
		{"hello", []string{"eth0"}, "invalid schema"},
		{"{version: 2, visor: {}}", []string{"eth0"}, "unsupported version"},
		{"visor: {config: {prot: 1}}", []string{"eth0"}, "unknown key 'prot' in visor.config"},
		{"visor: {config: {bpf: udp}}", []string{"eth0"}, "unknown key 'bpf' in visor.config"},
		{"visor: {config: {port: high}}", []string{"eth0"}, "visor.config: port: "},
		{"visor: {config: [1]}", []string{"eth0"}, "'config' is not a map"},
		{mock, []string{"--periods", "0"}, "--periods 0"},
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

// The configuration file has all options but those of the command line alone, which wins.
func TestConfig(t *testing.T) {
	path := configFile(t, `
visor:
  config: {port: 8080, host: 0.0.0.0, verbose: true, admin_api: "true", geo_cache_size: 5, prom_instance: 7, otel: true, otel_protocol: grpc, no_track: true}
`)
	_, err := parseOptions([]string{"--config", path, "-p", "9090", "--prom", "eth0"}, nil)
	require.ErrorContains(t, err, "unknown flag: --prom", "it begins two names")
	o, err := parseOptions([]string{"--config", path, "-p", "9090", "--max-d=50", "eth0"}, nil)
	require.NoError(t, err)
	require.Equal(t, []any{uint16(9090), "0.0.0.0", true, true, 5, "7", true, uint16(4317), 50, "eth0"},
		[]any{o.port, o.host, o.verbose, o.adminAPI, o.geoCache, o.instance, o.otel, o.otelPort, o.deepSample, o.iface})
	require.True(t, filepath.IsAbs(o.config))

	flags := (&options{}).flags()
	flags.VisitAll(func(f *pflag.Flag) {
		fs := (&options{}).flags()
		value := map[string]any{"bool": true, "string": "x", "int": uint64(1), "uint16": uint64(1)}[f.Value.Type()]
		err := configure(fs, policy.Options{strings.ReplaceAll(f.Name, "-", "_"): value})
		alone := map[string]bool{"config": true, "bpf": true, "host-spec": true, "version": true}[f.Name]
		require.Equal(t, alone, err != nil, f.Name)
	})
}

// All options are documented, in lines that fit.
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

// The configuration that goes with the program is one that it takes.
func TestSample(t *testing.T) {
	o, err := parseOptions([]string{"--config", "visord.yaml"}, nil)
	require.NoError(t, err)
	require.Len(t, o.doc.Policies, 5)
	for _, p := range o.doc.Policies {
		for _, m := range p.Modules {
			_, err := policy.Build(m, policy.Env{})
			require.NoError(t, err)
		}
	}
}
