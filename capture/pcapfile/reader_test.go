package pcapfile_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/pcapfile"
)

// small returns one file per format, with the offsets at which its packets end and those at which a
// cut leaves no partial record.
func small() map[string]smallFile {
	pcap, ng, snoop := smallFile{head: 16}, smallFile{}, smallFile{head: 24}
	pcap.add(pcapHead(big, 0xA1B23C4D, 2, 4, 1), 0)
	ng.add(section(little), 0)
	ng.add(itf(little, 1, 0, option(little, 9, "\x09")), 0)
	snoop.add(words(big, "snoop\x00\x00\x00", 2, 4), 0)
	for i, data := range []string{"first", "", "the third one"} {
		pcap.add(pcapRec(big, 0, i, data, 20), 1)
		ng.add(enhanced(little, 0, uint64(i), data, 20), 1)
		ng.add(block(little, 0xBAD, "something"), 0)
		snoop.add(words(big, 20, len(data), 24+len(data), 0, i, 0, data), 1)
	}
	return map[string]smallFile{"pcap": pcap, "pcapng": ng, "snoop": snoop}
}

type smallFile struct {
	bytes   []byte
	head    int   // length of the record header before "packet data"
	packets []int // end of each packet
	whole   []int // end of each record
}

func (f *smallFile) add(record []byte, packets int) {
	f.bytes = append(f.bytes, record...)
	f.whole = append(f.whole, len(f.bytes))
	if packets > 0 {
		f.packets = append(f.packets, len(f.bytes))
	}
}

// at returns the number of packets of a file cut at n, and the start of the cut record, or -1.
func (f *smallFile) at(n int) (packets, damage int) {
	damage = 0
	for _, end := range f.packets {
		if end <= n {
			packets++
		}
	}
	for _, end := range f.whole {
		if end <= n {
			damage = end
		}
	}
	if damage == n && n > 0 {
		damage = -1
	}
	return packets, damage
}

func TestCutAnywhere(t *testing.T) {
	for name, file := range small() {
		all, err := read(t, file.bytes)
		require.NoError(t, err)
		require.Len(t, all, 3)
		for n := range file.bytes {
			for form, open := range map[string]func() (*pcapfile.Reader, error){
				"mapped": func() (*pcapfile.Reader, error) { return pcapfile.OpenBytes(file.bytes[:n:n], "cut") },
				"stream": func() (*pcapfile.Reader, error) {
					return pcapfile.NewReader(iotest.OneByteReader(bytes.NewReader(file.bytes[:n])), "cut")
				},
			} {
				packets, damage := file.at(n)
				r, err := open()
				var got []capture.Frame
				if err == nil {
					got, err = readAll(t, r)
				}
				require.Equal(t, append([]capture.Frame{}, all[:packets]...), append([]capture.Frame{}, got...), "%s %s cut at %d", form, name, n)
				if damage < 0 {
					require.NoError(t, err, "%s %s cut at %d", form, name, n)
					continue
				}
				var e *capture.FileError
				require.ErrorAs(t, err, &e, "%s %s cut at %d", form, name, n)
				require.EqualValues(t, damage, e.Offset, "%s %s cut at %d", form, name, n)
				have := n - damage
				if strings.HasPrefix(e.Err.Error(), "packet data") {
					have -= file.head
				}
				if n > 0 {
					require.Contains(t, err.Error(), fmt.Sprintf(" cut (%d of ", have))
				}
			}
		}
	}
}

// bigFile returns a pcap file with n packets of different sizes.
func bigFile(n int) []byte {
	b := pcapHead(little, 0xA1B2C3D4, 2, 4, 1)
	data := strings.Repeat("0123456789abcdef", 100)
	for i := range n {
		size := 40 + i*37%1400
		b = append(b, pcapRec(little, i, 0, data[:size], size)...)
	}
	return b
}

