package pcapfile

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"sync/atomic"

	"visor/capture"
	"visor/internal/decompress"
)

const (
	streamBuffer = 256 * 1024 // initial size of a stream's buffer
	// bytes of a map that are read before the pages behind the reader are released
	releaseStep = 64 * 1024 * 1024
	blank       = 16 // bytes of a record's header that isBlank looks at
)

// Reader reads one capture file. It is owned by one goroutine; Close and Progress may be called
// from any.
type Reader struct {
	path   string
	format format

	// Mapped: the whole file. Stream: the bytes read and not yet dropped; the capacity is the size
	// of the buffer.
	buf    []byte
	pos    int   // index in buf of the next record
	base   int64 // offset of buf[0] in the uncompressed file
	mapped bool
	file   *os.File // mapped: to detect that the file shrinks
	size   func() (int64, bool)
	whole  []byte // mapped: the map; buf is shorter if the file shrank
	freed  int    // mapped: pages before this index were released

	in     io.Reader // stream: the source of more bytes
	closer io.Closer // closed by Close, or nil
	end    error     // final error of in; io.EOF if mapped
	err    error     // final error of ReadBatch, if not nil

	closed atomic.Bool
	done   atomic.Int64 // bytes of the file read, before decompression
	total  int64
}

var _ capture.Source = (*Reader)(nil)

// format parses the records of one file format.
type format interface {
	// scan appends the frames of the complete records at the start of p to b, up to
	// capture.BatchSize. It returns the number of bytes of these records. If p ends within the next
	// record, miss describes the missing part. If the next record is invalid, err describes the
	// fault. Both may follow frames.
	scan(p []byte, b *capture.Batch) (n int, miss missing, err error)
	// again undoes what the last scan changed, so that its bytes can be scanned once more.
	again()
}

// missing is the missing part of a record: size bytes, which begin skip bytes into the record. The
// zero missing means that nothing is missing.
type missing struct {
	what       string
	skip, size int
}

// cut returns the error for a record that ends after have bytes.
func (m missing) cut(have int) error {
	return fmt.Errorf("%s cut (%d of %d bytes)", m.what, max(have-m.skip, 0), m.size)
}

// Open opens a capture file. A plain file is mapped into memory where the system supports it.
// Compressed files and files that are not regular are read as streams. Open returns the error of
// os.Open, or a [*capture.FileError] if the file is not a capture file.
func Open(path string) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("pcapfile: %w", err)
	}
	if data, ok := mapFile(f); ok {
		if decompress.Detect(data) == nil {
			return newMapped(f, data, path)
		}
		unmap(data)
	}
	r, err := NewReader(f, path)
	if err != nil {
		f.Close()
	}
	return r, err
}

// NewReader reads a capture from in, which may be a pipe. Packets are returned as soon as they
// arrive. NewReader waits for the first bytes, and returns a [*capture.FileError] if they do not
// begin a capture. Errors contain name.
//
// The Reader takes ownership of in: Close closes it if it is an io.Closer. If in.Close interrupts a
// Read of another goroutine, as for pipes and sockets, it also interrupts ReadBatch. If NewReader
// fails, in stays open.
func NewReader(in io.Reader, name string) (*Reader, error) {
	r := &Reader{path: name}
	r.closer, _ = in.(io.Closer)
	if f, ok := in.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			r.total = info.Size()
		}
	}
	r.in = &decompress.Counter{In: in, Done: &r.done}
	r.buf = make([]byte, 0, streamBuffer)
	r.fill(magicLen)
	if open := decompress.Detect(r.buf); open != nil {
		// The decompressor first reads the bytes that were read here.
		plain, err := open(&rest{head: r.buf, err: r.end, in: r.in})
		if err != nil {
			return nil, &capture.FileError{Package: "pcapfile", Path: name, Err: err}
		}
		r.in, r.buf, r.end = plain, make([]byte, 0, streamBuffer), nil
	}
	if err := r.detect(); err != nil {
		return nil, err
	}
	return r, nil
}

