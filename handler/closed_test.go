package handler_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/handler"
	"visor/handler/dns"
	"visor/handler/network"
)

// steadily returns one query in each of n seconds, from a client that changes by the second.
func steadily(n int) []capture.Frame {
	seconds := make([]int64, n)
	for i := range seconds {
		seconds[i] = int64(i)
	}
	return queries(seconds...)
}

// Each period of a recording arrives once, complete and in order, although only two are kept.
func TestClosedOfRecording(t *testing.T) {
	for _, workers := range []int{1, 4} {
		var starts []int64
		var counts []uint64
		net, err := network.New(network.Config{Settings: handler.Settings{Periods: 2}})
		require.NoError(t, err)
		names, err := dns.New(dns.Config{Settings: handler.Settings{Periods: 3}})
		require.NoError(t, err)
		p, err := handler.NewPipeline(handler.Config{
			Sources: []capture.Source{capture.NewMemory(steadily(125))}, Workers: workers, Period: 10 * time.Second,
			Handlers: []handler.Handler{net, names},
			Closed: func(s *handler.Snapshot) {
				require.Equal(t, 10*time.Second, s.Period)
				starts = append(starts, s.Modules[0].Start.Unix()-steadily(1)[0].TimeNS/1e9)
				counts = append(counts, network.From(s).Total.Value())
				require.Equal(t, counts[len(counts)-1], dns.From(s).Total.Value(), "both handlers have the same period")
			},
		})
		require.NoError(t, err)
		require.NoError(t, p.Run(context.Background()))
		require.Equal(t, []int64{0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120}, starts)
		require.Equal(t, []uint64{10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 5}, counts)
	}
}

// An unusable Closed is an error at the start.
func TestClosedRefuses(t *testing.T) {
	one, err := network.New(network.Config{Settings: handler.Settings{Periods: 1}})
	require.NoError(t, err)
	two, err := network.New(network.Config{Settings: handler.Settings{Periods: 2}})
	require.NoError(t, err)
	src := func() capture.Source { return capture.NewMemory(nil) }
	for _, tt := range []struct {
		cfg  handler.Config
		want string
	}{
		{handler.Config{Sources: []capture.Source{src()}, Handlers: []handler.Handler{one}}, "handler: Closed needs 2 periods, and net keeps 1"},
		{handler.Config{Sources: []capture.Source{src(), src()}, Handlers: []handler.Handler{two}}, "handler: Closed needs common periods, and 2 recordings have their own"},
		{handler.Config{Sources: []capture.Source{src()}, Period: 1500 * time.Millisecond}, "handler: Config.Period is 1.5s: must be whole seconds"},
	} {
		tt.cfg.Closed = func(*handler.Snapshot) {}
		_, err := handler.NewPipeline(tt.cfg)
		require.EqualError(t, err, tt.want)
	}
}
