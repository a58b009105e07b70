package dnstap_test

import (
	"bytes"
	"io"
	"testing"

	framestream "github.com/farsightsec/golang-framestream"
	"github.com/stretchr/testify/require"

	"visor/capture/dnstap"
)

// viaFramestream reads a file by golang-framestream. It returns the number of frames and the final
// error.
func viaFramestream(t testing.TB, raw []byte, buf []byte) (n int, err error) {
	options := &framestream.ReaderOptions{ContentTypes: [][]byte{[]byte(contentType)}}
	r, err := framestream.NewReader(bytes.NewReader(raw), options)
	require.NoError(t, err)
	for {
		if _, err := r.ReadFrame(buf); err != nil {
			return n, err
		}
		n++
	}
}

// TestWhyOwnReader shows what golang-framestream does with two damaged files and a good one. A file
// that is cut behind a length ends like a whole one; a frame that is too long is left out; the
// second of two concatenated files is not read. File reports the first two, and reads the third.
func TestWhyOwnReader(t *testing.T) {
	buf := make([]byte, 1<<10)
	whole := file(10)
	cut := whole[:len(whole)-len(control(stop, ""))]
	cut = append(bytes.Clone(cut), 0, 0, 0, 100)
	long := append(data(make([]byte, 2<<20)), whole[len(control(begin, contentType)):]...)
	long = append(control(begin, contentType), long...)
	for _, tt := range []struct {
		name   string
		raw    []byte
		theirs int
		err    error
		ours   int
		text   string
	}{
		{"cut", cut, 10, io.EOF, 10, "file ends within a frame"},
		{"long", long, 0, framestream.ErrDataFrameTooLarge, 0, "frame is longer than 1 MiB"},
		{"concatenated", append(bytes.Clone(whole), whole...), 10, framestream.EOF, 20, ""},
	} {
		n, err := viaFramestream(t, tt.raw, buf)
		require.Equal(t, tt.err, err, tt.name)
		require.Equal(t, tt.theirs, n, tt.name)
		src, err := dnstap.NewFile(bytes.NewReader(tt.raw), "file")
		require.NoError(t, err)
		frames, err := readAll(t, src)
		require.Len(t, frames, tt.ours, tt.name)
		if tt.text == "" {
			require.Equal(t, io.EOF, err)
		} else {
			require.ErrorContains(t, err, tt.text)
		}
	}
}

// BenchmarkFramestream reads the file of BenchmarkFile by golang-framestream, without times and
// batches. It allocates for the length of each frame.
func BenchmarkFramestream(b *testing.B) {
	raw, buf := file(10_000), make([]byte, 1<<20)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = viaFramestream(b, raw, buf)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10_000, "ns/frame")
	b.ReportMetric(0, "ns/op")
}