// newMapped returns a Reader of data, the contents of a file in a map. It takes ownership of f.
func newMapped(f *os.File, data []byte, path string) (*Reader, error) {
	r := newBytes(data, path)
	r.mapped, r.file, r.size, r.whole = true, f, sizer(f), data
	if err := r.detectMapped(); err != nil {
		f.Close()
		unmap(data)
		return nil, err
	}
	return r, nil
}

func (r *Reader) detectMapped() (err error) {
	defer capture.RecoverFault(&err, capture.GuardFaults())
	return r.detect()
}

func newBytes(data []byte, path string) *Reader {
	return &Reader{path: path, buf: data, end: io.EOF, total: int64(len(data))}
}

// detect finds the format of the file at the current position and skips its header.
func (r *Reader) detect() error {
	for {
		f, n, miss, err := detect(r.buf[r.pos:])
		switch {
		case err == nil && miss.size == 0:
			r.format, r.pos = f, r.pos+n
			return nil
		case err == nil && r.end == nil:
			r.fill(miss.skip + miss.size)
			continue
		case err == nil && r.end != io.EOF:
			err = r.end
		case err == nil && len(r.buf) == 0:
			err = errEmpty
		case err == nil:
			err = miss.cut(len(r.buf) - r.pos)
		}
		if named := decompress.Foreign(r.buf[r.pos:], r.path, "visor-reader -"); named != nil {
			err = named
		}
		return r.damage(err)
	}
}

// ReadBatch replaces the contents of b with the next frames, at least one and at most
// capture.BatchSize. For a stream it does not wait for more frames than have arrived. Frames in b
// borrow from r until the next ReadBatch or Close, or until Close if r is Stable.
//
// ReadBatch returns io.EOF at the end, a [*capture.FileError] at a damage, and [capture.ErrClosed]
// after Close.
func (r *Reader) ReadBatch(b *capture.Batch) error {
	if !r.mapped {
		return r.read(b)
	}
	err := r.readMapped(b)
	for err == capture.ErrShrunk && r.shrink() {
		err = r.readMapped(b)
	}
	if err == capture.ErrShrunk {
		b.Frames, r.err = b.Frames[:0], r.damage(err)
		return r.err
	}
	return err
}

// shrink removes the bytes that no longer exist from the buffer of a mapped file. It reports
// whether there were any; the last scan is then undone.
func (r *Reader) shrink() bool {
	size, ok := r.size()
	if !ok || size >= int64(len(r.buf)) {
		return false // also after Close
	}
	r.buf, r.end = r.buf[:size], capture.ErrShrunk
	if r.pos > len(r.buf) {
		r.err = r.damage(capture.ErrShrunk)
	}
	r.format.again()
	return true
}

// isBlank reports whether p is short or begins with zeros, like the bytes behind the end of a
// shrunk file, up to the end of its page. A scan that passes the end finds an error there, or reads
// zeros up to the next batch or to a page that no longer exists. So only a batch that is followed
// by zeros needs the size of the file, and others make no system call: 18 -> 12 ns per packet.
func isBlank(p []byte) bool { return len(p) < blank || [blank]byte(p) == [blank]byte{} }

func (r *Reader) readMapped(b *capture.Batch) (err error) {
	defer capture.RecoverFault(&err, capture.GuardFaults())
	return r.read(b)
}

