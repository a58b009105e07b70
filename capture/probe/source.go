package probe

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"slices"
	"sync"
	"time"

	"visor/capture"
	"visor/decode"
	"visor/decode/probemsg"
)

// Source yields the events of probes. It is owned by one goroutine; Close may be called from any.
type Source struct {
	cfg    Config
	start  time.Time
	cookie uint32 // distinguishes replies to this Source from others
	events chan capture.Frame
	done   <-chan struct{} // closed by end
	end    context.CancelFunc
	wg     sync.WaitGroup
	v4, v6 *socket // Ping: nil if no target needs it
}

var (
	_ capture.Source     = (*Source)(nil)
	_ capture.LiveSource = (*Source)(nil)
)

// backlog is the number of events that can wait for the reader.
const backlog = 1024

// New returns a Source that has begun to probe. It returns an error if cfg is invalid or the
// system's sockets cannot be opened.
func New(cfg Config) (*Source, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	s := &Source{cfg: cfg, start: time.Now(), events: make(chan capture.Frame, backlog), cookie: newCookie()}
	ctx, end := context.WithCancel(context.Background())
	s.done, s.end = ctx.Done(), end
	if cfg.Test == Ping {
		if err := s.openSockets(); err != nil {
			end()
			return nil, err
		}
	}
	for i := range cfg.Targets {
		s.wg.Go(func() { s.probe(ctx, i) })
	}
	return s, nil
}

func newCookie() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint32(b[:])
}

// now returns the time in ns since 1970. It uses the monotonic clock, so that steps of the system's
// clock do not affect response times.
func (s *Source) now() int64 { return s.start.UnixNano() + int64(time.Since(s.start)) }

// tell passes an event to the reader. It returns false if the Source is closed.
func (s *Source) tell(timeNS int64, kind probemsg.Kind, key uint64, target string) bool {
	return s.report(timeNS, probemsg.Event{Kind: kind, Key: key, Target: []byte(target)})
}

// report passes any event to the reader.
func (s *Source) report(timeNS int64, e probemsg.Event) bool {
	b := e.AppendTo(nil)
	select {
	case s.events <- capture.Frame{TimeNS: timeNS, Data: b, WireLen: uint32(len(b)), Link: decode.LinkProbe}:
		return true
	case <-s.done:
		return false
	}
}

// ReadBatch waits for an event and returns it together with all pending events. After Close it
// returns [capture.ErrClosed]: the answers to the latest probes are incomplete then.
func (s *Source) ReadBatch(b *capture.Batch) error {
	b.Reset()
	select {
	case <-s.done:
		return capture.ErrClosed
	default:
	}
	select {
	case f := <-s.events:
		b.Frames = append(b.Frames, f)
	case <-s.done:
		return capture.ErrClosed
	}
	for len(b.Frames) < capture.BatchSize {
		select {
		case f := <-s.events:
			b.Frames = append(b.Frames, f)
		default:
			return nil
		}
	}
	return nil
}

// Sockets returns the number of open ICMP sockets: one for each family that Ping needs, and 0 for
// other tests.
func (s *Source) Sockets() (n int) {
	for _, k := range []*socket{s.v4, s.v6} {
		if k != nil {
			n++
		}
	}
	return n
}

// Live returns true.
func (s *Source) Live() bool { return true }

// Close ends all probes. A waiting ReadBatch returns.
func (s *Source) Close() error {
	s.end()
	s.v4.close()
	s.v6.close()
	s.wg.Wait()
	return nil
}

// probe tests a target repeatedly.
func (s *Source) probe(ctx context.Context, i int) {
	tick := time.NewTicker(s.cfg.Interval)
	defer tick.Stop()
	test, end := s.tester(ctx, i)
	defer end()
	for n := uint32(0); ; n++ {
		test(ctx, n)
		if !s.wait(tick.C) {
			return
		}
	}
}

// tester returns a function that runs the n-th test of a target, and a function that closes its
// connections.
func (s *Source) tester(life context.Context, i int) (test func(ctx context.Context, n uint32), end func()) {
	switch s.cfg.Test {
	case Ping:
		return func(ctx context.Context, n uint32) { s.ping(ctx, i, n) }, func() {}
	case Connect:
		return func(ctx context.Context, n uint32) { s.connect(ctx, i, n) }, func() {}
	case DNS:
		r := &resolver{s, &s.cfg.Targets[i]}
		return func(ctx context.Context, n uint32) { r.test(ctx, connectKey(i, n)) }, func() {}
	}
	w := s.newWeb(life, i)
	return func(ctx context.Context, n uint32) { w.test(ctx, connectKey(i, n)) }, w.client.CloseIdleConnections
}

// wait waits for c. It returns false if the Source is closed first.
func (s *Source) wait(c <-chan time.Time) bool {
	select {
	case <-c:
		return true
	case <-s.done:
		return false
	}
}

// resolve returns the address of a target. If it fails, it reports an event and returns false.
func (s *Source) resolve(ctx context.Context, t *Target, key uint64) (netip.Addr, bool) {
	if addr, err := netip.ParseAddr(t.Host); err == nil {
		return addr, true
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	addrs, err := s.cfg.Resolver.LookupNetIP(ctx, map[int]string{0: "ip", 4: "ip4", 6: "ip6"}[t.Version], t.Host)
	if err != nil {
		s.tell(s.now(), probemsg.LookupFailed, key, t.Name)
		return netip.Addr{}, false
	}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	if s.cfg.Test == Ping {
		slices.SortStableFunc(addrs, func(a, b netip.Addr) int { return a.BitLen() - b.BitLen() })
	}
	return addrs[0], true
}
