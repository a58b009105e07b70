//go:build unix

package main

import (
	"fmt"
	"net"
	"net/http/httptest"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/internal/otlptest"
	"visor/internal/wait"
)

// tapped returns a configuration with a policy of dnstap, which keeps a number of periods.
func tapped(socket string, periods int) string {
	return fmt.Sprintf(`
visor:
  taps: {names: {input_type: dnstap, config: {socket: %s}}}
  policies:
    names:
      kind: collection
      input: {tap: names, input_type: dnstap}
      handlers: {window_config: {num_periods: %d}, modules: {dns: {type: dns}}}
`, socket, periods)
}

// TestCumulative checks that sums never fall while a policy is replaced, and begin again with a
// later start when visord does.
func TestCumulative(t *testing.T) {
	r := otlptest.New()
	srv := httptest.NewServer(r)
	defer srv.Close()
	host, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	require.NoError(t, err)
	socket := filepath.Join(t.TempDir(), "s")
	args := []string{
		"--admin-api", "--prom-instance", "ns1", "--otel", "--otel-metrics", "cumulative", "--otel-interval", "1", "--otel-host", host, "--otel-port", port,
		"--config", configFile(t, tapped(socket, 5)),
	}
	const queries = "visor/names visor_dns_queries_total{handler=names-names-dns,policy=names,tap=names}"
	p := start(t, nil, args...)
	sent := 0
	for i := range 4 {
		sendTapped(t, socket, 10)
		sent += 10
		wait.Until(t, func() bool { return r.Value(queries) == sent }, func() (text string) {
			r.Look(func(got *otlptest.State) { text = fmt.Sprint(sent, got.Points) })
			return text
		})
		require.Equal(t, 200, p.change("PUT", "/api/v1/policies/names", tapped(socket, 2+i)))
	}
	r.Look(func(got *otlptest.State) {
		require.Empty(t, got.Faults)
		require.Zero(t, got.Starts)
		require.Zero(t, got.Periods)
		require.Equal(t, map[string]string{"service.name": "visord", "service.instance.id": "ns1"}, got.Resource)
	})
	sendTapped(t, socket, 3) // pushed at the end
	p.counted("names", 3)
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Equal(t, exitDone, p.end())
	require.Equal(t, sent+3, r.Value(queries))

	start(t, nil, args...)
	sendTapped(t, socket, 7)
	wait.Until(t, func() bool { return r.Value(queries) == 7 })
	r.Look(func(got *otlptest.State) {
		require.Empty(t, got.Faults)
		require.NotZero(t, got.Starts)
	})
}
