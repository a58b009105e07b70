package capture_test

import (
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
)

// frame returns a frame that identifies its origin. It is an IPv4 header with the number of the
// source as source address and the number of the frame as destination address.
func frame(source, number int, timeNS int64) capture.Frame {
	data := make([]byte, frameLen, 60)
	data[0] = 0x45
	binary.BigEndian.PutUint32(data[sourceAt:], uint32(source))
	binary.BigEndian.PutUint32(data[numberAt:], uint32(number))
	return capture.Frame{TimeNS: timeNS, Data: data, WireLen: 60, Link: decode.LinkRaw}
}

// Length of a frame, and the offsets of its two numbers.
const (
	frameLen = 20
	sourceAt = 12
	numberAt = 16
)

func frames(source int, times ...int64) []capture.Frame {
	out := make([]capture.Frame, len(times))
	for i, ts := range times {
		out[i] = frame(source, i, ts)
	}
	return out
}

// many returns n frames with timestamps one nanosecond apart.
func many(source, n int) []capture.Frame {
	out := make([]capture.Frame, n)
	for i := range out {
		out[i] = frame(source, i, int64(i))
	}
	return out
}

// readAll returns copies of all frames of src and the final error.
func readAll(t testing.TB, src capture.Source) ([]capture.Frame, error) {
	var b capture.Batch
	var out []capture.Frame
	for {
		if err := src.ReadBatch(&b); err != nil {
			require.Empty(t, b.Frames)
			return out, err
		}
		require.NotEmpty(t, b.Frames)
		for _, f := range b.Frames {
			f.Data = append([]byte(nil), f.Data...)
			out = append(out, f)
		}
	}
}

// live is a source that reuses its memory, ends with err, and hides the abilities of the source it
// wraps.
type live struct {
	mem    *capture.Memory
	buf    []byte
	size   int // frames per batch
	err    error
	wait   chan struct{} // if not nil, ReadBatch waits at the end until Close
	once   sync.Once
	closes int
	inner  capture.Batch
	at     int
}

func newLive(fr []capture.Frame, size int, err error) *live {
	return &live{mem: capture.NewMemory(fr), size: size, err: err, buf: make([]byte, 0, size*64)}
}

func (l *live) ReadBatch(b *capture.Batch) error {
	b.Reset()
	for i := range l.buf {
		l.buf[i] = 0xCC
	}
	if l.at == len(l.inner.Frames) {
		l.at = 0
		if err := l.mem.ReadBatch(&l.inner); err != nil {
			if l.wait != nil {
				<-l.wait
				return capture.ErrClosed
			}
			return l.err
		}
	}
	l.buf = l.buf[:0]
	for len(b.Frames) < l.size && l.at < len(l.inner.Frames) {
		f := l.inner.Frames[l.at]
		l.at++
		n := len(l.buf)
		l.buf = append(l.buf, f.Data...)
		f.Data = l.buf[n:]
		b.Frames = append(b.Frames, f)
	}
	return nil
}

func (l *live) Close() error {
	l.closes++
	if l.wait != nil {
		l.once.Do(func() { close(l.wait) })
	}
	return errors.New("closed")
}

func TestMemory(t *testing.T) {
	want := many(1, 3*capture.BatchSize+1)
	m := capture.NewMemory(want)
	got, err := readAll(t, m)
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, want, got)
	done, total := m.Progress()
	require.Equal(t, int64(frameLen*len(want)), done)
	require.Equal(t, done, total)
	require.NoError(t, m.Close())
	_, err = readAll(t, m)
	require.ErrorIs(t, err, capture.ErrClosed)
	m.Rewind()
	got, _ = readAll(t, m)
	require.Equal(t, want, got)
	require.True(t, capture.IsStable(m))
}

func TestMergeOrder(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   [][]int64
		want []int64
	}{
		{"nothing", nil, nil},
		{"one empty", [][]int64{{}}, nil},
		{"empty ones", [][]int64{{}, {1}, {}}, []int64{1}},
		{"interleaved", [][]int64{{1, 4}, {2, 3, 9}, {5}}, []int64{1, 2, 3, 4, 5, 9}},
		{"one goes back", [][]int64{{5, 1, 7}, {2, 6}}, []int64{2, 5, 1, 6, 7}},
		{"equal", [][]int64{{1, 1}, {1, 1}}, []int64{1, 1, 1, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var sources []capture.Source
			for i, times := range tt.in {
				sources = append(sources, capture.NewMemory(frames(i, times...)))
			}
			got, err := readAll(t, capture.Merge(sources...))
			require.ErrorIs(t, err, io.EOF)
			var times []int64
			for _, f := range got {
				times = append(times, f.TimeNS)
			}
			require.Equal(t, tt.want, times)
		})
	}
}

