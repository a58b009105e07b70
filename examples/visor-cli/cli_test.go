package main

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"visor/handler/policy/drill"
)

type object = map[string]any

func TestMisuse(t *testing.T) {
	for want, args := range map[string][]string{
		"unknown flag: --nope":                   {"--nope"},
		"no arguments are taken":                 {"localhost"},
		"--tls-cert and --tls-key go together":   {"--tls", "--tls-cert", "x"},
		"--tls-ca and --tls-cert need --tls":     {"--tls-ca", "x"},
		"--refresh 1ms: must be from 50ms to 1m": {"--refresh", "1ms"},
		`a port is a number from 1 to 65535`:     {"-p", "99999"},
	} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, exitMisuse, run(args, &stdout, &stderr))
		require.Contains(t, stderr.String(), want)
		require.Contains(t, stderr.String(), "Try 'visor-cli --help'.")
	}
	var stdout, stderr bytes.Buffer
	require.Equal(t, exitFailed, run([]string{"--tls", "--tls-ca", "main.go"}, &stdout, &stderr))
	require.Contains(t, stderr.String(), "main.go holds no certificate")
	require.Equal(t, exitFailed, run([]string{"--api-token-file", "/nonexistent"}, &stdout, &stderr))
}

func TestHelp(t *testing.T) {
	var stdout, stderr bytes.Buffer
	require.Equal(t, exitDone, run([]string{"-h"}, &stdout, &stderr))
	for line := range strings.Lines(stdout.String()) {
		require.LessOrEqual(t, len(line), 90, line)
	}
	for _, want := range []string{"Usage:", "Keys:", "Examples:", "--tls-noverify", "-P, --policy policy"} {
		require.Contains(t, stdout.String(), want)
	}
	stdout.Reset()
	require.Equal(t, exitDone, run([]string{"--version"}, &stdout, &stderr))
	require.Contains(t, stdout.String(), "visor-cli ")
}

// TestBase checks that a drill-down stays within the traffic that the policy counts.
func TestBase(t *testing.T) {
	var info policyInfo
	info.Taps = map[string]tapInfo{"wire": {InputType: "pcap"}}
	in := info.Input["x"]
	in.Module.Config = map[string]any{"bpf": "port 53", "iface": "eth0"}
	info.Input = map[string]struct {
		Module struct {
			Config map[string]any `json:"config"`
		} `json:"module"`
	}{"wire-5e1f": in}
	base, err := info.base("all")
	require.NoError(t, err)
	require.Equal(t, drill.Base{Policy: "all", Tap: "wire", InputType: "pcap", BPF: "port 53"}, base)
	none := policyInfo{}
	_, err = none.base("all")
	require.ErrorContains(t, err, "no tap")
}

// TestVersions checks that both versions of the handlers fill the same screen.
func TestVersions(t *testing.T) {
	s := newSummary(map[string]map[string]node{
		"net": {"net": {
			"observed_packets": 10.0, "deep_sampled_packets": 10.0, "period": object{"start_ts": 60.0, "length": 5.0},
			"in":  object{"total_packets": 4.0, "udp_packets": 4.0, "top_ipv4_packets": []any{object{"name": "192.0.2.1", "estimate": 4.0}}},
			"out": object{"total_packets": 6.0, "rates": object{"pps": object{"live": 3.0}}, "top_ipv4_packets": []any{object{"name": "192.0.2.1", "estimate": 5.0}, object{"name": "192.0.2.2", "estimate": 1.0}}},
		}},
		"dns": {"dns": {"observed_packets": 8.0, "in": object{"xacts": 3.0, "timeout_queries": 1.0, "noerror_xacts": 3.0, "top_qname2_xacts": []any{object{"name": ".example.com", "estimate": 3.0}}}}},
	})
	require.Equal(t, []float64{10, 4, 4, 6, 3}, []float64{s.packets.total, s.packets.udp, s.packets.in, s.packets.out, s.packets.rate.live})
	require.Equal(t, []item{{name: "192.0.2.1", count: 9}, {name: "192.0.2.2", count: 1}}, s.lists["top_ipv4"])
	require.Equal(t, []float64{3, 1, 4, 3}, []float64{s.dns.xacts, s.dns.timedOut, s.dns.queries, s.dns.noerror})
	require.Equal(t, ".example.com", s.lists["top_qname2"][0].name)
}

// TestPrintable checks that names from the wire cannot control the terminal.
func TestPrintable(t *testing.T) {
	require.Equal(t, "a\ufffd[2Jb\ufffd", printable("a\x1b[2Jb\u202e"))
	require.Equal(t, ".", (&item{}).label())
}

func TestSparkline(t *testing.T) {
	require.Equal(t, "▁▄█", sparkline([]float64{9, 0, 5, 10}, 3))
	require.Equal(t, "▁▁", sparkline([]float64{0, 0}, 8))
	require.Empty(t, sparkline(nil, 8))
}

// TestTLS checks that the certificate of an agent is verified, unless disabled.
func TestTLS(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer s3cret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `{"app":{"version":"4.5.0"}}`)
	}))
	defer srv.Close()
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	dir := t.TempDir()
	ca, token := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "token")
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600))
	require.NoError(t, os.WriteFile(token, []byte("s3cret"), 0o600))
	host, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	require.NoError(t, err)
	for want, args := range map[string][]string{
		"":                 {"--tls", "--tls-ca", ca, "--api-token-file", token},
		"401 Unauthorized": {"--tls-noverify"},
		"certificate":      {"--tls"},
		"400 Bad Request":  {},
	} {
		o, err := parseOptions(append([]string{"-H", host, "-p", port}, args...), nil)
		require.NoError(t, err)
		c, err := newClient(o)
		require.NoError(t, err)
		version, err := c.serverVersion(t.Context())
		if want == "" {
			require.NoError(t, err)
			require.Equal(t, "4.5.0", version)
			continue
		}
		require.ErrorContains(t, err, want)
	}
}

