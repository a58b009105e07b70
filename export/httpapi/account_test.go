package httpapi_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/export/alert"
	"visor/export/httpapi"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
	"visor/internal/packettest"
	"visor/internal/wait"
)

// odd is a policy whose input has 2,000 frames. A filter rejects 500, and two have an unknown link
// type.
const odd = `
version: "1.0"
visor:
  policies:
    odd:
      kind: collection
      input: {tap: odd, input_type: pcap}
      handlers:
        window_config: {num_periods: 5, deep_sample_rate: 10}
        modules:
          net: {type: net}
`

// TestAccount checks that the account of all frames is shown in descriptions of policies and to
// Prometheus, and not among the metrics.
func TestAccount(t *testing.T) {
	a := newAgent(t, httpapi.Config{Admin: true, Instance: "edge-1"})
	require.Equal(t, 404, a.do("GET", "/metrics", "", "").Code)
	w := a.do("POST", "/api/v1/taps", "application/x-yaml", `{version: "1.0", visor: {taps: {odd: {input_type: pcap, config: {iface: odd0}}}}}`)
	require.Equal(t, 201, w.Code, w.Body)
	require.Equal(t, 201, a.do("POST", "/api/v1/policies", "application/x-yaml", odd).Code)

	type account struct {
		Offered, Analysed, Filtered, Undecodable, Dropped uint64

		NotSampled  uint64 `json:"not_sampled"`
		First, Last time.Time
		Reasons     []struct {
			Text  string
			Count uint64
		}
	}
	var answer map[string]struct {
		Input, Modules map[string]struct{ Account account }
	}
	w = a.do("GET", "/api/v1/policies", "", "")
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
	require.Len(t, answer["odd"].Input, 1)
	for name, in := range answer["odd"].Input {
		got := in.Account
		require.Equal(t, []uint64{2000, 1498, 500, 0, 2, 0}, []uint64{got.Offered, got.Analysed, got.Filtered, got.NotSampled, got.Undecodable, got.Dropped})
		require.Len(t, got.Reasons, 1)
		require.Equal(t, "unknown link type 9999", got.Reasons[0].Text)
		require.EqualValues(t, 2, got.Reasons[0].Count)
		require.InDelta(t, 180, got.Last.Sub(got.First).Seconds(), 1)

		text := a.do("GET", "/metrics", "", "").Body.String()
		labels := `{instance="edge-1",input="` + name + `",tap="odd"`
		for _, want := range []string{
			"# TYPE visor_input_frames_total counter",
			"visor_input_offered_total" + labels + "} 2000\n",
			"visor_input_running" + labels + "} 0\n",
			"visor_input_frames_total" + labels + `,result="filtered"} 500` + "\n",
			"visor_input_reasons_total" + labels + `,reason="unknown link type 9999"} 2` + "\n",
			`visor_module_offered_total{instance="edge-1",module="odd-odd-net",policy="odd"} 1500` + "\n",
		} {
			require.Contains(t, text, want)
		}
	}
	module := answer["odd"].Modules["odd-odd-net"].Account
	require.EqualValues(t, 1500, module.Offered)
	require.InDelta(t, 1350, float64(module.NotSampled), 100)
	require.Equal(t, module.Offered, module.Analysed+module.NotSampled)

	for _, path := range []string{"bucket/0", "window/5", "prometheus"} {
		body := a.do("GET", "/api/v1/policies/odd/metrics/"+path, "", "").Body.String()
		require.NotContains(t, body, "offered")
		require.False(t, strings.Contains(body, "visor_"), path)
	}

	// a policy that replaces it reads the recording again and continues its counters
	require.Equal(t, 200, a.do("PUT", "/api/v1/policies/odd", "application/x-yaml", odd).Code)
	require.Contains(t, a.do("GET", "/metrics/counters", "", "").Body.String(),
		`visor_module_offered_total{instance="edge-1",module="odd-odd-net",policy="odd"} 3000`+"\n")
}

// TestPush checks that /metrics and /api/v1/metrics/app show the counts of pushed requests.
func TestPush(t *testing.T) {
	push := httpapi.Push{Sent: 5, Refused: 1, Expired: 2, Overflowed: 3, Retries: 4, Rejected: 7, Pending: 6}
	a := newAgent(t, httpapi.Config{Admin: true, Push: func() httpapi.Push { return push }})
	require.Equal(t, 201, a.do("POST", "/api/v1/taps", "application/x-yaml", `{version: "1.0", visor: {taps: {odd: {input_type: pcap, config: {iface: odd0}}}}}`).Code)
	require.Equal(t, 201, a.do("POST", "/api/v1/policies", "application/x-yaml", odd).Code)
	text := a.do("GET", "/metrics", "", "").Body.String()
	for _, want := range []string{
		"visor_push_requests_total{result=\"sent\"} 5\n",
		"visor_push_requests_total{result=\"refused\"} 1\n",
		"visor_push_requests_total{result=\"expired\"} 2\n",
		"visor_push_requests_total{result=\"overflowed\"} 3\n",
		"visor_push_retries_total{} 4\n",
		"visor_push_points_rejected_total{} 7\n",
		"visor_push_pending{} 6\n",
	} {
		require.Contains(t, text, want)
	}
	var answer struct{ App struct{ Push httpapi.Push } }
	require.NoError(t, json.Unmarshal(a.do("GET", "/api/v1/metrics/app", "", "").Body.Bytes(), &answer))
	require.Equal(t, push, answer.App.Push)

	a = newAgent(t, httpapi.Config{Admin: true})
	require.NotContains(t, a.do("GET", "/api/v1/metrics/app", "", "").Body.String(), "push")
}

