package handler_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/handler"
	"visor/handler/dns"
	"visor/internal/packettest"
)

// TestWorkersDoNotWaitForever has workers of unrelated sources, one of them without frames. Workers
// at the end of a period do not wait for the others. After the pipeline is stopped, no worker
// waits.
func TestWorkersDoNotWaitForever(t *testing.T) {
	var frames []capture.Frame
	for i := range 600 { // with one pair of addresses, so that one queue receives all
		frames = append(frames, packettest.UDP(time.Duration(i)*time.Second, asker, answerer, packettest.Query(uint16(i), "a.example", 1)))
	}
	run := func(ctx context.Context, workers int, sources ...capture.Source) *handler.Pipeline {
		h, err := dns.New(dns.Config{})
		require.NoError(t, err)
		p, err := handler.NewPipeline(handler.Config{Sources: sources, Workers: workers, Handlers: []handler.Handler{h}})
		require.NoError(t, err)
		require.NoError(t, p.Run(ctx))
		return p
	}
	synctest.Test(t, func(t *testing.T) {
		one := run(t.Context(), 1, capture.NewMemory(frames), capture.NewMemory(frames[:1]))
		require.Equal(t, uint64(601), one.Account().Offered)
		spread := func() capture.Source { return capture.NewMemory(frames) }
		require.Equal(t, uint64(600), run(t.Context(), 3, spread()).Account().Offered)
		require.Equal(t, uint64(1200), run(t.Context(), 3, spread(), spread()).Account().Offered)
		require.Equal(t, uint64(601), run(t.Context(), 3, spread(), capture.NewMemory(frames[:1])).Account().Offered)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		run(ctx, 3, spread())
	})
}
