package compat_test

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/collector"
	"visor/decode"
	"visor/decode/probemsg"
	"visor/handler"
	"visor/handler/flow"
	"visor/handler/netprobe"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
	"visor/internal/sharedtest"
	"visor/internal/wait"
)

// readEntries returns the unchanged entries of expected-values.json.
func readEntries(t *testing.T) (out []json.RawMessage) {
	raw, err := os.ReadFile(sharedtest.Dir(t, "reference", "expected-values.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &out))
	return out
}

// TestExpectedInputs runs the entries about the configuration of flow and probe inputs, and about
// the counts of a flow input.
func TestExpectedInputs(t *testing.T) {
	run := 0
	for _, raw := range readEntries(t) {
		var e expectation
		require.NoError(t, json.Unmarshal(raw, &e))
		if e.Handler != "" || e.Input != "flow" && e.Input != "netprobe" {
			continue
		}
		run++
		t.Run(e.ID, func(t *testing.T) {
			opts := toOptions(e.Config.TapConfig)
			switch e.Metrics {
			case "start":
				_, err := builtin.Catalog().CheckInput(e.Input, opts, nil)
				for _, a := range e.Expect {
					require.Empty(t, check(t, &e, nil, nil, err, a), "%s: %v", a.Value, err)
				}
			case "policy_info":
				require.EqualValues(t, e.Expect[0].Value, flowErrors(t, &e, opts))
			default:
				t.Fatalf("unknown kind %s", e.Metrics)
			}
		})
	}
	require.Equal(t, 13, run)
}

// flowErrors returns the number of unreadable datagrams, either from the fixture or from a socket
// that receives a datagram of two bytes.
func flowErrors(t *testing.T, e *expectation, opts policy.Options) uint64 {
	h, err := flow.New(flow.Config{})
	require.NoError(t, err)
	var src capture.Source
	if e.Fixture != "" {
		path := filepath.Join(sharedtest.Dir(t, "corpus", "pktvisor"), filepath.Base(e.Fixture))
		if _, err := os.Stat(path); err != nil {
			t.Skipf("skipped: the fixture %s is not on this machine", path)
		}
		src, err = openFixture(path, "pcap")
	} else {
		opts["port"] = uint64(1) // any: the test takes a free one
		_, err = builtin.Catalog().CheckInput("flow", opts, nil)
		require.NoError(t, err)
		src, err = collector.Listen(collector.Config{Address: net.JoinHostPort(opts["bind"].(string), "0")})
	}
	require.NoError(t, err)
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{src}, Handlers: []handler.Handler{h}})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()
	if c, ok := src.(*collector.Source); ok {
		conn, err := net.Dial("udp", c.Addr().String())
		require.NoError(t, err)
		defer conn.Close()
		for _, datagram := range []string{"bc", ""} {
			_, err := conn.Write([]byte(datagram))
			require.NoError(t, err)
		}
		wait.Until(t, func() bool { return p.Account().Offered == 2 })
		cancel()
	}
	require.NoError(t, <-done)
	return p.HandlerAccounts()["flow"].Undecodable
}

// TestExpectedProbes runs the entries with lists of probe events: two lists are the input of two
// workers.
func TestExpectedProbes(t *testing.T) {
	run := 0
	for _, raw := range readEntries(t) {
		var e expectation
		require.NoError(t, json.Unmarshal(raw, &e))
		if e.Input != "synthetic" || !strings.HasPrefix(e.Handler, "netprobe") {
			continue
		}
		run++
		t.Run(e.ID, func(t *testing.T) {
			var made struct {
				Config struct {
					Timeout int          `json:"xact_ttl_ms"`
					Events  []probeEvent `json:"events"`
					EventsA []probeEvent `json:"events_a"`
					EventsB []probeEvent `json:"events_b"`
				} `json:"config"`
			}
			require.NoError(t, json.Unmarshal(raw, &made))
			h, err := netprobe.New(netprobe.Config{Settings: handler.Settings{Name: "m", Periods: 1}, Timeout: time.Duration(made.Config.Timeout) * time.Millisecond})
			require.NoError(t, err)
			cfg := handler.Config{Handlers: []handler.Handler{h}}
			for _, events := range [][]probeEvent{append(made.Config.Events, made.Config.EventsA...), made.Config.EventsB} {
				var frames []capture.Frame
				for i := range events {
					frames = append(frames, events[i].frame(t))
				}
				cfg.Sources = append(cfg.Sources, capture.NewMemory(frames))
			}
			snap, err := runPipeline(t, cfg, "bucket/0")
			require.NoError(t, err)
			docs := moduleDocs(t, snap)
			for _, a := range e.Expect {
				a.Module = "m"
				if a.Op == "prom_contains" { // parts of a line: the name and the label
					require.Contains(t, promText(t, snap), a.Value)
					continue
				}
				require.Empty(t, check(t, &e, snap, docs, nil, a), a.Path)
			}
		})
	}
	require.Equal(t, 13, run)
}

// probeEvent is an event in the form of pktvisor's tests.
type probeEvent struct {
	T, Error, Target string
	At               json.Number
	ID, Seq          uint64
}

func (e *probeEvent) frame(t *testing.T) capture.Frame {
	kinds := map[string]probemsg.Kind{
		"DnsLookupFailure": probemsg.LookupFailed, "Timeout": probemsg.TimedOut, "SocketError": probemsg.SocketFailed,
		"InvalidIp": probemsg.BadAddress, "ConnectFailure": probemsg.ConnectFailed,
		"tcp_send": probemsg.Sent, "icmp_request": probemsg.Sent, "icmpv6_request": probemsg.Sent,
		"tcp_recv": probemsg.Received, "icmp_reply": probemsg.Received, "icmpv6_reply": probemsg.Received,
	}
	kind, ok := kinds[e.T+e.Error]
	if e.T == "fail" {
		kind, ok = kinds[e.Error]
	}
	require.True(t, ok, "%+v", e)
	at := 0.0
	if e.At != "" {
		var err error
		at, err = e.At.Float64()
		require.NoError(t, err)
	}
	b := probemsg.Event{Kind: kind, Key: e.ID<<16 | e.Seq, Target: []byte(e.Target)}.AppendTo(nil)
	return capture.Frame{TimeNS: int64(at*1e3+0.5) * 1e6, Data: b, WireLen: uint32(len(b)), Link: decode.LinkProbe}
}
