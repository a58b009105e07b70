package capture

import (
	"sync/atomic"

	"visor/decode"
)

// Filter returns a Source that yields the frames of src for which keep returns true. It counts the
// others; see [FilterCounter]. If keep returns an error, the frames before it are delivered first,
// then ReadBatch returns that error. Filter takes ownership of src. The goroutine that reads calls
// keep.
func Filter(src Source, keep func(f *Frame) (bool, error)) Source {
	return &selection{of: src, keep: keep}
}

type selection struct {
	of     Source
	keep   func(f *Frame) (bool, error)
	failed error

	filtered atomic.Uint64
	closed   atomic.Bool
}

var (
	_ LiveSource    = (*selection)(nil)
	_ stabler       = (*selection)(nil)
	_ progresser    = (*selection)(nil)
	_ DropCounter   = (*selection)(nil)
	_ FilterCounter = (*selection)(nil)
	_ Reasoner      = (*selection)(nil)
	_ Owner         = (*selection)(nil)
)

// ReadBatch implements Source. Frames borrow from the wrapped source.
func (s *selection) ReadBatch(b *Batch) error {
	for s.failed == nil {
		if err := s.of.ReadBatch(b); err != nil {
			return err
		}
		kept, left := b.Frames[:0], uint64(0)
		for i := range b.Frames {
			ok, err := s.keep(&b.Frames[i])
			if s.failed = err; err != nil {
				break
			}
			if ok {
				kept = append(kept, b.Frames[i])
			} else {
				left++
			}
		}
		s.filtered.Add(left)
		if b.Frames = kept; len(kept) > 0 {
			return nil
		}
	}
	b.Reset()
	if s.closed.Load() {
		return ErrClosed
	}
	return s.failed
}

func (s *selection) Close() error {
	s.closed.Store(true)
	return s.of.Close()
}

func (s *selection) Live() bool { return IsLive(s.of) }

func (s *selection) Stable() bool { return IsStable(s.of) }

func (s *selection) Progress() (done, total int64) { return ProgressOf(s.of) }

func (s *selection) Drops() uint64 { return DropsOf(s.of) }

// Filtered returns the number of frames rejected by keep and by filters of the wrapped source.
func (s *selection) Filtered() uint64 { return s.filtered.Load() + FilteredOf(s.of) }

func (s *selection) Reasons() []Reason { return ReasonsOf(s.of) }

func (s *selection) Own() *decode.NetSet { return OwnOf(s.of) }
