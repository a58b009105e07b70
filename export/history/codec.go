package history

import (
	"fmt"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"visor/handler"
)

// maxSnapshot bounds the bytes of a snapshot.
const maxSnapshot = 256 << 20

// codec converts between snapshots and the data of records. It is safe for concurrent use.
type codec struct {
	enc   *zstd.Encoder
	dec   *zstd.Decoder
	plain *sync.Pool // of *[]byte, for snapshots before and after compression
}

// kept bounds the bytes of a buffer that stays in the pool.
const kept = 4 << 20

// buffer returns an empty buffer of the pool.
func (c codec) buffer() *[]byte {
	if b, ok := c.plain.Get().(*[]byte); ok {
		return b
	}
	return new([]byte)
}

// release puts a buffer back, with its new memory.
func (c codec) release(b *[]byte, now []byte) {
	if cap(now) <= kept {
		*b = now[:0]
		c.plain.Put(b)
	}
}

func newCodec() (codec, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return codec{}, err
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxSnapshot))
	return codec{enc, dec, new(sync.Pool)}, err
}

func (c codec) pack(s *handler.Snapshot, by handler.Origin) ([]byte, error) {
	b := c.buffer()
	plain, err := s.AppendBinary(*b, by, handler.DefaultEntries)
	defer func() { c.release(b, plain) }()
	if err != nil {
		return nil, err
	}
	return c.enc.EncodeAll(plain, make([]byte, 0, len(plain)/2)), nil
}

func (c codec) unpack(data []byte) (*handler.Snapshot, error) {
	b := c.buffer()
	plain, err := c.dec.DecodeAll(data, *b)
	defer func() { c.release(b, plain) }()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	s, err := handler.ReadSnapshot(plain)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return s, nil
}

// timeOf returns the time that the modules of s cover, from the earliest start to the latest end.
// It returns false if nothing was counted.
func timeOf(s *handler.Snapshot) (start, end int64, ok bool) {
	for i := range s.Modules {
		m := &s.Modules[i]
		if m.Start.IsZero() {
			continue
		}
		for _, span := range spansOf(m) {
			if !ok {
				start, end, ok = span.Start.UnixNano(), span.End.UnixNano(), true
			}
			start, end = min(start, span.Start.UnixNano()), max(end, span.End.UnixNano())
		}
	}
	return start, end, ok
}

// spansOf returns the time that a module covers, in any order. The end of a recording may have no
// length; it counts as a second.
func spansOf(m *handler.Module) (out []handler.Interval) {
	if m.Counted == nil {
		out = append(out, handler.Interval{Start: m.Start, End: m.Start.Add(m.Length)})
	}
	for _, c := range m.Counted {
		out = append(out, c.Spans...)
	}
	for i := range out {
		if !out[i].End.After(out[i].Start) {
			out[i].End = out[i].Start.Add(time.Second)
		}
	}
	return out
}

// name sets the window of s to the minutes that it covers, rounded up, for exporters.
func name(s *handler.Snapshot) {
	s.Period = time.Minute
	s.Window = s.Periods()
}
