package trafficgen

import (
	"io"
	"sync/atomic"

	"visor/capture"
)

// Source yields the frames of a Config in batches, as fast as the caller reads: without end if
// Packets is negative. Frame times follow the Config, not the clock. A Source is owned by one
// goroutine; Close may be called from any.
type Source struct {
	gen    *Gen
	buf    []byte
	closed atomic.Bool
}

var _ capture.Source = (*Source)(nil)

// NewSource returns a Source at its first frame.
func NewSource(cfg Config) *Source {
	return &Source{gen: New(cfg), buf: make([]byte, capture.BatchSize*MaxFrame)}
}

// ReadBatch replaces the contents of b with the next frames, at most capture.BatchSize. They borrow
// from s until the next ReadBatch. It returns io.EOF after the last one, [capture.ErrClosed] after
// Close.
func (s *Source) ReadBatch(b *capture.Batch) error {
	b.Reset()
	if s.closed.Load() {
		return capture.ErrClosed
	}
	room := s.buf
	for len(b.Frames) < capture.BatchSize {
		frame, ts, ok := s.gen.Next(room)
		if !ok {
			break
		}
		n := len(frame)
		b.Frames = append(b.Frames, capture.Frame{TimeNS: ts, Data: frame[:n:n], WireLen: uint32(n), Link: linkEthernet})
		room = room[n:]
	}
	if len(b.Frames) == 0 {
		return io.EOF
	}
	return nil
}

// Rewind restarts s at the first frame, also after Close.
func (s *Source) Rewind() {
	s.gen.Rewind()
	s.closed.Store(false)
}

// Truth returns the counts of the frames so far.
func (s *Source) Truth() Truth { return s.gen.Truth() }

// Close ends s: ReadBatch returns [capture.ErrClosed] until Rewind.
func (s *Source) Close() error {
	s.closed.Store(true)
	return nil
}
