package otlp_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/slim/otlp/collector/metrics/v1"
	"google.golang.org/protobuf/proto"

	"visor/capture"
	"visor/export/otlp"
	"visor/handler"
	"visor/handler/dns"
	"visor/internal/packettest"
)

// counted returns the snapshot of a query at a time.
func counted(t *testing.T, at time.Time) *handler.Snapshot {
	h, err := dns.New(dns.Config{Settings: handler.Settings{Periods: 1}})
	require.NoError(t, err)
	frames := []capture.Frame{packettest.UDP(0, "198.51.100.9:5000", "192.0.2.1:53", packettest.Query(1, "www.example.com", 1))}
	frames[0].TimeNS = at.UnixNano()
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{capture.NewMemory(frames)}, Handlers: []handler.Handler{h}})
	require.NoError(t, err)
	require.NoError(t, p.Run(context.Background()))
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	return snap
}

// TestMarshal marshals the sum of two snapshots with an hour between them.
func TestMarshal(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	sum, err := handler.Merge(counted(t, start), counted(t, start.Add(time.Hour)))
	require.NoError(t, err)
	data, err := otlp.Marshal("default", sum, map[string]string{"service.instance.id": "ns1"})
	require.NoError(t, err)
	var got collector.ExportMetricsServiceRequest
	require.NoError(t, proto.Unmarshal(data, &got))
	require.Equal(t, "ns1", got.ResourceMetrics[0].Resource.Attributes[0].Value.GetStringValue())
	scope := got.ResourceMetrics[0].ScopeMetrics[0]
	require.Equal(t, "pktvisor/default", scope.Scope.Name)
	for _, m := range scope.Metrics {
		if m.Name == "dns_wire_packets_queries" {
			p := m.GetGauge().DataPoints[0]
			require.EqualValues(t, 2, p.GetAsInt())
			require.EqualValues(t, start.UnixNano(), p.StartTimeUnixNano)
			require.Greater(t, p.TimeUnixNano, uint64(start.Add(time.Hour).UnixNano()), "the end of the last period")
			return
		}
	}
	t.Fatal("no queries")
}

// frozen is a source of one snapshot, whose Bucket never fails.
type frozen struct{ snap *handler.Snapshot }

func (f *frozen) Bucket(int) (*handler.Snapshot, error) { return f.snap, nil }
func (f *frozen) Totals() []handler.Totals              { return nil }

// TestFrozenSource pushes from a source without a last period. The Pusher asks as often as modules
// keep periods.
func TestFrozenSource(t *testing.T) {
	r := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer r.Close()
	of := &frozen{counted(t, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))}
	p, err := otlp.New(otlp.Config{Endpoint: r.URL, Sources: func() []otlp.Source { return []otlp.Source{{Policy: "default", Of: of}} }})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	stop()
	require.NoError(t, p.Run(ctx))
	require.EqualValues(t, 1, p.Stats().Sent)
}
