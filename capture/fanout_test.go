package capture_test

import (
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/internal/wait"
)

// got holds the frames of one queue.
type got struct {
	frames []capture.Frame
	epochs []int64 // epoch of each frame
	begun  []int64 // distinct epochs of batches, in order
	err    error
}

// drain reads all queues concurrently to their ends.
func drain(queues []capture.Source) []got {
	out := make([]got, len(queues))
	var wg sync.WaitGroup
	for i, q := range queues {
		wg.Go(func() {
			var b capture.Batch
			for {
				if out[i].err = q.ReadBatch(&b); out[i].err != nil {
					return
				}
				if n := len(out[i].begun); n == 0 || out[i].begun[n-1] != b.Epoch {
					out[i].begun = append(out[i].begun, b.Epoch)
				}
				for _, f := range b.Frames {
					f.Data = append([]byte(nil), f.Data...)
					out[i].frames = append(out[i].frames, f)
					out[i].epochs = append(out[i].epochs, b.Epoch)
				}
			}
		})
	}
	wg.Wait()
	return out
}

func closeAll(queues []capture.Source) (err error) {
	for _, q := range queues {
		if e := q.Close(); e != nil {
			err = e
		}
	}
	return err
}

func TestFanoutGivesEveryFrameOnce(t *testing.T) {
	n := 20_000
	if testing.Short() {
		n = 2000
	}
	for name, src := range map[string]func() capture.Source{
		"stable":        func() capture.Source { return capture.NewMemory(many(1, n)) },
		"full batches":  func() capture.Source { return newLive(many(1, n), capture.BatchSize, io.EOF) },
		"short batches": func() capture.Source { return newLive(many(1, n), 5, io.EOF) },
	} {
		for _, count := range []int{0, 1, 2, 3, 8} {
			t.Run(name, func(t *testing.T) {
				queues := capture.Fanout(src(), capture.FanoutConfig{Queues: count})
				require.Len(t, queues, max(count, 1))
				seen := make([]bool, n)
				for _, g := range drain(queues) {
					require.ErrorIs(t, g.err, io.EOF)
					last := -1
					for _, f := range g.frames {
						at := int(binary.BigEndian.Uint32(f.Data[numberAt:]))
						require.False(t, seen[at])
						require.Greater(t, at, last, "order within a queue")
						require.EqualValues(t, at, f.TimeNS)
						seen[at], last = true, at
					}
				}
				require.NotContains(t, seen, false)
				_ = closeAll(queues)
			})
		}
	}
}

// epochs is a source whose batches are one period each.
type epochs struct{ capture.Source }

func (e epochs) Stable() bool { return capture.IsStable(e.Source) }

func (e epochs) ReadBatch(b *capture.Batch) error {
	err := e.Source.ReadBatch(b)
	if err == nil {
		b.Epoch, b.Era = b.Frames[0].TimeNS+5, 1
	}
	return err
}

// TestFanoutPeriods checks that all queues begin all periods in order, including periods without a
// frame in a queue.
func TestFanoutPeriods(t *testing.T) {
	const periods = 40
	for _, pairs := range []int{1, 100} { // one pair of addresses sends everything to one queue
		var frames []capture.Frame
		for i := range periods * capture.BatchSize {
			frames = append(frames, frame(i%pairs, i, int64(i)))
		}
		stable := epochs{capture.NewMemory(frames)}
		copied := epochs{struct{ capture.Source }{capture.NewMemory(frames)}}
		for _, src := range []capture.Source{stable, copied} {
			queues := capture.Fanout(src, capture.FanoutConfig{Queues: 3})
			sum := 0
			for _, g := range drain(queues) {
				sum += len(g.frames)
				for i, f := range g.frames {
					require.Equal(t, f.TimeNS-f.TimeNS%capture.BatchSize+5, g.epochs[i])
				}
				require.Len(t, g.begun, periods)
				require.True(t, slices.IsSorted(g.begun))
			}
			require.Equal(t, periods*capture.BatchSize, sum)
			_ = closeAll(queues)
		}
	}
}

