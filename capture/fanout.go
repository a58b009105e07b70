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
	// batches per queue: the worker holds one, the reader fills one, the others wait
	fanoutDepth = 8
	// bytes of frames after which a batch is passed on; a single larger frame also fits
	fanoutBuffer = 128 * 1024
)

// FanoutConfig configures [Fanout]. The zero FanoutConfig is ready to use.
type FanoutConfig struct {
	Queues int // number of queues; 0 means 1
	// hash of addresses; nil means a fixed hash, which spreads a recording in the same way each
	// time
	Hash *hash64.Hasher
}

// Fanout spreads the frames of src over queues. Each queue is a Source with its own owner. Frames
// with the same pair of addresses, in either direction, reach the same queue in the order of src.
// [decode.FlowHasher] chooses the queue.
//
// One goroutine reads src. It copies frames, unless they are stable; see [IsStable]. Nothing is
// dropped: a slow queue delays the reader, and then the other queues. So every queue needs its own
// goroutine that reads it.
//
// A batch of a queue is passed on when it is full, when the period changes, and at the end. It is
// also passed on when a live source returns less than a full batch, so that its frames do not wait.
// If src has periods, all queues change the period at the same frame. Each queue then gets a batch,
// which may be empty. After the last frame every queue returns the error of src.
//
// Closing one queue discards its remaining frames and does not affect the others. Closing the last
// queue closes src, waits for the goroutine, and returns the error of src.Close. Every queue
// returns the Progress of src. The first queue returns the Drops, Filtered and Reasons of src. Each
// queue adds the frames discarded for it to its Drops.
//
// Memory is bounded: 8 batches per queue, with 128 KiB of copied frames each.
func Fanout(src Source, cfg FanoutConfig) []Source {
	h := cmp.Or(cfg.Hash, hash64.Fixed())
	return newFanout(src, cfg, decode.NewFlowHasher(h).Hash)
}

// slab is a batch on its way from the reader to a worker and back.
type slab struct {
	batch Batch
	buf   []byte // memory of batch.Frames, unless the source is stable
}

// fanout is the reader's side.
type fanout struct {
	src    Source
	hash   func([]byte, decode.LinkType) uint64
	stable bool
	queues []*queue
	epoch  int64 // period of the batches that are being filled
	era    int
	open   atomic.Int32  // number of queues that are not closed
	done   chan struct{} // closed at the end of the goroutine

	// mu is held while frames of src are read. The last Close takes it before it closes src,
	// because src may release the memory of the frames.
	mu     sync.Mutex
	closed bool // guarded by mu
}

// queue is one worker's side. Fields without a comment are set once.
type queue struct {
	f       *fanout
	index   int
	filling *slab // owned by the reader
	lent    *slab // owned by the worker: memory of its current batch
	full    chan *slab
	free    chan *slab
	gone    chan struct{} // closed by Close
	once    sync.Once
	err     error         // the error of src; written before full is closed
	passed  atomic.Uint64 // frames put into full
	given   atomic.Uint64 // frames that the worker took from full
	lost    atomic.Uint64 // frames not put into full, because the queue was closed
}

var (
	_ Source        = (*queue)(nil)
	_ LiveSource    = (*queue)(nil)
	_ stabler       = (*queue)(nil)
	_ Owner         = (*queue)(nil)
	_ progresser    = (*queue)(nil)
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

// run reads src until it ends or all queues are closed.
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

// pass reads a batch and spreads its frames over the queues.
func (f *fanout) pass(in *Batch) (err error) {
	if f.stable {
		defer RecoverFault(&err, GuardFaults())
	}
	if err := f.src.ReadBatch(in); err != nil {
		return err
	}
	f.spread(in)
	return nil
}

// spread puts the frames of one batch into the queues.
func (f *fanout) spread(in *Batch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed { // these frames have no reader any more
		f.queues[0].lost.Add(uint64(len(in.Frames)))
		return
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
			at, _ = bits.Mul64(f.hash(fr.Data, fr.Link), n) // high bits of the hash
		}
		f.queues[at].put(fr)
	}
	if !f.stable && len(in.Frames) < BatchSize {
		f.flush() // no more frames are available now
	}
}

// announce makes every queue begin the period, including queues whose next frame comes much later
// or never.
func (f *fanout) announce() {
	if f.era == 0 {
		return
	}
	for _, q := range f.queues {
		if q.take() { // a closed queue needs no period
			// immediately, because workers may wait for each other at the start of a period
			q.pass()
		}
	}
}

// flush passes on the partly filled batches of all queues.
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

// put appends a frame to the current batch and passes a full batch on.
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
		// the caller of ReadBatch exchanged it for its own; see ReadBatch
		if cap(s.batch.Frames) < BatchSize {
			s.batch.Frames = make([]Frame, 0, BatchSize)
		}
		s.batch.Frames, s.batch.Epoch, s.batch.Era, s.buf = s.batch.Frames[:0], q.f.epoch, q.f.era, s.buf[:0]
		q.filling = s
		return true
	case <-q.gone:
		return false
	}
}

// pass hands the current slab to the worker. It never blocks, because full has room for all slabs.
func (q *queue) pass() {
	if q.filling != nil {
		q.passed.Add(uint64(len(q.filling.batch.Frames)))
		q.full <- q.filling
		q.filling = nil
	}
}

// ReadBatch replaces b with the next batch. It swaps b.Frames with the frames of the slab, so
// nothing is copied.
func (q *queue) ReadBatch(b *Batch) error {
	b.Reset()
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

// Live reports whether the source that is spread is live.
func (q *queue) Live() bool { return IsLive(q.f.src) }

// Stable reports whether the source is stable. Frames of a stable source are passed on without a
// copy.
func (q *queue) Stable() bool { return q.f.stable }

// Progress returns the Progress of the source, which all queues share.
func (q *queue) Progress() (done, total int64) { return ProgressOf(q.f.src) }

// Drops returns the number of frames discarded after Close. The first queue adds the Drops of the
// source.
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

// Reasons returns the Reasons of the source for the first queue, and nil for the others.
func (q *queue) Reasons() []Reason {
	if q.index == 0 {
		return ReasonsOf(q.f.src)
	}
	return nil
}

// Own returns the Own of the source.
func (q *queue) Own() *decode.NetSet { return OwnOf(q.f.src) }

// Close makes ReadBatch return [ErrClosed]. Closing the last queue ends the reader and closes the
// source.
func (q *queue) Close() (err error) {
	q.once.Do(func() {
		close(q.gone)
		if q.f.open.Add(-1) == 0 {
			err = q.f.close()
		}
	})
	return err
}

// close ends the reader. It cannot block on a queue, because all queues are closed.
func (f *fanout) close() error {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	err := f.src.Close()
	<-f.done
	return err
}
