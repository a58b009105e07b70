package capture

import (
	"cmp"
	"math/bits"
	"sync"
	"sync/atomic"

	"visor/decode"
	"visor/sketch/hash64"
)

const (
	// batches of a queue that exist: one with the worker, one being filled, the others wait
	fanoutDepth = 8
	// bytes of frames that a batch holds before it is passed on, unless one frame is larger
	fanoutBuffer = 128 * 1024
)

// FanoutConfig configures [Fanout]. The zero FanoutConfig is ready to use.
type FanoutConfig struct {
	Queues int // number of queues; 0 means 1
	// of addresses: nil means the fixed one, with which a recording is spread in the same way each
	// time
	Hash *hash64.Hasher
}

// Fanout spreads the frames of src over queues, each a Source with an owner of its own. Frames with
// the same pair of addresses, in either direction, reach the same queue in the order of src: the
// queue is chosen by [decode.FlowHash].
//
// One goroutine reads src. It copies frames, unless they are stable anyway (see [Stabler]). Nothing
// is dropped: a slow queue holds up the reader and in time the others, so every queue needs its own
// goroutine to read it. Frames that a live source gives in less than a full batch are passed on at
// once; otherwise a queue's batch is passed on when it is full, when the period changes, and at the
// end. After the last frame every queue returns the error of src. If src has periods, all queues
// change them at the same frame: each gets a batch when one begins, an empty one if need be.
//
// Closing one queue discards what it would still get and leaves the others alone. Closing the last
// one closes src, waits for the goroutine, and returns what the Close of src returned. Progress of
// any queue is that of src. The first queue has the Drops, Filtered and Reasons of src; each queue
// adds the frames discarded for it to its Drops.
//
// Memory is bounded: 8 batches a queue, with 128 KiB of copied frames each.
func Fanout(src Source, cfg FanoutConfig) []Source {
	h := cmp.Or(cfg.Hash, hash64.Fixed())
	return newFanout(src, cfg, func(frame []byte, link decode.LinkType) uint64 { return decode.FlowHash(h, frame, link) })
}

// slab is a batch on its way from the reader to a worker and back.
type slab struct {
	batch Batch
	buf   []byte // what batch.Frames borrow from, unless the source is stable
}

// fanout is the reader's side.
type fanout struct {
	src    Source
	hash   func([]byte, decode.LinkType) uint64
	stable bool
	queues []*queue
	epoch  int64 // of what is being filled
	era    int
	open   atomic.Int32  // queues not closed
	done   chan struct{} // closed when the goroutine has ended

	// mu is held while frames of src are touched. The last Close takes it before it closes src,
	// so that src may release their memory.
	mu     sync.Mutex
	closed bool // under mu
}

// queue is one worker's side. Fields without a comment are set once.
type queue struct {
	f       *fanout
	index   int
	filling *slab // owned by the reader
	lent    *slab // owned by the worker: what its batch borrows from
	full    chan *slab
	free    chan *slab
	gone    chan struct{} // closed by Close
	once    sync.Once
	err     error         // the error of src; written before full is closed
	passed  atomic.Uint64 // frames put into full
	given   atomic.Uint64 // frames that the worker took out of full
	lost    atomic.Uint64 // frames not even put into full, because the queue was closed
}

var (
	_ Source        = (*queue)(nil)
	_ Stabler       = (*queue)(nil)
	_ Progresser    = (*queue)(nil)
	_ DropCounter   = (*queue)(nil)
	_ FilterCounter = (*queue)(nil)
	_ Reasoner      = (*queue)(nil)
)

func newFanout(src Source, cfg FanoutConfig, hash func([]byte, decode.LinkType) uint64) []Source {
	n := max(cfg.Queues, 1)
	f := &fanout{src: src, hash: hash, stable: IsStable(src), done: make(chan struct{})}
	f.open.Store(int32(n))
	out := make([]Source, n)
	for i := range n {
		q := f.newQueue(i)
		f.queues = append(f.queues, q)
		out[i] = q
	}
	go f.run()
	return out
}

func (f *fanout) newQueue(index int) *queue {
	q := &queue{f: f, index: index, gone: make(chan struct{})}
	q.full = make(chan *slab, fanoutDepth)
	q.free = make(chan *slab, fanoutDepth)
	for range fanoutDepth {
		s := &slab{batch: Batch{Frames: make([]Frame, 0, BatchSize)}}
		if !f.stable {
			s.buf = make([]byte, 0, fanoutBuffer)
		}
		q.free <- s
	}
	return q
}

// run reads src until it ends, or until all queues are closed.
func (f *fanout) run() {
	defer close(f.done)
	var in Batch
	for {
		if err := f.pass(&in); err != nil {
			f.finish(err)
			return
		}
	}
}

// pass reads a batch and puts its frames into the queues.
func (f *fanout) pass(in *Batch) (err error) {
	if f.stable {
		defer RecoverFault(&err, GuardFaults())
	}
	if err := f.src.ReadBatch(in); err != nil {
		return err
	}
	return f.spread(in)
}

