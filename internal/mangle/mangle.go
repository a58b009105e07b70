// Package mangle detects handlers that keep borrowed memory. It wraps a capture.Source and
// overwrites every batch on the next read. A handler that kept a slice of a frame then sees 0xCC,
// and fails its test:
//
//	src := mangle.New(capture.NewMemory(frames))
//
// It is only for tests.
package mangle

import "visor/capture"

// Spoilt is the byte that overwrites frames of earlier batches.
const Spoilt = 0xCC

// Source yields the frames of another Source, in private memory that it overwrites. It is owned by
// one goroutine; Close may be called from any goroutine if the other Source allows it.
type Source struct {
	src     capture.Source
	in      capture.Batch
	buffers [2][]byte       // used in turns: a lent buffer stays overwritten for one more batch
	lent    []capture.Frame // frames of the last batch, as a careless caller may still see them
	turn    int
}

var (
	_ capture.Source      = (*Source)(nil)
	_ capture.DropCounter = (*Source)(nil)
)

// New returns a Source that mangles src. It takes ownership of src and closes it.
func New(src capture.Source) *Source { return &Source{src: src} }

// ReadBatch overwrites the frames of the previous batch, then copies the next batch of the other
// Source to b.
func (s *Source) ReadBatch(b *capture.Batch) error {
	s.spoil()
	b.Reset()
	err := s.src.ReadBatch(&s.in)
	b.Epoch, b.Era = s.in.Epoch, s.in.Era
	if err != nil {
		return err
	}
	s.turn ^= 1
	buf := s.buffer()
	for _, f := range s.in.Frames {
		f, buf = f.CopyTo(buf)
		b.Frames = append(b.Frames, f)
	}
	s.buffers[s.turn] = buf
	s.lent = b.Frames
	return nil
}

// buffer returns the empty buffer whose turn it is, with room for all frames of in.
func (s *Source) buffer() []byte {
	need := 0
	for _, f := range s.in.Frames {
		need += len(f.Data)
	}
	if cap(s.buffers[s.turn]) < need {
		return make([]byte, 0, 2*need)
	}
	return s.buffers[s.turn][:0]
}

// spoil overwrites the lent frames, and the list of frames too.
func (s *Source) spoil() {
	buf := s.buffers[s.turn]
	for i := range buf {
		buf[i] = Spoilt
	}
	for i := range s.lent {
		s.lent[i] = capture.Frame{TimeNS: -1}
	}
	s.lent = nil
}

// Live reports whether the other Source is live.
func (s *Source) Live() bool { return capture.IsLive(s.src) }

// Progress returns the other Source's Progress.
func (s *Source) Progress() (done, total int64) { return capture.ProgressOf(s.src) }

// Drops returns the other Source's Drops.
func (s *Source) Drops() uint64 { return capture.DropsOf(s.src) }

// Filtered returns the other Source's count.
func (s *Source) Filtered() uint64 { return capture.FilteredOf(s.src) }

// Reasons returns the other Source's Reasons.
func (s *Source) Reasons() []capture.Reason { return capture.ReasonsOf(s.src) }

// Close closes the other Source. It does not overwrite lent frames, since another goroutine may be
// using them.
func (s *Source) Close() error { return s.src.Close() }