func (r *Reader) read(b *capture.Batch) error {
	if cap(b.Frames) < capture.BatchSize {
		b.Frames = make([]capture.Frame, 0, capture.BatchSize)
	}
	b.Reset()
	for r.err == nil && len(b.Frames) == 0 && !r.closed.Load() {
		n, miss, err := r.format.scan(r.buf[r.pos:], b)
		if r.mapped && (err != nil || miss.size > 0 || isBlank(r.buf[r.pos+n:])) && r.shrink() {
			b.Reset()
			continue
		}
		r.pos += n
		switch {
		case err == errNext && len(b.Frames) > 0: // return these frames first
		case err == errNext:
			r.err = r.detect()
		case err != nil:
			r.err = r.damage(err)
		case len(b.Frames) > 0 || miss.size == 0:
		case r.end != nil:
			r.err = r.atEnd(miss)
		default:
			r.fill(miss.skip + miss.size)
		}
	}
	if r.mapped {
		r.done.Store(int64(r.pos))
		r.release()
	}
	switch {
	case r.closed.Load():
		b.Reset()
		return capture.ErrClosed
	case len(b.Frames) > 0:
		return nil
	}
	return r.err
}

// atEnd returns the final error of ReadBatch: in has ended, and miss is missing for a complete
// record.
func (r *Reader) atEnd(miss missing) error {
	have := len(r.buf) - r.pos
	switch {
	case r.end != io.EOF:
		r.pos = len(r.buf)
		return r.damage(r.end)
	case have > 0:
		return r.damage(miss.cut(have))
	}
	return io.EOF
}

func (r *Reader) damage(err error) error {
	return &capture.FileError{Package: "pcapfile", Path: r.path, Offset: r.base + int64(r.pos), Err: err}
}

// fill reads until want bytes from r.pos on are in the buffer, or in ends. It drops the bytes
// before r.pos. The buffer grows with the bytes received, not with a length in the file.
func (r *Reader) fill(want int) {
	n := copy(r.buf, r.buf[r.pos:])
	r.buf, r.base, r.pos = r.buf[:n], r.base+int64(r.pos), 0
	for idle := 0; len(r.buf) < want && r.end == nil; {
		if len(r.buf) == cap(r.buf) {
			grown := make([]byte, len(r.buf), 2*cap(r.buf))
			copy(grown, r.buf)
			r.buf = grown
		}
		n, err := r.in.Read(r.buf[len(r.buf):cap(r.buf)])
		r.buf, r.end = r.buf[:len(r.buf)+n], err
		if idle++; n > 0 {
			idle = 0
		} else if idle == 100 && err == nil {
			r.end = io.ErrNoProgress
		}
	}
}

// release releases the pages of a map that lie far behind the reader. Frames in them stay valid,
// because the system reads their pages again on access.
func (r *Reader) release() {
	if r.pos-r.freed >= 2*releaseStep {
		dropPages(r.whole[r.freed : r.freed+releaseStep])
		r.freed += releaseStep
	}
}

// Stable reports whether the file is mapped into memory, so that frames stay valid until Close.
func (r *Reader) Stable() bool { return r.mapped }

// Progress returns the number of bytes of the file that were read, and its size, or 0 if the size
// is unknown. For a compressed file both count compressed bytes.
func (r *Reader) Progress() (done, total int64) { return r.done.Load(), r.total }

// Close ends r. ReadBatch then returns [capture.ErrClosed], even if it is waiting; see [NewReader].
// Closing r again has no effect.
//
// Close releases the memory of a mapped file at once. The address space is released when r is no
// longer used. So a worker that still processes a batch reads the file and not unmapped memory.
func (r *Reader) Close() error {
	if r.closed.Swap(true) {
		return nil
	}
	if r.mapped {
		dropPages(r.whole)
		runtime.AddCleanup(r, unmap, r.whole)
		return r.file.Close()
	}
	if r.closer == nil {
		return nil
	}
	if err := r.closer.Close(); err != nil {
		return fmt.Errorf("pcapfile: %w", err)
	}
	return nil
}

// rest reads head, then in. If err is not nil, in has ended with it.
type rest struct {
	head []byte
	err  error
	in   io.Reader
}

func (r *rest) Read(p []byte) (int, error) {
	if len(r.head) > 0 {
		n := copy(p, r.head)
		r.head = r.head[n:]
		return n, nil
	}
	if r.err != nil {
		return 0, r.err
	}
	return r.in.Read(p)
}
