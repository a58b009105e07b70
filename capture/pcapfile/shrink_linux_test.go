package pcapfile_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
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
			require.LessOrEqual(t, n, 300)
			require.GreaterOrEqual(t, n, 256)
		})
	}
}

// TestShrinksAnywhere truncates mapped files between two batches, to every size of a range. All
// packets before the end are returned, and none that is made of the zeros behind it.
func TestShrinksAnywhere(t *testing.T) {
	for name, build := range map[string]func(i int) []byte{
		"pcap": func(i int) []byte {
			if i < 0 {
				return pcapHead(little, 0xA1B2C3D4, 2, 4, 1)
			}
			return pcapRec(little, i, i, strings.Repeat("x", 40+i%7), 60)
		},
		"joined pcap": func(i int) []byte {
			head := []byte{}
			if i < 0 || i%300 == 299 {
				head = pcapHead(big, 0xA1B2C3D4, 2, 4, uint32(100+i))
			}
			if i < 0 {
				return head
			}
			return concat(head, pcapRec(big, i, i, strings.Repeat("x", 40+i%7), 60))
		},
		"pcapng": func(i int) []byte {
			head := []byte{}
			if i < 0 || i%100 == 99 {
				head = concat(section(little), itf(little, uint16(100+i), 0))
			}
			if i < 0 {
				return head
			}
			return concat(head, block(little, 6, 0, 0, i, 40, 60, strings.Repeat("x", 40)))
		},
		"snoop": func(i int) []byte {
			if i < 0 {
				return words(big, "snoop\x00\x00\x00", 2, 4)
			}
			return words(big, 60, 40, 24+40, 0, i, i, strings.Repeat("x", 40))
		},
	} {
		t.Run(name, func(t *testing.T) { testShrinksAnywhere(t, build) })
	}
}

// testShrinksAnywhere tests a file of what build returns for its header (-1) and its packets.
func testShrinksAnywhere(t *testing.T, build func(i int) []byte) {
	const packets = 700 // their second batch ends within a page
	file, ends := build(-1), []int{}
	for i := range packets {
		file = append(file, build(i)...)
		ends = append(ends, len(file))
	}
	all, err := read(t, file)
	require.NoError(t, err)
	require.Len(t, all, packets)
	path := filepath.Join(t.TempDir(), "shrinks")
	for size := ends[capture.BatchSize-1]; size < ends[600]; size++ {
		if size%331 > 0 && (size < ends[510] || size > ends[511]) {
			continue
		}
		require.NoError(t, os.WriteFile(path, file, 0o600))
		r, err := pcapfile.Open(path)
		require.NoError(t, err)
		var b capture.Batch
		require.NoError(t, r.ReadBatch(&b))
		require.NoError(t, os.Truncate(path, int64(size)))
		frames, err := readAll(t, r)
		require.ErrorIs(t, err, capture.ErrShrunk)
		want, _ := slices.BinarySearch(ends, size+1)
		require.Equal(t, all[:want], append(all[:len(b.Frames):len(b.Frames)], frames...), "%d bytes", size)
		require.NoError(t, r.Close())
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
