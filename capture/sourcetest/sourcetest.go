// Package sourcetest is the conformance suite of sources. It tests what [capture.Source] describes
// and what a pipeline relies on.
//
//	func TestConformance(t *testing.T) {
//		open := func(t testing.TB) (capture.Source, func(n int)) {
//			src, err := mysource.Open("testdata/thousand.bin")
//			require.NoError(t, err)
//			return src, nil
//		}
//		sourcetest.Run(t, sourcetest.Case{Open: open, Frames: 1000})
//	}
//
// Run it with -race: the suite closes and queries sources while they are read.
package sourcetest

import (
	"bytes"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
)

// Endless is the [Case].Frames of a source without an end.
const Endless = -1

// Case is a source under test.
type Case struct {
	// Open returns a new source. For a source that waits for frames of others it also returns a
	// function that submits n frames to it, and otherwise nil. That function does not wait for the
	// frames to be read, and n is at most 64.
	Open func(t testing.TB) (src capture.Source, submit func(n int))

	Frames int  // frames of a recording, at least 1; or Endless
	Lossy  bool // submitted frames may be lost without a count, as by a network
}

// patience is how long a source may take for what it does at once. Only a broken source takes so
// long.
const patience = 30 * time.Second

// Run tests the source.
func Run(t *testing.T, c Case) {
	if c.Frames == Endless {
		t.Run("Live", func(t *testing.T) { testLive(t, c) })
	} else {
		t.Run("Recording", func(t *testing.T) { testRecording(t, c) })
	}
	t.Run("BorrowedMemory", func(t *testing.T) { testBorrowedMemory(t, c) })
	t.Run("CloseWhileReading", func(t *testing.T) { testCloseWhileReading(t, c) })
	t.Run("AfterClose", func(t *testing.T) { testAfterClose(t, c) })
}

// reader reads a source under test.
type reader struct {
	t    testing.TB
	src  capture.Source
	b    capture.Batch
	seen int // frames so far

	submits bool // the source waits for submitted frames
}

// submitted is the number of frames that a source without an end begins with.
const submitted = 50

// open opens a source with some submitted frames.
func (c *Case) open(t testing.TB, n int) *reader {
	src, submit := c.Open(t)
	if submit != nil && n > 0 {
		submit(n)
	}
	return &reader{t: t, src: src, submits: submit != nil}
}

// read reads a batch. The batch was another source's before. It checks what holds of every batch.
func (r *reader) read() error {
	r.b.Frames = append(r.b.Frames[:0], capture.Frame{TimeNS: -1, Data: []byte("of another source")})
	r.b.Epoch, r.b.Era = 42, 7
	err := r.src.ReadBatch(&r.b)
	require.Zero(r.t, r.b.Era, "a source has no periods, and begins with Batch.Reset")
	require.Zero(r.t, r.b.Epoch, "a source has no periods, and begins with Batch.Reset")
	if err != nil {
		require.Empty(r.t, r.b.Frames, "an error comes after the frames: %v", err)
		return err
	}
	require.NotEmpty(r.t, r.b.Frames, "a source waits for a frame")
	for _, f := range r.b.Frames {
		require.NotEqual(r.t, int64(-1), f.TimeNS, "the frame of another source")
		require.LessOrEqual(r.t, len(f.Data), int(f.WireLen))
	}
	r.seen += len(r.b.Frames)
	return nil
}

// balance returns all frames that have left the source: read, dropped or filtered.
func (r *reader) balance() int {
	return r.seen + int(capture.DropsOf(r.src)) + int(capture.FilteredOf(r.src))
}

// query calls the abilities of the source.
func (r *reader) query() {
	capture.DropsOf(r.src)
	capture.FilteredOf(r.src)
	capture.ReasonsOf(r.src)
	capture.OwnOf(r.src)
	if done, total := capture.ProgressOf(r.src); total > 0 {
		require.LessOrEqual(r.t, done, total)
	}
}

