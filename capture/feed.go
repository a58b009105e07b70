package capture

import (
	"cmp"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"visor/decode"
	"visor/decode/dnstapmsg"
)

const (
	tapBuffer = 1 << 20 // bytes of a shard
	tapFrames = 8192    // frames of a shard
	tapSoon   = 10 * time.Millisecond
	tapIdle   = 100 * time.Millisecond // poll interval when no frames have arrived recently
)

// Tap is a Source for programs that already have packets or DNS messages, such as DNS servers. Any
// goroutine submits them, and a pipeline reads them.
//
//	tap := capture.NewTap()
//	p, err := handler.NewPipeline(handler.Config{
//		Sources: []capture.Source{tap}, Handlers: handlers,
//	})
//	go p.Run(ctx)
//	...
//	tap.Message(&dnstapmsg.Message{Type: dnstapmsg.ClientQuery, …}) // in any goroutine
//
// Message and Packet are safe for concurrent use. They copy their argument and never block or
// allocate. If the reader falls behind, packets are dropped and counted by Drops. Goroutines on
// different processors use different buffers. The reader sorts frames by timestamp. A packet
// submitted after its timestamp may be delivered out of order. The reader polls every 10 ms so that
// writers never have to wake it.
//
// One goroutine may call ReadBatch, as for every Source. A Tap uses 2.6 MiB of memory per
// processor.
type Tap struct {
	shards  []tapShard
	nearby  sync.Pool // *tapShard; a processor mostly gets the one that it returned last
	turn    atomic.Uint32
	hurry   chan struct{} // signals that a shard is half full
	gone    chan struct{}
	once    sync.Once
	refused atomic.Uint64 // submitted after Close, or while all shards were busy

	// owned by the reader: frames taken from the shards
	taken []Frame
	given int           // number of frames of taken that were delivered
	held  []Frame       // copies of frames that are too recent to be sorted
	spare []tapFill     // buffers to swap with the buffers of the shards
	pause time.Duration // time until the next poll
}

// tapFill is a buffer and the frames in it.
type tapFill struct {
	frames []Frame
	buf    []byte
}

// tapShard is a buffer that goroutines fill, on its own cache lines.
type tapShard struct {
	mu      sync.Mutex
	fill    tapFill
	dropped atomic.Uint64
	_       [64]byte
}

var (
	_ Source      = (*Tap)(nil)
	_ LiveSource  = (*Tap)(nil)
	_ DropCounter = (*Tap)(nil)
)

// NewTap returns a Tap.
func NewTap() *Tap {
	n := runtime.GOMAXPROCS(0)
	t := &Tap{
		shards: make([]tapShard, n), spare: make([]tapFill, n),
		hurry: make(chan struct{}, 1), gone: make(chan struct{}), pause: tapSoon,
	}
	for i := range n {
		t.shards[i].fill, t.spare[i] = newTapFill(), newTapFill()
	}
	t.nearby.New = func() any { return &t.shards[int(t.turn.Add(1))%len(t.shards)] }
	return t
}

func newTapFill() tapFill {
	return tapFill{frames: make([]Frame, 0, tapFrames), buf: make([]byte, 0, tapBuffer)}
}

// Packet submits a packet captured at tsNS; link is the type of its first header. Packet copies
// data. It returns false if the packet was dropped.
func (t *Tap) Packet(tsNS int64, link decode.LinkType, data []byte) bool {
	s := t.lock()
	if s == nil {
		return false
	}
	ok := s.fill.fits(len(data))
	if ok {
		s.fill.buf = append(s.fill.buf, data...)
		s.fill.add(tsNS, link, len(data))
	}
	return t.unlock(s, ok)
}

// Message submits a DNS message with the addresses of its client and server. It copies all memory
// that m refers to. A message without a timestamp gets the current time. Message returns false if
// it was dropped.
func (t *Tap) Message(m *dnstapmsg.Message) bool {
	s := t.lock()
	if s == nil {
		return false
	}
	n := m.Len()
	ok := s.fill.fits(n)
	if ok {
		tsNS := m.TimeNS()
		if tsNS == 0 {
			tsNS = time.Now().UnixNano()
		}
		s.fill.buf = m.AppendTo(s.fill.buf)
		s.fill.add(tsNS, decode.LinkDNSTap, n)
	}
	return t.unlock(s, ok)
}

