package mock

import (
	"cmp"
	"sync"
	"time"

	"visor/capture"
	"visor/decode"
	"visor/internal/trafficgen"
)

// Config says what traffic is made. The zero Config is ready to use.
type Config struct {
	PPS  float64 // packets per second on average; 0 means 1000
	Seed uint64  // another one gives other names, clients and times

	DNS         bool // DNS over UDP alone, instead of a mix
	NXDomain    int  // percent of the DNS over UDP that is a flood of names which do not exist
	RandomLabel int  // percent that asks for random labels below victim.example
}

// LocalNets are the networks that own the servers of the traffic, as [decode.ParseHostNets] takes
// them.
const LocalNets = trafficgen.LocalNets

// longest is how long a batch is waited for to become full.
const longest = 100 * time.Millisecond

// Source is a live source of made traffic, without end. It is owned by one goroutine; Close may be
// called from any.
type Source struct {
	gen   *trafficgen.Gen
	buf   []byte        // memory of the frames of the latest batch
	next  capture.Frame // made and not given: its time has not come
	ahead []byte        // memory of next
	gone  chan struct{}
	once  sync.Once
}

var _ capture.Source = (*Source)(nil)

// New returns a Source whose traffic begins now. It takes some 50 ms.
func New(cfg Config) *Source {
	traffic := trafficgen.Config{
		Packets: -1, PPS: cmp.Or(cfg.PPS, 1000), Seed: cfg.Seed,
		Flood: trafficgen.Flood{NXDomain: cfg.NXDomain, RandomLabel: cfg.RandomLabel},
	}
	if cfg.DNS {
		traffic.Mix = trafficgen.Mix{DNS: 100}
	}
	traffic.Start = time.Now()
	s := &Source{
		gen: trafficgen.New(traffic), gone: make(chan struct{}),
		ahead: make([]byte, trafficgen.MaxFrame),
	}
	s.advance()
	return s
}

// advance makes the next frame.
func (s *Source) advance() {
	data, ts, _ := s.gen.Next(s.ahead) // there is no end
	s.next = capture.Frame{TimeNS: ts, Data: data[:len(data):len(data)], WireLen: uint32(len(data)), Link: decode.LinkEthernet}
}

// ReadBatch replaces the contents of b with the frames whose time has come, waiting for one. They
// borrow from s until the next ReadBatch.
func (s *Source) ReadBatch(b *capture.Batch) error {
	b.Frames, b.Epoch = b.Frames[:0], 0
	now, open := s.wait()
	if !open {
		return capture.ErrClosed
	}
	s.buf = s.buf[:0]
	for len(b.Frames) < capture.BatchSize && s.next.TimeNS <= now {
		var f capture.Frame
		f, s.buf = s.next.CopyTo(s.buf)
		b.Frames = append(b.Frames, f)
		s.advance()
	}
	return nil
}

// wait waits until there is a frame to give, and then some time for more. It reports whether the
// Source is open.
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

// Close ends the Source: ReadBatch returns [capture.ErrClosed].
func (s *Source) Close() error {
	s.once.Do(func() { close(s.gone) })
	return nil
}