// spread puts the frames of one batch into the queues.
func (f *fanout) spread(in *Batch) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return ErrClosed
	}
	if in.Epoch != f.epoch || in.Era != f.era {
		f.flush()
		f.epoch, f.era = in.Epoch, in.Era
		f.announce()
	}
	n := uint64(len(f.queues))
	for i := range in.Frames {
		fr := &in.Frames[i]
		at := uint64(0)
		if n > 1 {
			at, _ = bits.Mul64(f.hash(fr.Data, fr.Link), n) // the high bits of the hash
		}
		f.queues[at].put(fr)
	}
	if !f.stable && len(in.Frames) < BatchSize {
		f.flush() // the source has no more for now
	}
	return nil
}

// announce makes every queue begin the period, also those whose next frame comes much later or
// never.
func (f *fanout) announce() {
	if f.era == 0 {
		return
	}
	for _, q := range f.queues {
		if q.take() { // a closed queue needs none
			q.pass() // at once: workers may wait for each other where a period begins
		}
	}
}

// flush passes on what every queue has been given so far.
func (f *fanout) flush() {
	for _, q := range f.queues {
		q.pass()
	}
}

func (f *fanout) finish(err error) {
	f.flush()
	for _, q := range f.queues {
		q.err = err
		close(q.full)
	}
}

// put appends a frame to the batch that is being filled, and passes that on when it is full.
func (q *queue) put(fr *Frame) {
	if s := q.filling; s != nil && !q.f.stable && len(s.buf)+len(fr.Data) > cap(s.buf) {
		q.pass()
	}
	if q.filling == nil && !q.take() {
		q.lost.Add(1)
		return
	}
	s := q.filling
	f := *fr
	if !q.f.stable {
		f, s.buf = f.CopyTo(s.buf)
	}
	s.batch.Frames = append(s.batch.Frames, f)
	if len(s.batch.Frames) >= BatchSize {
		q.pass()
	}
}

// take waits for a free slab. It returns false if the queue was closed.
func (q *queue) take() bool {
	select {
	case <-q.gone:
		return false
	default:
	}
	select {
	case s := <-q.free:
		if cap(s.batch.Frames) < BatchSize { // it was a worker's own; see ReadBatch
			s.batch.Frames = make([]Frame, 0, BatchSize)
		}
		s.batch.Frames, s.batch.Epoch, s.batch.Era, s.buf = s.batch.Frames[:0], q.f.epoch, q.f.era, s.buf[:0]
		q.filling = s
		return true
	case <-q.gone:
		return false
	}
}

// pass hands the slab that is being filled to the worker. There is always room: full holds all
// slabs.
func (q *queue) pass() {
	if q.filling != nil {
		q.passed.Add(uint64(len(q.filling.batch.Frames)))
		q.full <- q.filling
		q.filling = nil
	}
}

// ReadBatch gives b the next batch. b.Frames is exchanged with the slab's, so that nothing is
// copied.
func (q *queue) ReadBatch(b *Batch) error {
	b.Frames, b.Epoch, b.Era = b.Frames[:0], 0, 0
	if q.lent != nil {
		q.free <- q.lent
		q.lent = nil
	}
	select {
	case <-q.gone:
		return ErrClosed
	default:
	}
	select {
	case s, ok := <-q.full:
		if !ok {
			return q.err
		}
		b.Epoch, b.Era = s.batch.Epoch, s.batch.Era
		b.Frames, s.batch.Frames = s.batch.Frames, b.Frames
		q.lent = s
		q.given.Add(uint64(len(b.Frames)))
		return nil
	case <-q.gone:
		return ErrClosed
	}
}

// Stable reports whether frames are those of a stable source, passed on without a copy.
func (q *queue) Stable() bool { return q.f.stable }

// Progress returns the Progress of the source that is spread, which all queues share.
func (q *queue) Progress() (done, total int64) { return ProgressOf(q.f.src) }

// Drops returns the frames discarded after Close; the first queue adds the Drops of the source.
func (q *queue) Drops() uint64 {
	n := q.lost.Load()
	select {
	case <-q.gone:
		n += q.passed.Load() - q.given.Load()
	default:
	}
	if q.index == 0 {
		n += DropsOf(q.f.src)
	}
	return n
}

// Filtered returns the Filtered of the source for the first queue, and 0 for the others.
func (q *queue) Filtered() uint64 {
	if q.index == 0 {
		return FilteredOf(q.f.src)
	}
	return 0
}

// Reasons returns the Reasons of the source for the first queue, and none for the others.
func (q *queue) Reasons() []Reason {
	if q.index == 0 {
		return ReasonsOf(q.f.src)
	}
	return nil
}

// Own returns the addresses of this host, as the source has them.
func (q *queue) Own() *decode.HostNets { return OwnOf(q.f.src) }

// Close makes ReadBatch return [ErrClosed]. The Close that closes the last queue ends everything.
func (q *queue) Close() (err error) {
	q.once.Do(func() {
		close(q.gone)
		if q.f.open.Add(-1) == 0 {
			err = q.f.close()
		}
	})
	return err
}

// close ends the reader: all queues are closed, so it does not wait for any of them.
func (f *fanout) close() error {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	err := f.src.Close()
	<-f.done
	return err
}
