package gopkt

import (
	"errors"
	"fmt"
	"io"
	"math"
	"sync/atomic"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"visor/capture"
	"visor/decode"
)

const linkEthernet = 1

// Config configures a [Source]. The zero Config is ready to use.
type Config struct {
	// link type of all frames; 0 asks the data source's LinkType method, or means Ethernet without
	// one
	Link decode.LinkType

	// Batch is the number of frames that ReadBatch gathers, up to capture.BatchSize; 0 means 1. A
	// gopacket source cannot report whether its next read will block, so only 1 never delays a
	// frame. Choose more if the source is a recording, or if its reads return after a timeout. A
	// timeout ends a batch.
	Batch int

	// Timeout reports whether an error of the data source is a timeout, after which reading
	// continues. Nil means errors with a method Timeout that returns true. For libpcap handles
	// compare with pcap.NextErrorTimeoutExpired, for afpacket with afpacket.ErrTimeout.
	Timeout func(error) bool
}

// Source adapts a gopacket data source to capture.Source. Frames are copied, because gopacket
// reuses their memory with every read. A Source is owned by one goroutine. Close may be called from
// any goroutine if the data source allows it.
type Source struct {
	src    gopacket.ZeroCopyPacketDataSource
	cfg    Config
	live   bool
	buf    []byte // bytes of the current batch
	err    error  // final error of ReadBatch, if not nil
	closed atomic.Bool
}

var (
	_ capture.Source     = (*Source)(nil)
	_ capture.LiveSource = (*Source)(nil)
)

// NewLive returns a Source of the packets that src captures, or an error if cfg.Batch is out of
// range. It takes ownership of src; Close closes src if src has a Close method.
func NewLive(src gopacket.ZeroCopyPacketDataSource, cfg Config) (*Source, error) {
	s, err := NewRecording(src, cfg)
	if err == nil {
		s.live = true
	}
	return s, err
}

// NewRecording is [NewLive] for a src that reads a file.
func NewRecording(src gopacket.ZeroCopyPacketDataSource, cfg Config) (*Source, error) {
	if cfg.Batch < 0 || cfg.Batch > capture.BatchSize {
		return nil, fmt.Errorf("gopkt: batch of %d frames is not in 1 to %d", cfg.Batch, capture.BatchSize)
	}
	cfg.Batch = max(cfg.Batch, 1)
	if cfg.Link == 0 {
		cfg.Link = linkEthernet
		if l, ok := src.(interface{ LinkType() layers.LinkType }); ok {
			cfg.Link = decode.LinkType(l.LinkType())
		}
	}
	if cfg.Timeout == nil {
		cfg.Timeout = isTimeout
	}
	return &Source{src: src, cfg: cfg}, nil
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// ReadBatch replaces the contents of b with the next frames, at most cfg.Batch, and waits for the
// first. Frames in b borrow from s until the next ReadBatch. ReadBatch returns io.EOF when the data
// source does, [capture.ErrClosed] after Close, and wraps any other error of the data source.
func (s *Source) ReadBatch(b *capture.Batch) error {
	b.Reset()
	s.buf = s.buf[:0]
	for s.err == nil && len(b.Frames) < s.cfg.Batch && !s.closed.Load() {
		data, info, err := s.src.ZeroCopyReadPacketData()
		switch {
		case err == nil:
			s.add(b, data, info)
		case !s.cfg.Timeout(err):
			s.err = err
		case len(b.Frames) > 0:
			return nil
		}
	}
	switch {
	case s.closed.Load():
		b.Reset()
		return capture.ErrClosed
	case len(b.Frames) > 0:
		return nil
	case s.err == io.EOF:
		return io.EOF
	}
	return fmt.Errorf("gopkt: %w", s.err)
}

// Live reports whether s is of [NewLive].
func (s *Source) Live() bool { return s.live }

// add copies one packet.
func (s *Source) add(b *capture.Batch, data []byte, info gopacket.CaptureInfo) {
	f := capture.Frame{
		Data:    data,
		WireLen: uint32(min(uint64(max(info.Length, len(data))), math.MaxUint32)),
		Link:    s.cfg.Link,
	}
	if !info.Timestamp.IsZero() {
		f.TimeNS = info.Timestamp.UnixNano()
	}
	f, s.buf = f.CopyTo(s.buf)
	b.Frames = append(b.Frames, f)
}

// Close makes ReadBatch return [capture.ErrClosed] and closes the data source if it has a Close
// method. It depends on the data source whether that interrupts a waiting read. Closing s again has
// no effect.
func (s *Source) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	switch c := s.src.(type) {
	case io.Closer:
		return c.Close()
	case interface{ Close() }:
		c.Close()
	}
	return nil
}
