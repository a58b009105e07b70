package mangle_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/internal/mangle"
)

func TestSource(t *testing.T) {
	frames := make([]capture.Frame, 3*capture.BatchSize)
	for i := range frames {
		frames[i] = capture.Frame{TimeNS: int64(i), Data: bytes.Repeat([]byte{byte(i)}, 1+i%50), WireLen: 60, Link: 1}
	}
	src := mangle.New(capture.NewMemory(frames))
	require.False(t, capture.IsStable(src))
	var b capture.Batch
	var kept [][]byte
	for i := range 3 {
		require.NoError(t, src.ReadBatch(&b))
		require.Equal(t, frames[i*capture.BatchSize:(i+1)*capture.BatchSize], b.Frames)
		for _, data := range kept {
			require.Equal(t, bytes.Repeat([]byte{mangle.Spoilt}, len(data)), data)
		}
		kept = kept[:0]
		for _, f := range b.Frames {
			kept = append(kept, f.Data)
		}
	}
	done, total := src.Progress()
	require.Equal(t, total, done)
	require.ErrorIs(t, src.ReadBatch(&b), io.EOF)
	require.Empty(t, b.Frames)
	require.Equal(t, byte(mangle.Spoilt), kept[0][0])
	require.EqualValues(t, 255, frames[255].Data[0], "the frames of the other source are left alone")
	require.NoError(t, src.Close())
	require.ErrorIs(t, src.ReadBatch(&b), capture.ErrClosed)
}