// TestOneDash checks that long options may have one dash.
func TestOneDash(t *testing.T) {
	o, err := parseOptions([]string{"-tls-noverify", "-host=ns1.example", "-p", "99", "-policy", "edge", "-Hns2.example"}, io.Discard)
	require.NoError(t, err)
	require.Equal(t, []any{true, "ns2.example", portNumber(99), "edge"}, []any{o.noVerify, o.host, o.port, o.policy})
	_, err = parseOptions([]string{"-help"}, io.Discard)
	require.ErrorIs(t, err, pflag.ErrHelp)
	_, err = parseOptions([]string{"-tlsx"}, io.Discard)
	require.Error(t, err)
}

// TestNoTerminal checks that the program refuses to run without a terminal and refers to the API.
func TestNoTerminal(t *testing.T) {
	var stdout, stderr bytes.Buffer
	require.Equal(t, exitFailed, run([]string{"-P", "my policy"}, &stdout, &stderr))
	require.Contains(t, stderr.String(), "standard output is not a terminal")
	require.Contains(t, stderr.String(), "curl http://localhost:10853/api/v1/policies/my%20policy/metrics/window/5")
}

// TestAdvice checks the advice for the errors that agents return.
func TestAdvice(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(map[bool]int{true: http.StatusNotFound, false: http.StatusUnauthorized}[r.Header.Get("Authorization") != ""])
	})
	secure, plain := httptest.NewTLSServer(handler), httptest.NewServer(handler)
	defer secure.Close()
	defer plain.Close()
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	token := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(token, []byte("s3cret"), 0o600))
	for _, tt := range []struct {
		server *httptest.Server
		args   []string
		want   string
	}{
		{secure, nil, "The agent speaks HTTPS: visor-cli -H 127.0.0.1 -p PORT --tls"},
		{plain, []string{"--tls"}, "The agent speaks HTTP. Leave out --tls: visor-cli -H 127.0.0.1 -p PORT"},
		{secure, []string{"--tls"}, "--tls --tls-ca FILE"},
		{secure, []string{"--tls-noverify"}, "The agent requires the token in the file of its --api-token-file: visor-cli -H 127.0.0.1 -p PORT --tls-noverify --api-token-file FILE"},
		{plain, []string{"--api-token-file", token}, "The agent has no policy of that name."},
	} {
		host, port, err := net.SplitHostPort(tt.server.Listener.Addr().String())
		require.NoError(t, err)
		o, err := parseOptions(append([]string{"-H", host, "-p", port}, tt.args...), nil)
		require.NoError(t, err)
		c, err := newClient(o)
		require.NoError(t, err)
		m := newModel(c, o)
		_, m.err = c.summary(t.Context(), "default", periods[0])
		require.Error(t, m.err)
		var all []string
		for _, a := range m.advice() {
			all = append(all, strings.ReplaceAll(a.what+" "+a.command, port, "PORT"))
		}
		require.Contains(t, strings.Join(all, "\n"), tt.want, m.err)
	}
}

// TestStartTitle checks the title for an absent agent, and for one that answers with an error.
func TestStartTitle(t *testing.T) {
	for title, err := range map[string]error{
		"No agent answers at ":     errors.New("connection refused"),
		" answers with an error\n": fmt.Errorf("summary: %w", &refusal{status: http.StatusNotFound}),
	} {
		m := &model{c: &client{base: "http://ns1"}, err: err}
		require.Contains(t, strings.Join(m.startScreen(styles{}), "\n"), title)
	}
}

func TestTimes(t *testing.T) {
	require.Equal(t, "In 20 µs/1.90 ms/2.15 ms/3.00 s", times("In", spread{p50: 20, p90: 1900, p95: 2150, p99: 3e6}))
	require.Equal(t, "In -", times("In", spread{}))
}

// TestHistogram checks that the bins of a histogram are ordered by their bounds and not cumulative.
func TestHistogram(t *testing.T) {
	buckets := node{"10": 0.0, "100": 8.0, "1000": 8.0, "20000": 9.0, "30000": 9.0, "+Inf": 9.0}
	require.Equal(t, []item{
		{name: "≤ 100 µs", count: 8, text: "████████ 8"},
		{name: "≤ 1.00 ms", text: "         0"},
		{name: "≤ 20.0 ms", count: 1, text: "█        1"},
	}, histogram(buckets, "response_us"))
	require.Equal(t, []item{{name: "more", count: 2, text: "████████ 2"}}, histogram(node{"5": 0.0, "+Inf": 2.0}, "n"))
	require.Empty(t, histogram(node{"5": 0.0, "+Inf": 0.0}, "n"))
	require.Empty(t, histogram(node{}, "n"))
	require.Equal(t, "▏       ", bar(1, 1000))
}

// TestDrillEnds: the screen returns to the policy when the agent has ended a drill-down. No number
// of it stays.
func TestDrillEnds(t *testing.T) {
	m := newModel(nil, options{policy: "all"})
	m.drill, m.now = &drilldown{"Top IPv4: 192.0.2.1", "drill-1"}, newSummary(nil)
	m.Update(summaryMsg{policy: "drill-1", err: &refusal{http.StatusServiceUnavailable, "busy"}})
	require.NotNil(t, m.drill)
	m.Update(summaryMsg{policy: "drill-1", err: &refusal{http.StatusNotFound, "policy does not exist"}})
	require.Nil(t, m.drill)
	require.Nil(t, m.now)
	require.Equal(t, "all", m.shown())
	require.Contains(t, m.note, "the agent has ended the drill-down")
}
