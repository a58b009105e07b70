package capture

// Select returns a Source with those frames of src that keep wants. It takes ownership of src, and calls keep in the goroutine that
// reads. An error of keep ends the Source, after the frames before.
func Select(src Source, keep func(f *Frame) (bool, error)) Source {
	return &selection{of: src, keep: keep}
}

type selection struct {
	of     Source
	keep   func(f *Frame) (bool, error)
	failed error
}

var (
	_ Stabler     = (*selection)(nil)
	_ Progresser  = (*selection)(nil)
	_ DropCounter = (*selection)(nil)
)

// ReadBatch implements Source. Frames borrow from the source behind s.
func (s *selection) ReadBatch(b *Batch) error {
	for s.failed == nil {
		if err := s.of.ReadBatch(b); err != nil {
			return err
		}
		kept := b.Frames[:0]
		for i := range b.Frames {
			ok, err := s.keep(&b.Frames[i])
			if s.failed = err; err != nil {
				break
			}
			if ok {
				kept = append(kept, b.Frames[i])
			}
		}
		if b.Frames = kept; len(kept) > 0 {
			return nil
		}
	}
	b.Frames = b.Frames[:0]
	return s.failed
}

func (s *selection) Close() error { return s.of.Close() }

func (s *selection) Stable() bool { return IsStable(s.of) }

func (s *selection) Progress() (done, total int64) { return ProgressOf(s.of) }

func (s *selection) Drops() uint64 { return DropsOf(s.of) }
