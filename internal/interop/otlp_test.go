package interop_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/grpc"

	"visor/capture"
	"visor/export/otlp"
	"visor/handler"
	"visor/handler/dns"
	"visor/internal/packettest"
	"visor/internal/wait"
)

// receiver is the official receiver of gRPC and OpenTelemetry. It counts how often each period
// arrived.
type receiver struct {
	collector.UnimplementedMetricsServiceServer
	mu    sync.Mutex
	times map[uint64]int
	sums  map[uint64]int64
}

func (r *receiver) Export(_ context.Context, req *collector.ExportMetricsServiceRequest) (*collector.ExportMetricsServiceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rm := range req.ResourceMetrics {
		for _, sm := range rm.ScopeMetrics {
			for _, m := range sm.Metrics {
				if m.Name == "dns_wire_packets_queries" {
					p := m.GetGauge().DataPoints[0]
					r.times[p.StartTimeUnixNano]++
					r.sums[p.StartTimeUnixNano] += p.GetAsInt()
				}
			}
		}
	}
	return &collector.ExportMetricsServiceResponse{}, nil
}

// listen serves r on an address, until stop.
func (r *receiver) listen(t *testing.T, address string) (at string, stop func()) {
	l, err := net.Listen("tcp", address)
	require.NoError(t, err)
	srv := grpc.NewServer()
	collector.RegisterMetricsServiceServer(srv, r)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	return l.Addr().String(), func() {
		srv.GracefulStop() // answers the accepted requests
		require.NoError(t, <-done)
	}
}

// feed is a source of the test's snapshots.
type feed chan []capture.Frame

func (f feed) ReadBatch(b *capture.Batch) error {
	frames, ok := <-f
	b.Frames = frames
	if !ok {
		return io.EOF
	}
	return nil
}

func (f feed) Close() error { return nil }

// Every period arrives exactly once at a receiver built with the gRPC library, even if that
// restarts.
func TestExactlyOnceOverGRPC(t *testing.T) {
	h, err := dns.New(dns.Config{Settings: handler.Settings{Periods: 10}})
	require.NoError(t, err)
	frames := make(feed)
	pipeline, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{frames}, Handlers: []handler.Handler{h}})
	require.NoError(t, err)
	read := make(chan error, 1)
	go func() { read <- pipeline.Run(context.Background()) }()

	r := &receiver{times: make(map[uint64]int), sums: make(map[uint64]int64)}
	address, stopServer := r.listen(t, "127.0.0.1:0")
	p, err := otlp.New(otlp.Config{
		Endpoint: "grpc://" + address, Interval: time.Millisecond, Backoff: time.Millisecond, Drain: time.Minute,
		Sources: func() []otlp.Source { return []otlp.Source{{Policy: "default", Of: pipeline}} },
	})
	require.NoError(t, err)
	ctx, end := context.WithCancel(context.Background())
	pushed := make(chan error, 1)
	go func() { pushed <- p.Run(ctx) }()

	const minutes = 30
	taken := func() uint64 { s := p.Stats(); return s.Sent + uint64(s.Pending) }
	for i := range minutes {
		switch i {
		case 8, 20:
			stopServer()
		case 15, 25:
			_, stopServer = r.listen(t, address)
		}
		var batch []capture.Frame
		for range i + 1 {
			f := packettest.UDP(0, "198.51.100.9:5000", "192.0.2.1:53", packettest.Query(1, fmt.Sprintf("n%d.example.com", i), 1))
			f.TimeNS += int64(i) * int64(time.Minute)
			batch = append(batch, f)
		}
		frames <- batch
		wait.Until(t, func() bool { return taken() >= uint64(i) }, func() string { return "the minute before has ended" })
	}
	close(frames)
	require.NoError(t, <-read)
	end()
	require.NoError(t, <-pushed)
	stopServer()
	require.Len(t, r.times, minutes)
	sum := int64(0)
	for start, n := range r.times {
		require.Equal(t, 1, n)
		sum += r.sums[start]
	}
	require.Equal(t, int64(minutes*(minutes+1)/2), sum)
	require.Zero(t, p.Stats().Lost())
}