// lock returns a free shard. It returns nil if all are busy or the Tap is closed.
func (t *Tap) lock() *tapShard {
	select {
	case <-t.gone:
		t.refused.Add(1)
		return nil
	default:
	}
	s := t.nearby.Get().(*tapShard)
	if s.mu.TryLock() {
		return s
	}
	for i := range t.shards {
		if other := &t.shards[i]; other.mu.TryLock() {
			return other
		}
	}
	t.refused.Add(1)
	return nil
}

func (t *Tap) unlock(s *tapShard, ok bool) bool {
	if !ok {
		s.dropped.Add(1)
	}
	full := len(s.fill.frames) == tapFrames/2 || len(s.fill.buf) > tapBuffer/2
	s.mu.Unlock()
	t.nearby.Put(s)
	if full {
		select {
		case t.hurry <- struct{}{}:
		default:
		}
	}
	return ok
}

func (f *tapFill) fits(n int) bool {
	return len(f.frames) < cap(f.frames) && n <= cap(f.buf)-len(f.buf)
}

// add appends a frame whose data are the last n bytes of the buffer.
func (f *tapFill) add(tsNS int64, link decode.LinkType, n int) {
	end := len(f.buf)
	f.frames = append(f.frames, Frame{TimeNS: tsNS, Data: f.buf[end-n : end : end], WireLen: uint32(n), Link: link})
}

func (f *tapFill) reset() { f.frames, f.buf = f.frames[:0], f.buf[:0] }

// ReadBatch replaces the contents of b with submitted frames, ordered by time, and waits for the
// first. Frames borrow from t until the next ReadBatch. After Close it returns the remaining
// frames, and then [ErrClosed].
func (t *Tap) ReadBatch(b *Batch) error {
	b.Reset()
	for t.given == len(t.taken) {
		closed := t.wait()
		t.sweep(closed)
		if closed && len(t.taken) == 0 {
			return ErrClosed
		}
	}
	n := min(BatchSize, len(t.taken)-t.given)
	b.Frames = append(b.Frames, t.taken[t.given:t.given+n]...)
	t.given += n
	return nil
}

// wait waits for the next poll and reports whether the Tap is closed.
func (t *Tap) wait() (closed bool) {
	timer := time.NewTimer(t.pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.hurry:
	case <-t.gone:
		return true
	}
	return false
}

// sweep takes the frames of all shards. During a sweep, a query may enter a shard that was already
// swept, and its response a shard that was not. So frames younger than the start of the sweep are
// held for the next one, unless last is set.
func (t *Tap) sweep(last bool) {
	began := time.Now().UnixNano()
	t.taken, t.given = append(t.taken[:0], t.held...), 0
	for i := range t.shards {
		s, spare := &t.shards[i], &t.spare[i]
		spare.reset()
		s.mu.Lock()
		s.fill, *spare = *spare, s.fill
		s.mu.Unlock()
		t.taken = append(t.taken, spare.frames...)
	}
	t.pause = tapIdle
	if len(t.taken) > 0 {
		t.pause = tapSoon
	}
	slices.SortStableFunc(t.taken, func(a, b Frame) int { return cmp.Compare(a.TimeNS, b.TimeNS) })
	t.held = t.held[:0]
	if !last {
		t.hold(began)
	}
}

// hold moves the frames younger than began from taken to held, and copies them. A frame more than a
// second ahead has a wrong timestamp and is not held.
func (t *Tap) hold(began int64) {
	at := func(ns int64) int {
		i, _ := slices.BinarySearchFunc(t.taken, ns, func(f Frame, ns int64) int { return cmp.Compare(f.TimeNS, ns) })
		return i
	}
	from, to := at(began), at(began+int64(time.Second))
	for _, f := range t.taken[from:to] {
		f.Data = slices.Clone(f.Data) // few frames, because a sweep takes microseconds
		t.held = append(t.held, f)
	}
	t.taken = slices.Delete(t.taken, from, to)
}

// Live returns true.
func (t *Tap) Live() bool { return true }

// Drops returns the number of packets and messages that did not fit or were submitted after Close.
func (t *Tap) Drops() uint64 {
	n := t.refused.Load()
	for i := range t.shards {
		n += t.shards[i].dropped.Load()
	}
	return n
}

// Close ends the Tap. Frames submitted before remain to be read.
func (t *Tap) Close() error {
	t.once.Do(func() { close(t.gone) })
	return nil
}
