package handler_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/handler"
	"visor/handler/metric"
	"visor/internal/packettest"
)

// scripted is a live source. It returns frames at the given times after its first ReadBatch, until
// it is closed.
type scripted struct {
	at     []time.Duration
	frame  capture.Frame
	counts []int
	began  time.Time
	closed chan struct{}
}

func newScripted(at ...time.Duration) *scripted {
	return &scripted{at: at, frame: packettest.UDP(0, "198.51.100.9:5000", "192.0.2.1:53", packettest.Query(1, "a.example", 1)), closed: make(chan struct{})}
}

func (s *scripted) ReadBatch(b *capture.Batch) error {
	b.Reset()
	if s.began.IsZero() {
		s.began = time.Now()
	}
	if len(s.at) == 0 {
		<-s.closed
		return capture.ErrClosed
	}
	select {
	case <-s.closed:
		return capture.ErrClosed
	case now := <-time.After(time.Until(s.began.Add(s.at[0]))):
		s.frame.TimeNS = now.UnixNano()
		for range s.counts[0] {
			b.Frames = append(b.Frames, s.frame)
		}
		s.at, s.counts = s.at[1:], s.counts[1:]
		return nil
	}
}

func (s *scripted) Live() bool { return true }

func (s *scripted) Close() error {
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	return nil
}

// rates returns the rates of all modules by their Prometheus names.
func rates(t testing.TB, snap *handler.Snapshot, err error) map[string]metric.Quantiles {
	require.NoError(t, err)
	out := make(map[string]metric.Quantiles)
	for i := range snap.Modules {
		for _, v := range snap.Modules[i].Values() {
			if v.Kind == metric.KindRate {
				out[v.Prom] = v.Quantiles
			}
		}
	}
	return out
}

// TestLiveRates has 420 messages in two seconds of the first minute, from two workers, and silence
// in the next. Each of the 60 seconds counts, even if a worker was silent in it.
func TestLiveRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy, other := newScripted(10*time.Second, 40*time.Second), newScripted(40*time.Second)
		busy.counts, other.counts = []int{140, 200}, []int{80}
		p, err := handler.NewPipeline(handler.Config{
			Sources: []capture.Source{busy, other, newScripted()}, Handlers: handlers(t, handler.Settings{Enable: []string{"all"}}),
		})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		defer func() {
			cancel()
			require.NoError(t, <-done)
		}()

		time.Sleep(30*time.Second + time.Millisecond)
		snap, err := p.Bucket(0)
		require.Equal(t, metric.Quantiles{N: 30, P50: 0, P90: 0, P95: 0, P99: 140, Max: 140, Sum: 140, HasLive: true}, rates(t, snap, err)["dns_rates_total"])

		time.Sleep(time.Minute)
		snap, err = p.Bucket(1)
		minute := rates(t, snap, err)
		for _, name := range []string{"dns_rates_events", "dns_rates_total", "packets_rates_pps_events", "packets_rates_pps_total"} {
			require.Equal(t, metric.Quantiles{N: 60, P99: 280, Max: 280, Sum: 420}, minute[name], name)
		}
		for _, name := range []string{"packets_rates_pps_in", "packets_rates_pps_out", "payload_rates_bytes_in"} {
			require.Equal(t, metric.Quantiles{N: 60}, minute[name], "a direction without packets: %s", name)
		}
		snap, err = p.Bucket(0)
		require.Equal(t, metric.Quantiles{N: 30, HasLive: true}, rates(t, snap, err)["dns_rates_total"], "nothing since the minute began")
		snap, err = p.Window(2)
		require.Equal(t, metric.Quantiles{N: 90, P99: 280, Max: 280, Sum: 420, HasLive: true}, rates(t, snap, err)["dns_rates_total"])

		late, err := p.Attach(handler.AttachConfig{Handlers: handlers(t, handler.Settings{})})
		require.NoError(t, err)
		time.Sleep(10 * time.Second)
		snap, err = late.Bucket(0)
		require.Equal(t, uint64(10), rates(t, snap, err)["dns_rates_total"].N, "since it was attached")
		late.Detach()
		time.Sleep(5 * time.Second)
		snap, err = late.Bucket(0)
		require.Equal(t, uint64(10), rates(t, snap, err)["dns_rates_total"].N, "until it was detached")
	})
}

// TestRecordedRates checks that rates span the first packet to the last, including the silence
// between periods.
func TestRecordedRates(t *testing.T) {
	f := packettest.UDP(0, "198.51.100.9:5000", "192.0.2.1:53", packettest.Query(1, "a.example", 1))
	frames := []capture.Frame{
		at(f, 500*time.Millisecond), at(f, 59*time.Second), at(f, 60*time.Second+400*time.Millisecond),
		at(f, 30*time.Second), // late: it counts in the second of arrival
		at(f, 121*time.Second), at(f, 125*time.Second),
	}
	for _, workers := range []int{1, 3} {
		p := runBy(t, workers, handler.Settings{}, capture.NewMemory(frames))
		for bucket, want := range []metric.Quantiles{
			{N: 5, P90: 1, P95: 1, P99: 1, Max: 1, Sum: 2}, {N: 61, P99: 2, Max: 2, Sum: 2}, {N: 60, P99: 1, Max: 1, Sum: 2},
		} {
			snap, err := p.Bucket(bucket)
			require.Equal(t, want, rates(t, snap, err)["packets_rates_pps_total"], "bucket %d", bucket)
		}
		snap, err := p.Window(5)
		require.Equal(t, metric.Quantiles{N: 126, P99: 1, Max: 2, Sum: 6}, rates(t, snap, err)["packets_rates_pps_total"])
	}
	snap, err := run(t, handler.Settings{}, capture.NewMemory(nil)).Bucket(0)
	none, known := rates(t, snap, err)["packets_rates_pps_total"]
	require.True(t, known)
	require.Equal(t, metric.Quantiles{}, none)
}