// TestAlerts checks that /metrics and /api/v1/metrics/app show the counts of alerts.
func TestAlerts(t *testing.T) {
	counts := alert.Stats{
		Counts:    alert.Counts{Open: 1, Below: 2, Silenced: 3, Cooled: 4, Dropped: 5},
		Receivers: []alert.ReceiverStats{{Name: "hook", Type: "webhook", Sent: 1, Repeated: 2, Retries: 3, Refused: 4, Expired: 5, Overflowed: 6, Pending: 7}},
	}
	a := newAgent(t, httpapi.Config{Admin: true, Alerts: func() alert.Stats { return counts }})
	text := a.do("GET", "/metrics", "", "").Body.String()
	for _, want := range []string{
		"visor_alerts_open{} 1\n",
		"visor_alert_findings_without_alert_total{reason=\"below\"} 2\n",
		"visor_alert_findings_without_alert_total{reason=\"dropped\"} 5\n",
		"visor_alert_messages_total{receiver=\"hook\",result=\"sent\"} 1\n",
		"visor_alert_messages_total{receiver=\"hook\",result=\"overflowed\"} 6\n",
		"visor_alert_repeats_total{receiver=\"hook\"} 2\n",
		"visor_alert_retries_total{receiver=\"hook\"} 3\n",
		"visor_alert_pending{receiver=\"hook\"} 7\n",
	} {
		require.Contains(t, text, want)
	}
	var answer struct{ App struct{ Alerts alert.Stats } }
	require.NoError(t, json.Unmarshal(a.do("GET", "/api/v1/metrics/app", "", "").Body.Bytes(), &answer))
	require.Equal(t, counts, answer.App.Alerts)
}

// TestReasonsNeverFall checks that data sets which wait for their template are a gauge. They count
// among the reasons when they are lost, and not when they are read at last: a counter never falls.
func TestReasonsNeverFall(t *testing.T) {
	tap := capture.NewFeed()
	m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog(), Open: func(string, policy.Options, policy.Options) (policy.Opened, error) {
		return policy.NewOpened(tap), nil
	}})
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	doc, err := builtin.Catalog().Parse([]byte(`
visor:
  taps: {routers: {input_type: flow, config: {bind: 127.0.0.1, port: 2055}}}
  policies: {default: {kind: collection, input: {tap: routers, input_type: flow}, handlers: {modules: {flow: {type: flow}}}}}
`))
	require.NoError(t, err)
	require.NoError(t, m.Load(doc))
	api, err := httpapi.New(httpapi.Config{Policies: m, Admin: true, Hosts: []string{"example.com"}})
	require.NoError(t, err)
	a := &agent{t: t, api: api, manager: m}
	a.describe("")

	export := func(sets ...[]byte) {
		f := packettest.UDP(0, "192.0.2.1:50000", "192.0.2.100:2055", packettest.NetFlow9(1, 0, sets...))
		require.True(t, tap.Packet(time.Now().UnixNano(), f.Link, f.Data))
	}
	shows := func(want ...string) {
		wait.Until(t, func() bool {
			text := a.do("GET", "/metrics", "", "").Body.String()
			return !slices.ContainsFunc(want, func(line string) bool { return !strings.Contains(text, line+"\n") })
		})
	}
	const labels, reason = `{input="`, `",tap="routers",reason="no template yet from 192.0.2.1, data sets"}`
	input := a.manager.Policies()[0].Parts[0].Input
	export(packettest.Set(256, make([]byte, 8)), packettest.Set(256, make([]byte, 8)), packettest.Set(257, make([]byte, 8)))
	shows("visor_input_waiting"+labels+input+reason+" 3", "visor_input_reasons_total"+labels+input+reason+" 0")
	require.Contains(t, a.do("GET", "/api/v1/policies", "", "").Body.String(), `"count":3,"waiting":3`)
	export(packettest.Set(0, uint16(256), uint16(1), uint16(1), uint16(8))) // octets
	shows("visor_input_waiting"+labels+input+reason+" 1", "visor_input_reasons_total"+labels+input+reason+" 0")
}