func TestFanoutErrorComesLast(t *testing.T) {
	damage := errors.New("damage")
	queues := capture.Fanout(newLive(many(1, 1000), 256, damage), capture.FanoutConfig{Queues: 3})
	sum := 0
	for _, g := range drain(queues) {
		require.ErrorIs(t, g.err, damage)
		sum += len(g.frames)
	}
	require.Equal(t, 1000, sum)
	require.EqualError(t, closeAll(queues), "closed")
	require.ErrorIs(t, queues[0].ReadBatch(&capture.Batch{}), capture.ErrClosed)
}

func TestFanoutCloseOneQueue(t *testing.T) {
	const n = 30_000
	for name, src := range map[string]capture.Source{
		"stable": capture.NewMemory(many(1, n)),
		"copied": newLive(many(1, n), 64, io.EOF),
	} {
		t.Run(name, func(t *testing.T) {
			queues := capture.Fanout(src, capture.FanoutConfig{Queues: 3})
			var b capture.Batch
			require.NoError(t, queues[1].ReadBatch(&b))
			first := len(b.Frames)
			require.NoError(t, queues[1].Close())
			out := drain([]capture.Source{queues[0], queues[2]})
			sum := first + len(out[0].frames) + len(out[1].frames)
			require.EqualValues(t, n-sum, capture.DropsOf(queues[1]), "everything is accounted for")
			require.Zero(t, capture.DropsOf(queues[0]))
			_ = closeAll(queues)
		})
	}
}

// counted counts the frames that a stable source has delivered. Its batches may be large.
type counted struct {
	capture.Source
	size int
	n    int
}

func (c *counted) Stable() bool { return true }

func (c *counted) ReadBatch(b *capture.Batch) error {
	var part capture.Batch
	b.Reset()
	for len(b.Frames) < c.size {
		if err := c.Source.ReadBatch(&part); err != nil {
			if len(b.Frames) > 0 {
				return nil
			}
			return err
		}
		b.Frames = append(b.Frames, part.Frames...)
		c.n += len(part.Frames)
	}
	return nil
}

// TestFanoutOfStableFrames checks that the queues read a recording by themselves, without a
// goroutine, and that frames that are in no queue at the end count as dropped.
func TestFanoutOfStableFrames(t *testing.T) {
	for _, size := range []int{1, 256, 5000} {
		synctest.Test(t, func(t *testing.T) { // fails if a goroutine is left
			src := &counted{Source: capture.NewMemory(many(1, 100_000)), size: size}
			queues := capture.Fanout(src, capture.FanoutConfig{Queues: 2})
			synctest.Wait()
			require.Zero(t, src.n, "read without a worker")
			var b capture.Batch
			given := uint64(0)
			for _, q := range queues {
				require.NoError(t, q.ReadBatch(&b))
				given += uint64(len(b.Frames))
			}
			require.NoError(t, closeAll(queues))
			require.EqualValues(t, src.n, given+capture.DropsOf(queues[0])+capture.DropsOf(queues[1]))
			require.ErrorIs(t, queues[0].ReadBatch(&b), capture.ErrClosed)
		})
	}
}

// TestFanoutMeeting lets the readers of the queues wait for each other at each new period, as the
// workers of a pipeline do. All frames are for the last queue, and a batch fills it several times.
func TestFanoutMeeting(t *testing.T) {
	const periods, size, workers = 20, 20 * capture.BatchSize, 3
	frames := many(1, periods*size)
	last := func([]byte, decode.LinkType) uint64 { return 1<<64 - 1 }
	synctest.Test(t, func(t *testing.T) { // fails if all wait
		src := epochs{&counted{Source: capture.NewMemory(frames), size: size}}
		queues := capture.NewFanout(src, capture.FanoutConfig{Queues: workers}, last)
		var meetings [periods]sync.WaitGroup
		var wg sync.WaitGroup
		for i := range meetings {
			meetings[i].Add(workers)
		}
		sum := make([]int, workers)
		for i, q := range queues {
			wg.Go(func() {
				var b capture.Batch
				for epoch, next := int64(0), 0; q.ReadBatch(&b) == nil; sum[i] += len(b.Frames) {
					if b.Epoch != epoch {
						meetings[next].Done()
						meetings[next].Wait()
						epoch = b.Epoch
						next++
					}
					time.Sleep(time.Second) // so that the other workers read
				}
			})
		}
		wg.Wait()
		require.Equal(t, []int{0, 0, len(frames)}, sum)
		_ = closeAll(queues)
	})
}

func TestFanoutCloseEndsTheGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	for _, read := range []int{0, 1, 5} {
		// exceeds the capacity, so the reader waits for a queue
		src := newLive(many(1, 100_000), 256, io.EOF)
		queues := capture.Fanout(src, capture.FanoutConfig{Queues: 2})
		var b capture.Batch
		for range read {
			require.NoError(t, queues[0].ReadBatch(&b))
		}
		require.NoError(t, queues[0].Close())
		require.NoError(t, queues[0].Close(), "twice")
		require.Error(t, queues[1].Close())
		require.Equal(t, 1, src.closes)
	}
	// a goroutine that has signalled its end may be counted for a moment longer
	wait.Until(t, func() bool { return runtime.NumGoroutine() <= before })
}

func TestFanoutCloseWakesReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newLive(many(1, 10), 4, nil)
		src.wait = make(chan struct{})
		queues := capture.Fanout(src, capture.FanoutConfig{Queues: 2})
		var wg sync.WaitGroup
		var out []got
		wg.Go(func() { out = drain(queues) })
		synctest.Wait() // all frames were passed on although the source has not ended
		_ = closeAll(queues)
		wg.Wait()
		require.Equal(t, 10, len(out[0].frames)+len(out[1].frames))
		require.ErrorIs(t, out[0].err, capture.ErrClosed)
		require.ErrorIs(t, out[1].err, capture.ErrClosed)
	})
}

func TestFanoutSlowQueueHoldsUpTheReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := capture.NewMemory(many(1, 100_000))
		queues := capture.Fanout(mem, capture.FanoutConfig{})
		time.Sleep(time.Hour)
		done, total := capture.ProgressOf(queues[0])
		require.Less(t, done, total/10)
		out := drain(queues)
		require.Len(t, out[0].frames, 100_000, "and nothing is lost")
		_ = closeAll(queues)
	})
}

func TestFanoutAllocs(t *testing.T) {
	mem := capture.NewMemory(many(1, 400_000))
	for name, src := range map[string]capture.Source{"stable": mem, "copied": newLive(many(1, 400_000), 256, io.EOF)} {
		queues := capture.Fanout(src, capture.FanoutConfig{})
		var b capture.Batch
		for range 50 {
			_ = queues[0].ReadBatch(&b)
		}
		require.Zero(t, testing.AllocsPerRun(1000, func() { _ = queues[0].ReadBatch(&b) }), name)
		require.NotEmpty(t, b.Frames)
		_ = closeAll(queues)
	}
}

func TestFanoutLargeFrame(t *testing.T) {
	fr := many(1, 4)
	fr[2].Data = make([]byte, 500_000)
	queues := capture.Fanout(newLive(fr, 4, io.EOF), capture.FanoutConfig{})
	out := drain(queues)
	require.Equal(t, fr, out[0].frames)
	_ = closeAll(queues)
}

func BenchmarkFanout(b *testing.B) {
	mem := capture.NewMemory(many(1, 500_000))
	b.ReportAllocs()
	var read atomic.Uint64
	for b.Loop() {
		mem.Rewind()
		queues := capture.Fanout(mem, capture.FanoutConfig{Queues: 2})
		var wg sync.WaitGroup
		for _, q := range queues {
			wg.Go(func() {
				var batch capture.Batch
				bytes := uint64(0)
				for q.ReadBatch(&batch) == nil {
					for i := range batch.Frames { // brings them to this core, as an analysis does
						bytes += uint64(batch.Frames[i].WireLen)
					}
				}
				read.Add(bytes)
			})
		}
		wg.Wait()
		_ = closeAll(queues)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*500_000), "ns/frame")
}

// TestFanoutChoosesByHash checks that the high bits of the hash choose the queue, so that every
// queue gets its share for any distribution of hashes.
func TestFanoutChoosesByHash(t *testing.T) {
	const n, count = 9000, 3
	hash := func(data []byte, _ decode.LinkType) uint64 {
		// rises from 0 to nearly the largest
		return (1<<64 - 1) / n * uint64(binary.BigEndian.Uint32(data[numberAt:]))
	}
	out := drain(capture.NewFanout(capture.NewMemory(many(1, n)), capture.FanoutConfig{Queues: count}, hash))
	for i, g := range out {
		require.InDelta(t, n/count, len(g.frames), 1)
		require.InDelta(t, i*n/count, g.frames[0].TimeNS, 1)
	}
}