func TestMergeEqualTimesByArgument(t *testing.T) {
	got, _ := readAll(t, capture.Merge(
		capture.NewMemory(frames(0, 1, 1)), capture.NewMemory(frames(1, 1)), capture.NewMemory(frames(2, 1))))
	var from []uint32
	for _, f := range got {
		from = append(from, binary.BigEndian.Uint32(f.Data[sourceAt:]))
	}
	require.Equal(t, []uint32{0, 0, 1, 2}, from)
}

// TestMergeRandom checks that every frame is delivered once, with its bytes intact, in the order of
// its source and in order of time overall.
func TestMergeRandom(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var sources []capture.Source
	total := 0
	for i := range 7 {
		fr := many(i, rng.IntN(2000))
		ts := int64(0)
		for k := range fr {
			ts += rng.Int64N(int64(1 + 20*i))
			fr[k].TimeNS = ts
		}
		total += len(fr)
		sources = append(sources, newLive(fr, 1+rng.IntN(300), io.EOF))
	}
	got, err := readAll(t, capture.Merge(sources...))
	require.ErrorIs(t, err, io.EOF)
	require.Len(t, got, total)
	next, last := make([]uint32, len(sources)), int64(0)
	for _, f := range got {
		src := binary.BigEndian.Uint32(f.Data[sourceAt:])
		require.Equal(t, next[src], binary.BigEndian.Uint32(f.Data[numberAt:]))
		next[src]++
		require.GreaterOrEqual(t, f.TimeNS, last)
		last = f.TimeNS
	}
}

func TestMergeErrors(t *testing.T) {
	damage := errors.New("damage")
	src := capture.Merge(newLive(many(0, 10), 4, damage), capture.NewMemory(many(1, 1000)))
	got, err := readAll(t, src)
	require.ErrorIs(t, err, damage)
	require.Len(t, got, 1010)
	_, err = readAll(t, src)
	require.ErrorIs(t, err, damage, "it stays")
	require.Error(t, src.Close(), "closed")
	_, err = readAll(t, src)
	require.ErrorIs(t, err, capture.ErrClosed)
}

func TestMergeAbilities(t *testing.T) {
	a, b := capture.NewMemory(many(0, 10)), capture.NewMemory(many(1, 10))
	src := capture.Merge(a, b)
	require.True(t, capture.IsStable(src))
	_, total := capture.ProgressOf(src)
	require.EqualValues(t, 20*frameLen, total)
	require.Same(t, a, capture.Merge(a))

	src = capture.Merge(a, newLive(nil, 1, io.EOF))
	require.False(t, capture.IsStable(src))
	_, total = capture.ProgressOf(src)
	require.Zero(t, total, "one does not know")
	require.Zero(t, capture.DropsOf(src))
}

func TestMergeAllocs(t *testing.T) {
	a, b := capture.NewMemory(many(0, 2000)), capture.NewMemory(many(1, 2000))
	src := capture.Merge(a, b)
	var batch capture.Batch
	read := func() { require.NoError(t, src.ReadBatch(&batch)) }
	read()
	read()
	require.Zero(t, testing.AllocsPerRun(5, func() { _ = src.ReadBatch(&batch) }))
}

func BenchmarkMerge(b *testing.B) {
	mem := []*capture.Memory{capture.NewMemory(many(0, 100_000)), capture.NewMemory(many(1, 100_000)), capture.NewMemory(many(2, 100_000))}
	var batch capture.Batch
	b.ReportAllocs()
	for b.Loop() {
		sources := make([]capture.Source, len(mem))
		for i, m := range mem {
			m.Rewind()
			sources[i] = m
		}
		src := capture.Merge(sources...)
		for src.ReadBatch(&batch) == nil {
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*300_000), "ns/frame")
}
