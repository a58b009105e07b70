package interop_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/influxdata/telegraf/plugins/parsers/json"
	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/export/httpapi"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
	"visor/internal/trafficgen"
)

// telegraf's JSON parser reads our numbers as fields. The manual's [[inputs.http]] reads a URL with
// it (data_format = "json").
func TestTelegraf(t *testing.T) {
	open := func(string, policy.Options, policy.Options) (policy.Opened, error) {
		frames, _ := trafficgen.Frames(trafficgen.Mixed(500))
		return policy.Opened{Sources: []capture.Source{capture.NewMemory(frames)}}, nil
	}
	m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog(), Open: open})
	defer m.Close()
	require.NoError(t, m.AddTap(policy.Tap{Name: "default", InputType: "pcap"}))
	r, err := m.AddPolicy(policy.Policy{
		Name: "default", Input: policy.Input{Tap: "default", InputType: "pcap"}, Modules: []policy.Module{{Name: "net", Type: "net"}, {Name: "dns", Type: "dns"}},
	})
	require.NoError(t, err)
	<-r.Parts[0].Ended()
	api, err := httpapi.New(httpapi.Config{Policies: m})
	require.NoError(t, err)
	srv := httptest.NewServer(api)
	defer srv.Close()
	for path, field := range map[string]string{
		"/api/v1/metrics/bucket/0":                  "1m_packets_total",
		"/api/v1/metrics/window/5":                  "5m_packets_events",
		"/api/v1/policies/default/metrics/bucket/0": "default_default-default-net_packets_total",
	} {
		resp, err := http.Get(srv.URL + path)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		p := &json.Parser{MetricName: "visor"}
		require.NoError(t, p.Init())
		metrics, err := p.Parse(body)
		require.NoError(t, err)
		require.Len(t, metrics, 1)
		value, ok := metrics[0].GetField(field)
		require.True(t, ok, "%s in %s", field, body)
		require.EqualValues(t, 500, value)
	}
}