// testRecording reads a recording to its end, and after it.
func testRecording(t *testing.T, c Case) {
	r := c.open(t, 0)
	stop := r.queryAllTheTime()
	defer stop()
	require.False(t, capture.IsLive(r.src), "a source with an end is a recording")
	for r.balance() < c.Frames {
		require.NoError(t, r.read(), "after %d of %d frames", r.balance(), c.Frames)
	}
	for range 3 {
		require.Equal(t, io.EOF, r.read(), "the end, each time, and not wrapped")
	}
	require.Equal(t, c.Frames, r.balance(), "frames that were read, dropped or filtered")
	require.NoError(t, r.src.Close())
	require.ErrorIs(t, r.read(), capture.ErrClosed, "Close comes after the end, too")
}

// testLive reads frames of a source without an end.
func testLive(t *testing.T, c Case) {
	r := c.open(t, submitted)
	defer r.close()
	stop := r.queryAllTheTime()
	defer stop()
	require.True(t, capture.IsLive(r.src), "a source without an end is live")
	require.NoError(t, r.read())
	for !c.Lossy && r.balance() < submitted {
		require.NoError(t, r.read())
	}
}

// testBorrowedMemory compares frames with copies that were made at once: when the next batch is
// about to be read, or for stable sources when all were read.
func testBorrowedMemory(t *testing.T, c Case) {
	src, submit := c.Open(t)
	r := &reader{t: t, src: src}
	defer r.close()
	stable := capture.IsStable(src)
	var frames []capture.Frame
	var copies [][]byte
	check := func() {
		for i := range frames {
			require.True(t, bytes.Equal(copies[i], frames[i].Data), "frame %d changed before the next ReadBatch", i)
		}
	}
	for range 10 {
		if submit != nil {
			submit(20)
		}
		if err := r.read(); err != nil {
			require.ErrorIs(t, err, io.EOF)
			break
		}
		for _, f := range r.b.Frames {
			frames, copies = append(frames, f), append(copies, bytes.Clone(f.Data))
		}
		if submit != nil {
			submit(20) // the source may receive into its buffers, not into the borrowed one
		}
		check()
		if !stable {
			frames, copies = frames[:0], copies[:0]
		}
	}
	check()
}

// testCloseWhileReading closes a source that is being read, or waits for frames.
func testCloseWhileReading(t *testing.T, c Case) {
	r := c.open(t, 0)
	ended := make(chan error)
	go func() {
		var b capture.Batch
		for {
			if err := r.src.ReadBatch(&b); err != nil {
				ended <- err
				return
			}
		}
	}()
	time.Sleep(time.Millisecond) // the reader probably waits by now; the test holds otherwise, too
	require.NoError(t, r.src.Close())
	select {
	case err := <-ended:
		if err != io.EOF {
			require.ErrorIs(t, err, capture.ErrClosed)
		}
	case <-time.After(patience):
		t.Fatal("ReadBatch still waits after Close")
	}
}

// testAfterClose reads a source after Close: the frames that it has accepted, then ErrClosed. No
// submitted frame is missing in the account.
func testAfterClose(t *testing.T, c Case) {
	r := c.open(t, submitted)
	require.NoError(t, r.src.Close())
	begun := time.Now()
	err := r.read()
	for ; err == nil; err = r.read() {
		require.Less(t, time.Since(begun), patience, "frames without an end after Close")
	}
	for range 3 {
		require.ErrorIs(t, err, capture.ErrClosed, "each time")
		err = r.read()
	}
	require.NoError(t, r.src.Close(), "Close again")
	require.ErrorIs(t, r.read(), capture.ErrClosed)
	r.query()
	if r.submits && !c.Lossy {
		require.Eventually(t, func() bool { return r.balance() == submitted }, patience, time.Millisecond,
			"submitted frames are neither read nor dropped")
	}
}

func (r *reader) close() { require.NoError(r.t, r.src.Close()) }

// queryAllTheTime calls the abilities from another goroutine, until stop is called.
func (r *reader) queryAllTheTime() (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
				r.query()
			}
		}
	})
	return func() {
		close(done)
		wg.Wait()
	}
}
