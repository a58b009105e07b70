package capture_test

import (
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
)

// TestSelect keeps the frames with odd timestamps, and continues after batches without one.
func TestSelect(t *testing.T) {
	frames := make([]capture.Frame, 3*capture.BatchSize)
	for i := range frames {
		frames[i].TimeNS = int64(i)
	}
	src := capture.Filter(capture.NewMemory(frames), func(f *capture.Frame) (bool, error) {
		return f.TimeNS%2 == 1 && f.TimeNS > capture.BatchSize, nil
	})
	require.True(t, capture.IsStable(src), "as the source behind it")
	var got []int64
	var b capture.Batch
	err := src.ReadBatch(&b)
	for ; err == nil; err = src.ReadBatch(&b) {
		require.NotEmpty(t, b.Frames)
		for _, f := range b.Frames {
			got = append(got, f.TimeNS)
		}
	}
	require.ErrorIs(t, err, io.EOF)
	require.Empty(t, b.Frames)
	require.Len(t, got, capture.BatchSize)
	require.EqualValues(t, capture.BatchSize+1, got[0])
	require.EqualValues(t, 2*capture.BatchSize, capture.FilteredOf(src))
	require.NoError(t, src.Close())
}

// excused is a source with reasons.
type excused struct{ *capture.Memory }

func (excused) Reasons() []capture.Reason { return []capture.Reason{{Text: "late", Count: 2}} }

// TestAbilitiesThrough checks that wrappers pass on the counts and reasons of the wrapped source.
func TestAbilitiesThrough(t *testing.T) {
	drop := func(*capture.Frame) (bool, error) { return false, nil }
	inner := func() capture.Source { return capture.Filter(excused{capture.NewMemory(many(0, 10))}, drop) }
	queues := capture.Fanout(capture.Filter(capture.Merge(inner(), inner()), drop), capture.FanoutConfig{Queues: 2})
	for _, q := range queues {
		_, err := readAll(t, q)
		require.ErrorIs(t, err, io.EOF)
	}
	require.EqualValues(t, 20, capture.FilteredOf(queues[0]))
	require.Zero(t, capture.FilteredOf(queues[1]))
	require.Equal(t, []capture.Reason{{Text: "late", Count: 2}, {Text: "late", Count: 2}}, capture.ReasonsOf(queues[0]))
	require.Nil(t, capture.ReasonsOf(queues[1]))
	for _, q := range queues {
		require.NoError(t, q.Close())
	}
}

// TestSelectFails checks that the frames before an error come first, and that the error is final.
func TestSelectFails(t *testing.T) {
	wrong := errors.New("wrong")
	src := capture.Filter(capture.NewMemory([]capture.Frame{{TimeNS: 1}, {TimeNS: 2}, {TimeNS: 3}}), func(f *capture.Frame) (bool, error) {
		if f.TimeNS == 2 {
			return false, wrong
		}
		return true, nil
	})
	var b capture.Batch
	require.NoError(t, src.ReadBatch(&b))
	require.Len(t, b.Frames, 1)
	for range 2 {
		require.ErrorIs(t, src.ReadBatch(&b), wrong)
		require.Empty(t, b.Frames)
	}
}
