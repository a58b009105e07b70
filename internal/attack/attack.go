package attack

import (
	"io"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"visor/capture"
	"visor/decode"
)

// Kind is one way to attack.
type Kind struct {
	Name string // a word for flags and for names of tests
	Aim  string // the resource that the attack exhausts or the result that it falsifies

	// frame appends the i-th frame to dst.
	frame func(dst []byte, i int, rnd *rand.Rand) []byte
}

// start is the time of the first frame, gap the time between two: 50,000 frames per second.
var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()

const gap = 20 * time.Microsecond

// Named returns the kind with that name.
func Named(name string) (Kind, bool) {
	for _, k := range Kinds() {
		if k.Name == name {
			return k, true
		}
	}
	return Kind{}, false
}

// Source returns a source of n frames at 50,000 per second of packet time, or without end if n is
// negative.
func (k Kind) Source(n int) *Source {
	return &Source{kind: k, left: n, rnd: rand.New(rand.NewPCG(1, 2)), gap: int64(gap)}
}

// Source yields the frames of a [Kind]. It is owned by one goroutine, but Close may be called from
// any.
type Source struct {
	kind   Kind
	i      int
	left   int
	gap    int64
	rnd    *rand.Rand
	arena  []byte
	closed atomic.Bool
}

var _ capture.Source = (*Source)(nil)

// ReadBatch replaces the contents of b with up to [capture.BatchSize] frames. They borrow from s
// until the next ReadBatch.
func (s *Source) ReadBatch(b *capture.Batch) error {
	b.Reset()
	s.arena = s.arena[:0]
	if s.closed.Load() {
		return capture.ErrClosed
	}
	if s.left == 0 {
		return io.EOF
	}
	for len(b.Frames) < capture.BatchSize && s.left != 0 {
		at := len(s.arena)
		s.arena = s.kind.frame(s.arena, s.i, s.rnd)
		data := s.arena[at:len(s.arena):len(s.arena)]
		b.Frames = append(b.Frames, capture.Frame{
			TimeNS:  start + int64(s.i)*s.gap,
			Data:    data,
			WireLen: uint32(len(data)),
			Link:    decode.LinkEthernet,
		})
		s.i++
		s.left--
	}
	return nil
}

// Close makes ReadBatch return [capture.ErrClosed].
func (s *Source) Close() error {
	s.closed.Store(true)
	return nil
}

// Frames returns the first n frames.
func (k Kind) Frames(n int) []capture.Frame {
	var out []capture.Frame
	var b capture.Batch
	for src := k.Source(n); src.ReadBatch(&b) == nil; {
		for _, f := range b.Frames {
			f.Data = append([]byte(nil), f.Data...)
			out = append(out, f)
		}
	}
	return out
}
