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
	// a worker with fewer batches takes the turn to read, if it is free, before it has to wait
	fanoutLow = 2
	// batches that a worker has at the end of its turn
	fanoutAhead = 4
	// most batches of a queue that a step takes: one for a new period, two for BatchSize frames
	fanoutStep = 3
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
// From the first ReadBatch of a queue on, a goroutine reads src and copies the frames. A recording
// with stable frames needs neither, see [IsStable]: the queue that runs out of frames reads for all
// of them, so that two workers use no more than two cores. Nothing is dropped: a slow queue delays
// the others. So every queue needs its own goroutine that reads it.
//
// A batch of a queue is passed on when it is full, when the period changes, and at the end. It is
// also passed on when a live source returns less than a full batch, so that its frames do not wait.
// If src has periods, all queues change the period at the same frame. Each queue then gets a batch,
// which may be empty. After the last frame every queue returns the error of src.
//
// Closing one queue discards its remaining frames and does not affect the others. Closing the last
// queue closes src, waits for its reader, and returns the error of src.Close. Every queue
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

// fanout is the reader's side. The reader owns it: a goroutine, or the worker that has the turn.
type fanout struct {
	src    Source
	hash   func([]byte, decode.LinkType) uint64
	stable bool
	queues []*queue
	in     Batch // the batch that is being spread
	next   int   // index of its first frame that is not in a queue
	epoch  int64 // period of the batches that are being filled
	era    int
	open   atomic.Int32  // number of queues that are not closed
	shared bool          // the workers take turns to read, instead of a goroutine
	turn   chan struct{} // holds the turn while no worker and no goroutine reads
	done   chan struct{} // closed when all queues have ended

	// mu is held while frames of src are read. The last Close takes it before it closes src,
	// because src may release the memory of the frames.
	mu     sync.Mutex
	closed bool // guarded by mu
}

func newFanout(src Source, cfg FanoutConfig, hash func([]byte, decode.LinkType) uint64) []Source {
	n := max(cfg.Queues, 1)
	stable := IsStable(src)
	f := &fanout{src: src, hash: hash, stable: stable, shared: stable && !IsLive(src), turn: make(chan struct{}, 1), done: make(chan struct{})}
	f.open.Store(int32(n))
	out := make([]Source, n)
	for i := range n {
		q := f.newQueue(i)
		f.queues = append(f.queues, q)
		out[i] = q
	}
	f.turn <- struct{}{}
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
	for {
		if err := f.step(); err != nil {
			f.finish(err)
			return
		}
	}
}

// readFor reads src for all queues until q has some batches to read, or starts the goroutine that
// does. The worker of q calls it and has the turn.
func (f *fanout) readFor(q *queue) {
	if !f.shared {
		go f.run() // and keeps the turn
		return
	}
	for f.goesOn(q) {
		if err := f.step(); err != nil {
			f.finish(err) // and keeps the turn
			return
		}
	}
	f.turn <- struct{}{}
}

// goesOn reports whether the turn of q goes on. As long as q has a batch, the turn must not wait
// for another queue: at the start of a period the other worker waits for this one.
func (f *fanout) goesOn(q *queue) bool {
	n := len(q.full)
	return n == 0 && !q.isClosed() || n > 0 && n < fanoutAhead && f.hasRoom()
}

// hasRoom reports whether the next step cannot wait for a queue.
func (f *fanout) hasRoom() bool {
	for _, q := range f.queues {
		if len(q.free) < fanoutStep && !q.isClosed() {
			return false
		}
	}
	return true
}

// step reads a batch, unless frames of the previous one are left, and spreads at most BatchSize
// frames.
func (f *fanout) step() (err error) {
	if f.stable {
		defer RecoverFault(&err, GuardFaults())
	}
	if f.next == len(f.in.Frames) {
		f.in.Reset()
		f.next = 0
		if err := f.src.ReadBatch(&f.in); err != nil {
			return err
		}
	}
	f.spread()
	return nil
}

// spread puts the next frames of the batch into the queues.
func (f *fanout) spread() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed { // these frames have no reader any more
		f.discard()
		return
	}
	if f.in.Epoch != f.epoch || f.in.Era != f.era {
		f.flush()
		f.epoch, f.era = f.in.Epoch, f.in.Era
		f.announce()
	}
	n := uint64(len(f.queues))
	for end := min(f.next+BatchSize, len(f.in.Frames)); f.next < end; f.next++ {
		fr := &f.in.Frames[f.next]
		at := uint64(0)
		if n > 1 {
			at, _ = bits.Mul64(f.hash(fr.Data, fr.Link), n) // high bits of the hash
		}
		f.queues[at].put(fr)
	}
	if !f.stable && len(f.in.Frames) < BatchSize {
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

// discard drops the frames of the batch that are not in a queue.
func (f *fanout) discard() {
	f.queues[0].lost.Add(uint64(len(f.in.Frames) - f.next))
	f.next = len(f.in.Frames)
}

// finish ends all queues with err, after the frames before it. It is called once.
func (f *fanout) finish(err error) {
	f.discard()
	f.flush()
	for _, q := range f.queues {
		q.err = err
		close(q.full)
	}
	close(f.done)
}

// close ends the reader, which cannot block on a queue, because all queues are closed.
func (f *fanout) close() error {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	err := f.src.Close()
	select {
	case <-f.turn:
		if f.shared {
			f.finish(ErrClosed)
		} else {
			f.run() // counts the frames that src has accepted as dropped
		}
	case <-f.done:
	}
	return err
}
