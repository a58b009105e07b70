package main

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/internal/promtest"
	"visor/internal/wait"
)

// everything has all analyzers of packets, and a probe.
const everything = `
visor:
  taps:
    file: {input_type: pcap, config: {pcap_file: %q, host_spec: "192.0.2.0/24,2001:db8::/32"}}
    probe: {input_type: netprobe, config: {test_type: tcp, targets: {itself: {target: 127.0.0.1, port: 9}}}}
  policies:
    default:
      kind: collection
      input: {tap: file, input_type: pcap}
      handlers:
        modules:
          net: {type: net}
          net2: {type: net, require_version: "2.0"}
          dns: {type: dns, metric_groups: {enable: [all]}}
          dns2: {type: dns, require_version: "2.0", metric_groups: {enable: [all]}}
          dhcp: {type: dhcp}
          bgp: {type: bgp}
          pcap: {type: pcap}
    probe: {kind: collection, input: {tap: probe, input_type: netprobe}, handlers: {modules: {netprobe: {type: netprobe, metric_groups: {enable: [all]}}}}}
`

// TestPromtool checks that promtool only complains about names that pktvisor defines and dashboards
// use.
func TestPromtool(t *testing.T) {
	promtest.Need(t, "promtool")
	known, err := os.ReadFile("testdata/promtool.txt")
	require.NoError(t, err)
	p := start(t, nil, "--config", configFile(t, fmt.Sprintf(everything, capture(t))), "--prom-instance", "edge-1")
	for _, path := range []string{"/metrics", "/api/v1/policies/__all/metrics/prometheus"} {
		_, text := p.get(path)
		require.Contains(t, text, `packets_total{instance="edge-1"`)
		cmd := exec.Command("promtool", "check", "metrics")
		cmd.Stdin = strings.NewReader(text)
		out, err := cmd.CombinedOutput()
		exit, ok := err.(*exec.ExitError)
		require.True(t, err == nil || ok && exit.ExitCode() == 3, "3 is for names, 1 for what cannot be read: %v %s", err, out)
		for line := range strings.Lines(string(out)) {
			require.Contains(t, string(known), line)
		}
	}
}

// TestPrometheus checks that Prometheus scrapes visord without errors and stores the values that
// visord shows.
func TestPrometheus(t *testing.T) {
	promtest.Need(t, "prometheus")
	p := start(t, nil, "--config", configFile(t, fmt.Sprintf(everything, capture(t))))
	target := strings.TrimPrefix(p.url, "http://")
	server := promtest.Start(t, fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 900ms}
scrape_configs:
  - {job_name: default, static_configs: [{targets: [%q]}]}
  - {job_name: all, metrics_path: /api/v1/policies/__all/metrics/prometheus, static_configs: [{targets: [%q]}]}
`, target, target))
	wait.Until(t, func() bool {
		return server.Query(`sum(sum_over_time(up[30s]))`) >= 6 && server.Query(`packets_events{job="default",policy="default"}`) >= 0
	})
	targets := server.Get("targets")
	require.Equal(t, 2, strings.Count(targets, `"health":"up"`), targets)
	require.Equal(t, 2, strings.Count(targets, `"lastError":""`), targets)
	require.Empty(t, complaints(server.Stop()))
}

// complaints returns the lines of Prometheus' log that complain of scrapes.
func complaints(log string) (out []string) {
	for line := range strings.Lines(log) {
		complaint := slices.ContainsFunc([]string{"level=warn", "level=error", "Append failed", "out of order", "duplicate"}, func(s string) bool { return strings.Contains(line, s) })
		if complaint && strings.Contains(line, "scrape") {
			out = append(out, line)
		}
	}
	return out
}
