package dnstap_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/dnstap"
	"visor/decode"
	"visor/internal/sharedtest"
)

func TestFile(t *testing.T) {
	for _, in := range []io.Reader{bytes.NewReader(file(1000)), dribble{bytes.NewReader(file(1000))}} {
		src, err := dnstap.NewFile(in, "test")
		require.NoError(t, err)
		frames, err := readAll(t, src)
		require.ErrorIs(t, err, io.EOF)
		require.Len(t, frames, 1000)
		requireMessages(t, 0, frames)
		require.Equal(t, decode.LinkDNSTap, frames[0].Link)
		require.ErrorIs(t, src.ReadBatch(&capture.Batch{}), io.EOF, "again")
		require.NoError(t, src.Close())
		require.ErrorIs(t, src.ReadBatch(&capture.Batch{}), capture.ErrClosed)
	}
}

func TestOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.dnstap")
	require.NoError(t, os.WriteFile(path, file(500), 0o600))
	src, err := dnstap.Open(path)
	require.NoError(t, err)
	frames, err := readAll(t, src)
	require.ErrorIs(t, err, io.EOF)
	require.Len(t, frames, 500)
	done, total := src.Progress()
	require.Equal(t, total, done)
	require.NoError(t, src.Close())

	_, err = dnstap.Open(path + ".missing")
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestLargeFrames reads frames of many sizes: larger than the reader's buffer, larger than a batch,
// and up to the limit.
func TestLargeFrames(t *testing.T) {
	b := control(begin, contentType)
	sizes := []int{1, 16 << 10, 16<<10 - 4, 16<<10 - 3, 100, 64 << 10, 200 << 10, 1 << 20, 5}
	for i, n := range sizes {
		b = append(b, data(bytes.Repeat([]byte{byte(i)}, n))...)
	}
	// no STOP frame, as if the writer had been killed between two frames
	src, err := dnstap.NewFile(bytes.NewReader(b), "test")
	require.NoError(t, err)
	frames, err := readAll(t, src)
	require.ErrorIs(t, err, io.EOF)
	require.Len(t, frames, len(sizes))
	for i, n := range sizes {
		require.Equal(t, bytes.Repeat([]byte{byte(i)}, n), frames[i].Data)
	}
}

// TestConcatenated reads concatenated files, one of them without an end.
func TestConcatenated(t *testing.T) {
	unfinished := file(20)
	unfinished = unfinished[:len(unfinished)-len(control(stop, ""))]
	for name, b := range map[string][]byte{
		"two":          append(file(20), file(20)...),
		"unfinished":   append(unfinished, file(20)...),
		"one of none":  append(append(file(20), file(0)...), file(20)...),
		"without STOP": append(file(20), unfinished...),
	} {
		src, err := dnstap.NewFile(bytes.NewReader(b), "test")
		require.NoError(t, err, name)
		frames, err := readAll(t, src)
		require.ErrorIs(t, err, io.EOF, name)
		require.Len(t, frames, 40, name)
		requireMessages(t, 0, frames[:20])
		requireMessages(t, 0, frames[20:])
	}
}

// TestCompressed reads compressed files through a pipe and checks the progress.
func TestCompressed(t *testing.T) {
	var gz, zst bytes.Buffer
	for range 2 {
		w := gzip.NewWriter(&gz)
		_, err := w.Write(file(500))
		require.NoError(t, err)
		require.NoError(t, w.Close())
	}
	z, err := zstd.NewWriter(&zst)
	require.NoError(t, err)
	_, err = z.Write(append(file(500), file(500)...))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	for _, packed := range []*bytes.Buffer{&gz, &zst} {
		path := filepath.Join(t.TempDir(), "packed")
		require.NoError(t, os.WriteFile(path, packed.Bytes(), 0o600))
		onDisk, err := dnstap.Open(path)
		require.NoError(t, err)
		piped, err := dnstap.NewFile(dribble{bytes.NewReader(packed.Bytes())}, "standard input")
		require.NoError(t, err)
		for _, src := range []*dnstap.File{onDisk, piped} {
			frames, err := readAll(t, src)
			require.ErrorIs(t, err, io.EOF)
			require.Len(t, frames, 1000)
			requireMessages(t, 0, frames[500:])
			done, _ := src.Progress()
			require.EqualValues(t, packed.Len(), done)
		}
	}
	cut, err := dnstap.NewFile(bytes.NewReader(gz.Bytes()[:gz.Len()*9/10]), "cut")
	require.NoError(t, err)
	frames, err := readAll(t, cut)
	require.ErrorContains(t, err, "dnstap: cut: offset")
	require.NotEmpty(t, frames)
}

// TestPipe writes messages to a pipe one by one. Each is read before the next is written.
func TestPipe(t *testing.T) {
	in, out := io.Pipe()
	go func() { _, _ = out.Write(control(begin, contentType)) }()
	src, err := dnstap.NewFile(in, "pipe")
	require.NoError(t, err)
	defer src.Close()
	var b capture.Batch
	for i := range 3 {
		go func() { _, _ = out.Write(data(message(i))) }()
		require.NoError(t, src.ReadBatch(&b))
		requireMessages(t, i, b.Frames)
		require.Len(t, b.Frames, 1)
	}
}

