package mock

import (
	"cmp"
	"sync"
	"time"

	"visor/capture"
	"visor/decode"
)

// Config configures the generated traffic. The zero Config is ready to use.
type Config struct {
	PPS  float64 // packets per second on average; 0 means 1000
	Seed uint64  // seed of names, clients and times

	DNS bool // only DNS over UDP, instead of a mix
}

// longest is the longest time that ReadBatch waits for a batch to fill.
const longest = 100 * time.Millisecond

// Source is an endless live source of generated traffic. It is owned by one goroutine; Close may be
// called from any.
type Source struct {
	gen  *traffic
	gap  float64       // mean of the time between two frames, in ns
	buf  []byte        // memory of the frames of the current batch
	next capture.Frame // generated, but not due yet
	gone chan struct{}
	once sync.Once
}

var (
	_ capture.Source     = (*Source)(nil)
	_ capture.LiveSource = (*Source)(nil)
)

// New returns a Source whose traffic begins now.
func New(cfg Config) *Source {
	s := &Source{gen: newTraffic(cfg.Seed, cfg.DNS), gap: 1e9 / max(cmp.Or(cfg.PPS, 1000), 1e-3), gone: make(chan struct{})}
	s.generate(time.Now().UnixNano())
	return s
}

// generate generates the next frame.
func (s *Source) generate(timeNS int64) {
	data := s.gen.next()
	s.next = capture.Frame{TimeNS: timeNS, Data: data[:len(data):len(data)], WireLen: uint32(len(data)), Link: decode.LinkEthernet}
}

// ReadBatch replaces the contents of b with the frames that are due, and waits for the first. They
// borrow from s until the next ReadBatch.
func (s *Source) ReadBatch(b *capture.Batch) error {
	b.Reset()
	now, open := s.wait()
	if !open {
		return capture.ErrClosed
	}
	s.buf = s.buf[:0]
	for len(b.Frames) < capture.BatchSize && s.next.TimeNS <= now {
		var f capture.Frame
		f, s.buf = s.next.CopyTo(s.buf)
		b.Frames = append(b.Frames, f)
		s.generate(s.next.TimeNS + int64(s.gen.rnd.ExpFloat64()*s.gap))
	}
	return nil
}

// wait waits until a frame is due, and then a little longer for more. It reports whether the Source
// is open.
func (s *Source) wait() (nowNS int64, open bool) {
	until := time.Unix(0, s.next.TimeNS)
	if d := time.Until(until); d > 0 {
		timer := time.NewTimer(max(d, longest))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-s.gone:
			return 0, false
		}
	}
	select {
	case <-s.gone:
		return 0, false
	default:
	}
	return time.Now().UnixNano(), true
}

// Live returns true.
func (s *Source) Live() bool { return true }

// Close ends the Source. ReadBatch returns [capture.ErrClosed].
func (s *Source) Close() error {
	s.once.Do(func() { close(s.gone) })
	return nil
}
