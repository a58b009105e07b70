package dnstap

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"visor/capture"
	"visor/internal/decompress"
)

// File is a Source of one Frame Streams file or of several concatenated ones. It is owned by one
// goroutine; Close and Progress may be called from any.
type File struct {
	path   string
	frames *reader
	closer io.Closer
	slab   slab
	err    error // final error of ReadBatch
	total  int64
	done   atomic.Int64
	closed atomic.Bool
}

var _ capture.Source = (*File)(nil)

// Open opens a Frame Streams file, plain or compressed with gzip, zstd or bzip2. It returns the
// error of os.Open, or a [*capture.FileError] if the file is not a Frame Streams file with dnstap.
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

// NewFile reads a Frame Streams file from in, which may be a pipe. It supports the same formats as
// [Open]. NewFile waits for the first frame. Errors contain name. The File takes ownership of in:
// Close closes it if it is an io.Closer. If NewFile fails, in stays open.
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
		return nil, &capture.FileError{Package: "dnstap", Path: name, Err: err}
	}
	f.frames = newReader(plain)
	f.frames.many = true
	if err := f.frames.start(); err != nil {
		return nil, f.damage(err)
	}
	return f, nil
}

// unpacked returns the decompressed contents of in.
func unpacked(in io.Reader, name string) (io.Reader, error) {
	buffered := bufio.NewReaderSize(in, 256<<10)
	head, _ := buffered.Peek(decompress.MagicLen) // the first frame reports the error
	if err := decompress.Foreign(head, name, "visor-reader -i dnstap -"); err != nil {
		return nil, err
	}
	if open := decompress.Detect(head); open != nil {
		return open(buffered)
	}
	return buffered, nil
}

// ReadBatch replaces the contents of b with the next frames, at most capture.BatchSize. They borrow
// from f until the next ReadBatch. It returns io.EOF at the end, a [*capture.FileError] if the file
// is damaged or truncated, and [capture.ErrClosed] after Close.
func (f *File) ReadBatch(b *capture.Batch) error {
	b.Reset()
	f.slab.reset()
	for f.err == nil && !f.slab.full() && !f.closed.Load() {
		frame, err := f.frames.next()
		switch {
		case err == nil:
			f.slab.add(frame)
			f.slab.addAll(f.frames.ahead(f.slab.room()))
		case err == io.EOF:
			f.err = io.EOF
		default:
			f.err = f.damage(err)
		}
		if f.total == 0 && len(f.slab.frames) > 0 {
			break // a pipe: frames that have arrived do not wait for later ones
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
	switch {
	case err == io.ErrUnexpectedEOF && f.done.Load() == 0:
		err = errors.New("empty file, where Frame Streams were expected")
	case err == io.ErrUnexpectedEOF:
		err = errors.New("file ends within a frame")
	}
	return &capture.FileError{Package: "dnstap", Path: f.path, Offset: f.frames.offset, Err: err}
}

// Progress returns the number of bytes of the file that were read, and its size, or 0 if the size
// is unknown. For a compressed file both count compressed bytes.
func (f *File) Progress() (done, total int64) { return f.done.Load(), f.total }

// Close ends f. ReadBatch then returns [capture.ErrClosed].
func (f *File) Close() error {
	if f.closed.Swap(true) || f.closer == nil {
		return nil
	}
	if err := f.closer.Close(); err != nil {
		return fmt.Errorf("dnstap: %w", err)
	}
	return nil
}
