package compat_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/handler"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
	"visor/internal/packettest"
)

// synthetic is the part of an entry of expected-values.json without a fixture: pktvisor's test
// calls its metrics with these events.
type synthetic struct {
	Config struct {
		Events  []event `json:"events"`
		EventsA []event `json:"events_a"`
		EventsB []event `json:"events_b"`
	} `json:"config"`
}

type event struct {
	Dir, L3, L4, QR string
	Size            int
}

// frame returns a packet for the event.
func (e *event) frame(n int) capture.Frame {
	from, to := "198.51.100.1:53", "203.0.113.1:5000"
	if e.L3 == "ipv6" {
		from, to = "[2001:db8:1::1]:53", "[2001:db8:2::1]:5000"
	}
	switch e.Dir {
	case "in":
		to = map[string]string{"ipv4": "192.0.2.1:5000", "ipv6": "[2001:db8:53::1]:5000"}[e.L3]
	case "out":
		from = map[string]string{"ipv4": "192.0.2.1:53", "ipv6": "[2001:db8:53::1]:53"}[e.L3]
	}
	payload := make([]byte, e.Size)
	if e.QR != "" {
		payload = packettest.Query(uint16(n), "a.example.", 1)
		if e.QR == "response" {
			payload = packettest.Reply(payload, 0, 1)
		} else {
			from, to = to, from
		}
	}
	if e.L4 != "tcp" {
		return packettest.UDP(0, from, to, payload)
	}
	if e.QR != "" {
		payload = packettest.Stream(payload)
	}
	return packettest.TCP(0, from, to, decode.FlagACK, 1, 1, payload)
}

// TestExpectedSynthetic runs the entries with lists of packet events: two lists are the input of
// two workers.
func TestExpectedSynthetic(t *testing.T) {
	run := 0
	for _, entry := range readEntries(t) {
		var e expectation
		require.NoError(t, json.Unmarshal(entry, &e))
		if e.Input != "synthetic" || !ours.MatchString(e.Handler) {
			continue
		}
		var made synthetic
		require.NoError(t, json.Unmarshal(entry, &made))
		run++
		t.Run(e.ID, func(t *testing.T) {
			typ, version := e.Handler[:3], e.Handler[4:]
			h, err := builtin.Catalog().Build(policy.Module{Name: "m", Type: typ, Version: version, Config: policy.Options{"num_periods": uint64(1)}}, policy.Env{})
			require.NoError(t, err)
			hosts, err := decode.ParseNetSet("192.0.2.0/24,2001:db8:53::/48")
			require.NoError(t, err)
			cfg := handler.Config{Handlers: []handler.Handler{h}, Hosts: hosts}
			for _, events := range [][]event{append(made.Config.Events, made.Config.EventsA...), made.Config.EventsB} {
				var frames []capture.Frame
				for i := range events {
					f := events[i].frame(i)
					f.TimeNS += int64(i) * int64(time.Millisecond)
					frames = append(frames, f)
				}
				cfg.Sources = append(cfg.Sources, capture.NewMemory(frames))
			}
			snap, err := runPipeline(t, cfg, "bucket/0")
			require.NoError(t, err)
			docs := moduleDocs(t, snap)
			for _, a := range e.Expect {
				a.Module = "m"
				require.Empty(t, check(t, &e, snap, docs, nil, a), a.Path)
			}
		})
	}
	require.Equal(t, 3, run)
}