func gzipped(t testing.TB, data []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

func zstded(t testing.TB, data []byte) []byte {
	w, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	return w.EncodeAll(data, nil)
}

func save(t testing.TB, name string, data []byte) string {
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

// TestForms checks that all ways to read the same bytes yield the same frames.
func TestForms(t *testing.T) {
	file := bigFile(3000)
	all, err := read(t, file)
	require.NoError(t, err)
	require.Len(t, all, 3000)
	stream := func(in io.Reader) func() (*pcapfile.Reader, error) {
		return func() (*pcapfile.Reader, error) { return pcapfile.NewReader(in, "stream") }
	}
	open := func(data []byte) func() (*pcapfile.Reader, error) {
		return func() (*pcapfile.Reader, error) { return pcapfile.Open(save(t, "file", data)) }
	}
	for name, openReader := range map[string]func() (*pcapfile.Reader, error){
		"file":       open(file),
		"gzip file":  open(gzipped(t, file)),
		"zstd file":  open(zstded(t, file)),
		"two gzips":  open(append(gzipped(t, file[:1000]), gzipped(t, file[1000:])...)),
		"two zstds":  open(append(zstded(t, file[:1000]), zstded(t, file[1000:])...)),
		"stream":     stream(bytes.NewReader(file)),
		"gzip":       stream(bytes.NewReader(gzipped(t, file))),
		"halves":     stream(iotest.HalfReader(bytes.NewReader(file))),
		"bytes":      stream(iotest.OneByteReader(bytes.NewReader(file))),
		"data, EOF":  stream(iotest.DataErrReader(bytes.NewReader(file))),
		"gzip bytes": stream(iotest.OneByteReader(bytes.NewReader(gzipped(t, file)))),
	} {
		t.Run(name, func(t *testing.T) {
			r, err := openReader()
			require.NoError(t, err)
			got, err := readAll(t, r)
			require.NoError(t, err)
			require.Equal(t, all, got)
			done, total := r.Progress()
			require.Positive(t, done)
			if strings.Contains(name, "file") {
				require.Equal(t, total, done)
			}
			require.NoError(t, r.Close())
			require.NoError(t, r.Close())
			require.ErrorIs(t, r.ReadBatch(&capture.Batch{}), capture.ErrClosed)
		})
	}
}

func TestStreamFailures(t *testing.T) {
	file := bigFile(1000)
	broken := errors.New("broken")
	zipped := gzipped(t, file)
	for _, tt := range []struct {
		name  string
		in    io.Reader
		cause error
	}{
		{"reader fails", io.MultiReader(bytes.NewReader(file[:24+16+40]), iotest.ErrReader(broken)), broken},
		{"gzip cut", bytes.NewReader(zipped[:len(zipped)-100]), io.ErrUnexpectedEOF},
		{"gzip check sum", bytes.NewReader(append(zipped[:len(zipped)-8:len(zipped)-8], 1, 2, 3, 4, 5, 6, 7, 8)), gzip.ErrChecksum},
		{"reader gives nothing", io.MultiReader(bytes.NewReader(file[:24+16+40]), idle{}), io.ErrNoProgress},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := pcapfile.NewReader(tt.in, tt.name)
			require.NoError(t, err)
			got, err := readAll(t, r)
			require.NotEmpty(t, got)
			require.ErrorIs(t, err, tt.cause)
			var damage *capture.FileError
			require.ErrorAs(t, err, &damage)
			require.Positive(t, damage.Offset)
			require.False(t, r.Stable())
		})
	}
	_, err := pcapfile.NewReader(bytes.NewReader(zipped[:2]), "x")
	require.EqualError(t, err, "pcapfile: x: offset 0: gzip data cut: unexpected EOF")
	_, err = pcapfile.NewReader(iotest.ErrReader(broken), "x")
	require.ErrorIs(t, err, broken)
	_, err = pcapfile.NewReader(bytes.NewReader(gzipped(t, zipped)), "x")
	require.ErrorContains(t, err, "compressed twice")
	_, err = pcapfile.NewReader(bytes.NewReader(zipped[:5]), "x")
	require.Error(t, err)
	_, err = pcapfile.NewReader(bytes.NewReader(gzipped(t, nil)), "x")
	require.ErrorContains(t, err, "empty file")
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

func TestOpenErrors(t *testing.T) {
	_, err := pcapfile.Open(filepath.Join(t.TempDir(), "missing"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = pcapfile.Open(t.TempDir())
	require.Error(t, err)
	_, err = pcapfile.Open(save(t, "empty", nil))
	require.ErrorContains(t, err, "empty file")
	_, err = pcapfile.Open(save(t, "text", []byte("hello world, this is text")))
	require.ErrorContains(t, err, "not a capture file")
}

// TestPipeIsLive checks that packets in a pipe are returned at once, without waiting for a full
// batch.
func TestPipeIsLive(t *testing.T) {
	in, out, err := os.Pipe()
	require.NoError(t, err)
	file := bigFile(3)
	ends := []int{24, 24 + 16 + 40, 24 + 16 + 40 + 16 + 77}
	_, err = out.Write(file[:ends[1]+5])
	require.NoError(t, err)
	r, err := pcapfile.NewReader(in, "pipe")
	require.NoError(t, err)
	var b capture.Batch
	require.NoError(t, r.ReadBatch(&b))
	require.Len(t, b.Frames, 1)
	_, err = out.Write(file[ends[1]+5 : ends[2]])
	require.NoError(t, err)
	require.NoError(t, r.ReadBatch(&b))
	require.Len(t, b.Frames, 1)

	var wg sync.WaitGroup
	wg.Go(func() { err = r.ReadBatch(&b) }) // waits for the third packet
	time.Sleep(time.Millisecond)
	require.NoError(t, r.Close())
	wg.Wait()
	require.ErrorIs(t, err, capture.ErrClosed)
	require.Empty(t, b.Frames)
	out.Close()
}

// TestCloseKeepsMemory checks that a map outlives Close while the Reader is in use.
func TestCloseKeepsMemory(t *testing.T) {
	path := save(t, "file", bigFile(2000))
	for range 3 {
		r, err := pcapfile.Open(path)
		require.NoError(t, err)
		if !r.Stable() {
			t.Skip("files are not mapped on this system")
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			var b capture.Batch
			for r.ReadBatch(&b) == nil {
				runtime.GC()
				for _, f := range b.Frames {
					require.EqualValues(t, '0', f.Data[0])
				}
			}
		})
		wg.Go(func() { require.NoError(t, r.Close()) })
		wg.Go(func() { r.Progress() })
		wg.Wait()
	}
	runtime.GC()
}

func TestMemoryFollowsData(t *testing.T) {
	// announces a block that does not follow
	claim := concat(section(little), words(little, 5, 16<<20))
	r, err := pcapfile.NewReader(bytes.NewReader(claim), "claim")
	require.NoError(t, err)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = readAll(t, r)
	runtime.ReadMemStats(&after)
	require.ErrorContains(t, err, "block cut (8 of 16777216 bytes)")
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
}

func TestLargeBlocks(t *testing.T) {
	file := concat(section(little), itf(little, 1, 0), block(little, 0xBAD, make([]byte, 3<<20)),
		enhanced(little, 0, 1, strings.Repeat("x", 1<<20), 1), enhanced(little, 0, 2, "y", 1))
	all, err := read(t, file)
	require.NoError(t, err)
	require.Len(t, all, 2)
	r, err := pcapfile.NewReader(iotest.HalfReader(bytes.NewReader(file)), "stream")
	require.NoError(t, err)
	got, err := readAll(t, r)
	require.NoError(t, err)
	require.Equal(t, all, got)
}

func TestReadBatchAllocs(t *testing.T) {
	file := bigFile(40_000)
	for name, open := range map[string]func() (*pcapfile.Reader, error){
		"mapped": func() (*pcapfile.Reader, error) { return pcapfile.Open(save(t, "file", file)) },
		"stream": func() (*pcapfile.Reader, error) { return pcapfile.NewReader(bytes.NewReader(file), "stream") },
	} {
		r, err := open()
		require.NoError(t, err)
		var b capture.Batch
		require.NoError(t, r.ReadBatch(&b))
		require.Zero(t, testing.AllocsPerRun(100, func() { _ = r.ReadBatch(&b) }), name)
		require.NotEmpty(t, b.Frames)
		require.NoError(t, r.Close())
	}
}

// TestReleasedFramesStayValid checks that frames in released pages can still be read.
func TestReleasedFramesStayValid(t *testing.T) {
	const packets, size = 1000, 250_000 // a sparse file of 250 MB, which uses little disk space
	path := filepath.Join(t.TempDir(), "sparse")
	f, err := os.Create(path)
	require.NoError(t, err)
	_, err = f.Write(pcapHead(little, 0xA1B2C3D4, 2, 4, 1))
	require.NoError(t, err)
	at := int64(24)
	for i := range packets {
		_, err = f.WriteAt(words(little, i, 0, size, size, i), at)
		require.NoError(t, err)
		at += 16 + size
	}
	require.NoError(t, f.Truncate(at))
	require.NoError(t, f.Close())

	r, err := pcapfile.Open(path)
	require.NoError(t, err)
	defer r.Close()
	if !r.Stable() {
		t.Skip("files are not mapped on this system")
	}
	var b capture.Batch
	var all []capture.Frame
	for err = r.ReadBatch(&b); err == nil; err = r.ReadBatch(&b) {
		all = append(all, b.Frames...)
	}
	require.Equal(t, io.EOF, err)
	require.Len(t, all, packets)
	for i, f := range all {
		require.EqualValues(t, i, little.Uint32(f.Data))
	}
}
