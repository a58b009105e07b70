package main

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/internal/wait"
)

// TestMock checks that a demonstration needs no privileges. A user's policy on the tap 'default'
// has its own input, as in pktvisord, because pktvisor's behave scenarios count inputs.
func TestMock(t *testing.T) {
	p := start(t, nil, "--admin-api", "mock")
	resp, err := http.Post(p.url+"/api/v1/policies", "application/x-yaml", strings.NewReader(`
visor: {policies: {own: {kind: collection, input: {tap: default, input_type: pcap}, handlers: {modules: {net: {type: net}}}}}}`))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 201, resp.StatusCode)
	_, body := p.get("/api/v1/policies")
	var all map[string]struct {
		Input map[string]struct {
			Pcap struct {
				Source string `json:"pcap_source"`
			} `json:"pcap"`
		} `json:"input"`
	}
	require.NoError(t, json.Unmarshal([]byte(body), &all))
	require.Len(t, all, 4, "two policies, and one for each of their inputs: %s", body)
	for name := range all["default"].Input {
		require.NotContains(t, all["own"].Input, name)
		require.Equal(t, "mock", all["default"].Input[name].Pcap.Source)
	}
	wait.Until(t, func() bool {
		_, body := p.get("/api/v1/metrics/bucket/0")
		return strings.Contains(body, `"dns":{`) && strings.Contains(body, `"in":`)
	})
	_, taps := p.get("/api/v1/taps")
	resp, err = http.Post(p.url+"/api/v1/taps", "application/json", strings.NewReader(strings.Replace(taps, `"default"`, `"copy"`, 1)))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 201, resp.StatusCode, "what the API shows of taps can be posted back")
}

// TestPartialStart checks that a policy that cannot start does not end visord or other policies,
// except with --strict, or if nothing else runs.
func TestPartialStart(t *testing.T) {
	const text = `
visor:
  taps: {demo: {input_type: mock}, wire: {input_type: pcap, config: {iface: nosuch0}}}
  policies:
    bad: {kind: collection, input: {tap: wire, input_type: pcap}, handlers: {modules: {net: {type: net}}}}
    good: {kind: collection, input: {tap: demo, input_type: mock}, handlers: {modules: {net: {type: net}}}}
`
	path := configFile(t, text)
	p := start(t, nil, "--config", path)
	require.Equal(t, []string{"good"}, p.policies())
	require.Contains(t, p.lines(), `[error] policy [bad] failed to start: Couldn't find interface by provided name: "nosuch0". Available interfaces: `)
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGHUP))
	p.logged("configuration reloaded in part from " + path + ": policies with errors run on as they were, or not at all")
	require.Equal(t, 2, strings.Count(p.lines(), `[error] policy [bad] failed to start: Couldn't find interface`), "in the same words as at the start")
	require.NotContains(t, p.lines(), "configuration reloaded from")
	require.Equal(t, []string{"good"}, p.policies())

	code, log := p.fails("--strict", "--config", path)
	require.Equal(t, exitFailed, code)
	require.Contains(t, log, "nosuch0")
	code, log = p.fails("--config", configFile(t, strings.Replace(text, "good:", "# good:", 1)))
	require.Equal(t, exitFailed, code)
	require.Contains(t, log, "no policy runs")
}

// fails runs visord until it exits.
func (p *process) fails(args ...string) (code int, log string) {
	var out strings.Builder
	cmd := exec.Command(program.Path(p.t), append([]string{"-p", "0"}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &out
	_ = cmd.Run() // the exit code is checked
	return cmd.ProcessState.ExitCode(), out.String()
}

// TestReceiverAway checks that an unreachable OpenTelemetry receiver neither delays the end for
// long nor causes a failure.
func TestReceiverAway(t *testing.T) {
	p := start(t, nil, "--otel", "--otel-port", "1", "--config", configFile(t, document(capture(t), "second")))
	wait.Until(t, func() bool {
		_, body := p.get("/api/v1/policies/recorded/metrics/window/3")
		return strings.Contains(body, `"events":1000`)
	})
	before := time.Now()
	require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
	require.Equal(t, exitDone, p.end())
	require.Less(t, time.Since(before), 8*time.Second, "it was 10 s; 1 s and what a busy machine needs")
	require.Contains(t, p.lines(), "[warning] otlp: http://localhost:1/v1/metrics did not take all before the end: ")
	require.Contains(t, p.lines(), "recorded")
}
