package policy

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"

	"visor/capture"
)

// AllowFIFO is the key of taps whose file may be a named pipe. pktvisor lacks it.
const AllowFIFO = "allow_fifo"

// fifoPoll is the polling interval for a named pipe without a writer.
const fifoPoll = 100 * time.Millisecond

// fifo is a Source that reads a named pipe. It reads the header in ReadBatch, not on opening,
// because no data may be available yet. It ends when the last writer has closed the pipe.
type fifo struct {
	file   *os.File
	open   func(io.Reader) (capture.Source, error)
	src    capture.Source // nil before the header was read
	begun  bool           // a writer has sent data
	close  sync.Once
	closed chan struct{}
}

func newFIFO(file *os.File, open func(io.Reader) (capture.Source, error)) *fifo {
	return &fifo{file: file, open: open, closed: make(chan struct{})}
}

// openFIFO opens a named pipe or a regular file. The open does not wait for a writer.
func openFIFO(path string) (f *os.File, isFIFO bool, err error) {
	if f, err = os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0); err != nil {
		return nil, false, err
	}
	if info, err := f.Stat(); err == nil && info.Mode()&fs.ModeNamedPipe != 0 {
		return f, true, nil
	}
	f, err = regular(f, nil)
	return f, false, err
}

// ReadBatch reads the next frames of the pipe, see [capture.Source].
func (f *fifo) ReadBatch(b *capture.Batch) (err error) {
	b.Reset()
	if err = f.begin(); err == nil {
		err = f.src.ReadBatch(b)
	}
	if err != nil && f.isClosed() {
		return capture.ErrClosed
	}
	return err
}

func (f *fifo) begin() error {
	if f.src != nil {
		return nil
	}
	src, err := f.open(pipeReader{f})
	if err == nil {
		f.src = src
	}
	return err
}

// Close ends f, even while ReadBatch waits for a writer or for data.
func (f *fifo) Close() error {
	var err error
	f.close.Do(func() {
		close(f.closed)
		err = f.file.Close()
	})
	return err
}

func (f *fifo) isClosed() bool {
	select {
	case <-f.closed:
		return true
	default:
		return false
	}
}

// pipeReader reads a pipe that was opened without a writer. It is neither an io.Closer nor a file,
// because the fifo closes the pipe.
type pipeReader struct{ *fifo }

// Read waits for the first writer, which a non-blocking read of the pipe reports as its end.
func (p pipeReader) Read(b []byte) (int, error) {
	for {
		n, err := p.file.Read(b)
		p.begun = p.begun || n > 0
		if p.begun || !errors.Is(err, io.EOF) {
			return n, err
		}
		select {
		case <-p.closed:
			return 0, fmt.Errorf("%s: %w", p.file.Name(), os.ErrClosed)
		case <-time.After(fifoPoll):
		}
	}
}
