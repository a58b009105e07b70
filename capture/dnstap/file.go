package dnstap

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"visor/capture"
	"visor/decode"
	"visor/decode/dnstapmsg"
	"visor/internal/decompress"
)

// batchBytes is how much a batch of frames holds before it is full, unless one frame is larger.
const batchBytes = 128 << 10

// Error is what reading a damaged stream ends in. Callers find it by errors.As.
type Error struct {
	Path string // as given to Open or NewFile
	// where the damaged frame begins, bytes from the start; of a compressed file, of its contents
	Offset int64
	Err    error // what was found there
}

// Error returns "dnstap: PATH: offset N: what was found".
func (e *Error) Error() string {
	return fmt.Sprintf("dnstap: %s: offset %d: %v", e.Path, e.Offset, e.Err)
}

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }

// File is a Source of a Frame Streams file, or of several, one after the other. It is owned by one
// goroutine; Close and Progress may be called from any.
type File struct {
	path   string
	frames *reader
	closer io.Closer
	slab   slab
	err    error // what ReadBatch returns from now on
	total  int64
	done   atomic.Int64
	closed atomic.Bool
}

var (
	_ capture.Source     = (*File)(nil)
	_ capture.Progresser = (*File)(nil)
)

// Open opens a Frame Streams file, plain or in gzip, zstd or bzip2. It returns the error of
// os.Open, or an [*Error] if the file does not begin as one, or does not hold dnstap.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("dnstap: %w", err)
	}
	src, err := NewFile(f, path)
	if err != nil {
		f.Close()
	}
	return src, err
}

// NewFile reads a Frame Streams file from in, which may be a pipe, plain or compressed as those of
// [Open]. It waits for the first frame. The name is for errors. The File takes in: Close closes it
// if it is an io.Closer. If NewFile fails, in is left open.
func NewFile(in io.Reader, name string) (*File, error) {
	f := &File{path: name}
	f.closer, _ = in.(io.Closer)
	if file, ok := in.(*os.File); ok {
		if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
			f.total = info.Size()
		}
	}
	plain, err := unpacked(&decompress.Counter{In: in, Done: &f.done}, name)
	if err != nil {
		return nil, &Error{Path: name, Err: err}
	}
	f.frames = newReader(plain)
	f.frames.many = true
	if err := f.frames.start(); err != nil {
		return nil, f.damage(err)
	}
	return f, nil
}

// unpacked returns what in holds, without the compression that it may have.
func unpacked(in io.Reader, name string) (io.Reader, error) {
	buffered := bufio.NewReaderSize(in, 256<<10)
	head, _ := buffered.Peek(decompress.MagicLen) // the first frame meets the error
	if err := decompress.Foreign(head, name, "visor-reader -i dnstap -"); err != nil {
		return nil, err
	}
	if open := decompress.Detect(head); open != nil {
		return open(buffered)
	}
	return buffered, nil
}

// ReadBatch replaces the contents of b with the next frames, at most capture.BatchSize. They borrow
// from f until the next ReadBatch. It returns io.EOF at the end, an [*Error] where the file is
// damaged or cut, [capture.ErrClosed] after Close.
func (f *File) ReadBatch(b *capture.Batch) error {
	b.Frames, b.Epoch = b.Frames[:0], 0
	f.slab.reset()
	for f.err == nil && !f.slab.full() && !f.closed.Load() {
		if f.total == 0 && len(f.slab.frames) > 0 && !f.frames.buffered() {
			break // a pipe: what has come does not wait for what may come
		}
		frame, err := f.frames.next()
		switch {
		case err == nil:
			f.slab.add(frame)
		case err == io.EOF:
			f.err = io.EOF
		default:
			f.err = f.damage(err)
		}
	}
	switch {
	case f.closed.Load():
		return capture.ErrClosed
	case len(f.slab.frames) == 0:
		return f.err
	}
	b.Frames = append(b.Frames, f.slab.frames...)
	return nil
}

func (f *File) damage(err error) error {
	if err == io.ErrUnexpectedEOF {
		err = errors.New("file ends within a frame")
	}
	return &Error{Path: f.path, Offset: f.frames.offset, Err: err}
}

// Progress returns how many bytes of the file were read, and its size or 0 if that is not known. Of
// a compressed file these are compressed bytes.
func (f *File) Progress() (done, total int64) { return f.done.Load(), f.total }

// Close ends f: ReadBatch returns [capture.ErrClosed] from then on.
func (f *File) Close() error {
	if f.closed.Swap(true) || f.closer == nil {
		return nil
	}
	if err := f.closer.Close(); err != nil {
		return fmt.Errorf("dnstap: %w", err)
	}
	return nil
}

// slab is memory for a batch of frames.
type slab struct {
	frames []capture.Frame
	buf    []byte
	lastNS int64 // time of the last frame that told its own
}

// reset empties s. It gives back the memory of long frames.
func (s *slab) reset() {
	s.frames, s.buf = s.frames[:0], s.buf[:0]
	if cap(s.buf) > 2*batchBytes {
		s.buf = nil
	}
}

func (s *slab) full() bool { return len(s.frames) >= capture.BatchSize || len(s.buf) >= batchBytes }

// add copies a frame. One that does not say when it was has the time of the one before.
func (s *slab) add(frame []byte) {
	if ns := dnstapmsg.Time(frame); ns != 0 {
		s.lastNS = ns
	}
	s.put(frame)
}

// addLive copies a frame. One that does not say when it was is of now.
func (s *slab) addLive(frame []byte) {
	if s.lastNS = dnstapmsg.Time(frame); s.lastNS == 0 {
		s.lastNS = time.Now().UnixNano()
	}
	s.put(frame)
}

func (s *slab) put(frame []byte) {
	f := capture.Frame{TimeNS: s.lastNS, Data: frame, WireLen: uint32(len(frame)), Link: decode.LinkDNSTap}
	f, s.buf = f.CopyTo(s.buf)
	s.frames = append(s.frames, f)
}
