package pcapfile_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/pcapfile"
	"visor/handler"
	"visor/handler/network"
)

// TestShrinks truncates a mapped file between two batches. The remaining packets are returned, then
// an error, instead of SIGBUS.
func TestShrinks(t *testing.T) {
	const head, record = 24, 16 + 100
	for name, size := range map[string]int64{"in a record": head + 300*record + 50, "between records": head + 300*record, "to nothing": 0, "behind": head + 100*record} {
		t.Run(name, func(t *testing.T) {
			path := save(t, "shrinks.pcap", bigFile(10_000))
			r, err := pcapfile.Open(path)
			require.NoError(t, err)
			defer r.Close()
			require.True(t, r.Stable())
			var b capture.Batch
			require.NoError(t, r.ReadBatch(&b))
			n := len(b.Frames)
			require.NoError(t, os.Truncate(path, size))
			for err = r.ReadBatch(&b); err == nil; err = r.ReadBatch(&b) {
				n += len(b.Frames)
			}
			require.ErrorIs(t, err, capture.ErrShrunk)
			require.Empty(t, b.Frames)
			require.LessOrEqual(t, n, max(256, 300))
			require.GreaterOrEqual(t, n, 256)
		})
	}
}

// shrinker truncates a file when its first batch is on the way to a worker.
type shrinker struct {
	capture.Source
	path string
}

func (s *shrinker) ReadBatch(b *capture.Batch) error {
	err := s.Source.ReadBatch(b)
	_ = os.Truncate(s.path, 0)
	return err
}

func (s *shrinker) Stable() bool { return true }

// TestShrinksUnderPipeline truncates a file whose frames a worker or a fanout is about to read. The
// pipeline ends with an error and keeps its results.
func TestShrinksUnderPipeline(t *testing.T) {
	for _, queues := range []int{1, 3} {
		path := save(t, "shrinks.pcap", bigFile(10_000))
		r, err := pcapfile.Open(path)
		require.NoError(t, err)
		sources := []capture.Source{&shrinker{r, path}}
		if queues > 1 {
			sources = capture.Fanout(sources[0], capture.FanoutConfig{Queues: queues})
		}
		h, err := network.New(network.Config{Settings: handler.Settings{Periods: 1}})
		require.NoError(t, err)
		p, err := handler.NewPipeline(handler.Config{Sources: sources, Handlers: []handler.Handler{h}})
		require.NoError(t, err)
		require.ErrorIs(t, p.Run(t.Context()), capture.ErrShrunk)
		_, err = p.Bucket(0)
		require.NoError(t, err)
	}
}

// TestOtherPanicsGoOn checks that only an access to missing memory becomes an error.
func TestOtherPanicsGoOn(t *testing.T) {
	work := func(f func()) (err error) {
		defer capture.RecoverFault(&err, capture.GuardFaults())
		f()
		return nil
	}
	require.NoError(t, work(func() {}))
	var none *int
	require.Panics(t, func() { _ = work(func() { *none = 1 }) })
	require.PanicsWithValue(t, "mine", func() { _ = work(func() { panic("mine") }) })
}
