package capture

import (
	"io"
	"sync/atomic"
)

// Memory is a Source of frames in memory. Use it for tests, for benchmarks, and in programs that
// already have frames. It is owned by one goroutine; Close and Progress may be called from any.
type Memory struct {
	frames []Frame
	next   int
	done   atomic.Int64
	total  int64
	closed atomic.Bool
}

var (
	_ Source     = (*Memory)(nil)
	_ stabler    = (*Memory)(nil)
	_ progresser = (*Memory)(nil)
)

// NewMemory returns a Memory that yields frames in order. It borrows frames and their bytes.
func NewMemory(frames []Frame) *Memory {
	m := &Memory{frames: frames}
	for i := range frames {
		m.total += int64(len(frames[i].Data))
	}
	return m
}

// ReadBatch replaces the contents of b with the next frames, at most BatchSize. It returns io.EOF
// after the last frame and [ErrClosed] after Close.
func (m *Memory) ReadBatch(b *Batch) error {
	b.Reset()
	if m.closed.Load() {
		return ErrClosed
	}
	if m.next == len(m.frames) {
		return io.EOF
	}
	end := min(m.next+BatchSize, len(m.frames))
	b.Frames = append(b.Frames, m.frames[m.next:end]...)
	m.next = end
	n := int64(0)
	for i := range b.Frames {
		n += int64(len(b.Frames[i].Data))
	}
	m.done.Add(n)
	return nil
}

// Rewind makes m start again at the first frame, even after Close.
func (m *Memory) Rewind() {
	m.next = 0
	m.done.Store(0)
	m.closed.Store(false)
}

// Stable returns true: frames stay valid as long as the caller of NewMemory keeps them.
func (m *Memory) Stable() bool { return true }

// Progress returns the bytes of the delivered frames and of all frames.
func (m *Memory) Progress() (done, total int64) { return m.done.Load(), m.total }

// Close ends m. ReadBatch returns [ErrClosed] until Rewind.
func (m *Memory) Close() error {
	m.closed.Store(true)
	return nil
}
