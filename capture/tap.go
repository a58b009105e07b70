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
	tapIdle   = 100 * time.Millisecond // when nothing has come lately
)

// Tap is a Source for programs that have packets or DNS messages already, as DNS servers do: any
// goroutine gives them, and a pipeline reads them.
//
//	tap := capture.NewTap()
//	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{tap}, Live: true, Handlers: handlers})
//	go p.Run(ctx)
//	...
//	tap.Message(&dnstapmsg.Message{Type: dnstapmsg.ClientQuery, …}) // in the server's own goroutines
//
// Message and Packet are safe for concurrent use. They copy what they are given, never wait and
// never allocate: what comes faster than it is read is dropped, and counted. Goroutines on
// different processors use different buffers. The reader sorts what these hold by time; what is
// given later than its time says may come late. It looks every 10 ms, so that givers need not wake
// it.
//
// ReadBatch is for one goroutine, as that of every Source. Memory is 1.3 MiB for each processor,
// twice.
type Tap struct {
	shards  []tapShard
	nearby  sync.Pool // *tapShard: a processor mostly gets the one that it has put back
	turn    atomic.Uint32
	hurry   chan struct{} // a shard is half full
	gone    chan struct{}
	once    sync.Once
	refused atomic.Uint64 // given after Close, or while all shards were busy

	// Of the reader: what it has taken from the shards.
	taken []Frame
	given int           // of taken
	held  []Frame       // frames that are too young to be ordered; their bytes are copies
	spare []tapFill     // buffers to exchange with those of the shards
	pause time.Duration // until the next look
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

// Packet gives a packet that was seen at tsNS, of the link type that it begins with. It copies
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

// Message gives a DNS message and who exchanged it. It copies what m refers to. A message without a
// time is of now. It returns false if the message was dropped.
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

// lock returns a shard that is free. It returns nil if all are busy, or the Tap is closed.
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

// add notes the last n bytes of the buffer as a frame.
func (f *tapFill) add(tsNS int64, link decode.LinkType, n int) {
	end := len(f.buf)
	f.frames = append(f.frames, Frame{TimeNS: tsNS, Data: f.buf[end-n : end : end], WireLen: uint32(n), Link: link})
}

func (f *tapFill) reset() { f.frames, f.buf = f.frames[:0], f.buf[:0] }

// ReadBatch replaces the contents of b with what was given, ordered by time, waiting for something.
// Frames borrow from t until the next ReadBatch. After Close it gives the rest, and then returns
// [ErrClosed].
func (t *Tap) ReadBatch(b *Batch) error {
	b.Frames, b.Epoch = b.Frames[:0], 0
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

// wait waits until it is time to look, and reports whether the Tap is closed.
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

// sweep takes what the shards hold. While it goes from one to the next, an answer may come to a
// shard that is still to be looked at, and its question have gone to one that was: so what is
// younger than the sweep waits for the next one, unless that is the last.
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

// hold takes the frames from began on out of what was taken, and copies them. What is a second
// ahead has a wrong time, and does not wait for it.
func (t *Tap) hold(began int64) {
	at := func(ns int64) int {
		i, _ := slices.BinarySearchFunc(t.taken, ns, func(f Frame, ns int64) int { return cmp.Compare(f.TimeNS, ns) })
		return i
	}
	from, to := at(began), at(began+int64(time.Second))
	for _, f := range t.taken[from:to] {
		f.Data = slices.Clone(f.Data) // few: a sweep takes microseconds
		t.held = append(t.held, f)
	}
	t.taken = slices.Delete(t.taken, from, to)
}

// Drops returns how many packets and messages did not fit, or were given after Close.
func (t *Tap) Drops() uint64 {
	n := t.refused.Load()
	for i := range t.shards {
		n += t.shards[i].dropped.Load()
	}
	return n
}

// Close ends the Tap. What was given by then stays to be read.
func (t *Tap) Close() error {
	t.once.Do(func() { close(t.gone) })
	return nil
}