// TestFileCut cuts a file at any offset. The whole frames are returned, then an error with the
// offset.
func TestFileCut(t *testing.T) {
	whole := file(3)
	first := len(control(begin, contentType))
	for n := range whole {
		src, err := dnstap.NewFile(bytes.NewReader(whole[:n]), "cut")
		if n < first {
			require.ErrorContains(t, err, "dnstap: cut: offset 0: ", "%d bytes", n)
			continue
		}
		require.NoError(t, err)
		frames, err := readAll(t, src)
		requireMessages(t, 0, frames)
		offset := first
		for range frames {
			offset += len(data(message(0)))
		}
		if n == offset {
			require.ErrorIs(t, err, io.EOF)
			continue
		}
		require.EqualError(t, err, fmt.Sprintf("dnstap: cut: offset %d: file ends within a frame", offset))
	}
}

func TestFileErrors(t *testing.T) {
	started := control(begin, contentType)
	for _, tt := range []struct {
		name, want string
		bytes      []byte
	}{
		{"empty", "offset 0: empty file, where Frame Streams were expected", nil},
		{"a pcap file", "not Frame Streams", []byte("\xD4\xC3\xB2\xA1\x02\x00\x04\x00")},
		{"another content", `does not carry "protobuf:dnstap.Dnstap"`, control(begin, "protobuf:other")},
		{"long control frame", "control frame is malformed", binary.BigEndian.AppendUint32(make([]byte, 4), 513)},
		{"short control frame", "control frame is malformed", append(binary.BigEndian.AppendUint32(make([]byte, 4), 3), 1, 2, 3)},
		{"field beyond its frame", "control frame is malformed", bytes.Replace(started, []byte{0, 0, 0, 22}, []byte{0, 0, 0, 23}, 1)},
		{"frame of 1 MiB and a byte", "longer than 1 MiB", append(started[:len(started):len(started)], 0, 0x10, 0, 1)},
		{"two ends", "frames come in an order", append(file(1), control(stop, "")...)},
		{"bytes behind the end", "do not begin another one", append(file(1), "more"...)},
		{"another content behind the end", "does not carry", append(file(1), control(begin, "protobuf:other")...)},
		{"xz", "compressed by xz, which is not read here; unpack it into a pipe: xz -dc bad | visor-reader -i dnstap -", []byte("\xFD7zXZ\x00\x00\x04")},
		{"damaged gzip", "gzip", []byte("\x1F\x8B\x00\x00garbage!!")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			src, err := dnstap.NewFile(bytes.NewReader(tt.bytes), "bad")
			if err == nil {
				_, err = readAll(t, src)
			}
			var where *capture.FileError
			require.ErrorAs(t, err, &where)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestFileWithoutContentType(t *testing.T) {
	b := append(control(begin, ""), data(message(0))...)
	src, err := dnstap.NewFile(bytes.NewReader(b), "test")
	require.NoError(t, err)
	frames, _ := readAll(t, src)
	require.Len(t, frames, 1)
}

// TestCorpus reads files written by other programs to their ends. Some are single messages, and one
// is a different kind of stream.
func TestCorpus(t *testing.T) {
	files := 0
	for _, dir := range []string{sharedtest.Dir(t, "corpus", "dnstap"), sharedtest.Dir(t, "corpus", "extra", "dnstap")} {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range entries {
			src, err := dnstap.Open(filepath.Join(dir, e.Name()))
			if err != nil {
				var bad *capture.FileError
				require.ErrorAs(t, err, &bad, e.Name())
				continue
			}
			files++
			frames, err := readAll(t, src)
			t.Logf("%s: %d frames, %v", e.Name(), len(frames), err)
			require.ErrorIs(t, err, io.EOF, e.Name())
			require.NotEmpty(t, frames)
			require.NoError(t, src.Close())
		}
	}
	require.GreaterOrEqual(t, files, 4)
}

// FuzzFile reads arbitrary bytes, at once and one by one. The frames and the final error must be
// the same.
func FuzzFile(f *testing.F) {
	f.Add(file(3))
	f.Add(append(control(begin, ""), data(message(0))...))
	f.Add(control(begin, "protobuf:other"))
	f.Fuzz(func(t *testing.T, b []byte) {
		read := func(in io.Reader) (frames []capture.Frame, err error) {
			src, err := dnstap.NewFile(in, "fuzz")
			if err != nil {
				return nil, err
			}
			return readAll(t, src)
		}
		want, wantErr := read(bytes.NewReader(b))
		got, gotErr := read(dribble{bytes.NewReader(b)})
		require.Equal(t, want, got)
		require.Equal(t, fmt.Sprint(wantErr), fmt.Sprint(gotErr))
	})
}

func BenchmarkFile(b *testing.B) {
	raw := file(10_000)
	var batch capture.Batch
	b.ReportAllocs()
	for b.Loop() {
		src, err := dnstap.NewFile(bytes.NewReader(raw), "bench")
		if err != nil {
			b.Fatal(err)
		}
		for src.ReadBatch(&batch) == nil {
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10_000, "ns/frame")
	b.ReportMetric(0, "ns/op")
}

func TestReadBatchAllocs(t *testing.T) {
	src, err := dnstap.NewFile(bytes.NewReader(file(60_000)), "test")
	require.NoError(t, err)
	var b capture.Batch
	for range 10 {
		require.NoError(t, src.ReadBatch(&b))
	}
	require.Zero(t, testing.AllocsPerRun(50, func() { _ = src.ReadBatch(&b) }))
	require.NotEmpty(t, b.Frames)
}
