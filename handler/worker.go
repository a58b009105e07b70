package handler

import (
	"slices"
	"sync"
	"time"

	"visor/capture"
	"visor/decode"
)

// worker owns one queue and everything behind it. The worker takes the lock once per batch; queries
// take it in between.
type worker struct {
	src      capture.Source
	stable   bool // the memory of frames may be a mapped file
	mu       sync.Mutex
	decoder  *decode.Decoder
	dns      *extractor
	exports  *exportReader // nil unless a handler asks for them
	tap      tapDecoder
	hosts    *decode.NetSet
	fallback decode.LinkFallback
	clock    *clock   // nil for recordings
	period   period   // the live period
	length   int64    // of a period, in ns
	common   bool     // the periods are common to all workers
	meeting  *meeting // of the workers of a recording; nil for a single worker
	strays   uint64   // live frames with a wrong timestamp
	members  []*member
	packets  []decode.Packet
	batch    Batch
	account  Account            // frames, without those that the source lost or filtered
	span     span               // time covered by frames
	failures map[failure]uint64 // undecodable frames
	lost     uint64             // frames that the source had lost before the batch
	lastSegs uint64
	lastNS   int64     // latest frame of the batch
	now      second    // arrival of the batch: by the clock, or the latest frame of a recording
	frames   uint64    // frames in the batch
	ways     [3]uint64 // DNS messages so far by direction
	touched  byte
	refused  uint64 // keys refused by lists of detached handlers
	finished bool   // the source has ended
}

func newWorker(cfg *Config, src capture.Source) *worker {
	return &worker{
		src:      src,
		stable:   capture.IsStable(src),
		decoder:  decode.NewDecoder(decode.Config{Fallback: cfg.Fallback, MaxFragBytes: cfg.FragBytes}),
		dns:      newExtractor(cfg),
		hosts:    &cfg.Hosts,
		failures: make(map[failure]uint64),
		packets:  make([]decode.Packet, capture.BatchSize),
		length:   int64(cfg.Period),

		fallback: cfg.Fallback,
	}
}

// attach shows all later batches to m, and no longer to former, which may be nil. The first period
// of m begins at nowNS in a live worker, and otherwise with the worker's period.
func (w *worker) attach(m, former *member, nowNS int64, exports bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.remove(former)
	if exports && w.exports == nil {
		w.exports = newExportReader(w.fallback)
	}
	if start := w.period; start.era > 0 {
		if w.clock != nil {
			start.start = max(start.start, nowNS)
		}
		for _, s := range m.shards {
			s.buckets().begin(start, w.length)
		}
	}
	w.members = append(w.members, m)
}

func (w *worker) detach(m *member) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.remove(m)
}

// remove shows later batches no longer to m, if it is there. The caller holds mu.
func (w *worker) remove(m *member) {
	if i := slices.Index(w.members, m); i >= 0 {
		w.refused += m.refused()
		w.members = slices.Delete(w.members, i, i+1)
	}
}

// run reads the queue to its end.
func (w *worker) run() error {
	defer w.leave()
	var frames capture.Batch
	for {
		err := w.read(&frames)
		if len(frames.Frames) > 0 || err == nil {
			if fault := w.guarded(&frames); fault != nil {
				_ = w.src.Close() // otherwise the source would wait for this worker
				err = fault
			}
		}
		if err != nil {
			w.finish()
			if isEnd(err) {
				return nil
			}
			return err
		}
	}
}

// read reads a batch. Wrappers around a file source may access its frames.
func (w *worker) read(b *capture.Batch) (err error) {
	if w.stable {
		defer capture.RecoverFault(&err, capture.GuardFaults())
	}
	return w.src.ReadBatch(b)
}

// guarded calls process. It returns [capture.ErrShrunk] if the memory of a frame is gone.
func (w *worker) guarded(b *capture.Batch) (err error) {
	if w.stable {
		defer capture.RecoverFault(&err, capture.GuardFaults())
	}
	w.process(b)
	return nil
}

// leave releases workers that wait for w.
func (w *worker) leave() {
	if w.meeting != nil {
		w.meeting.leave()
		w.meeting = nil
	}
}

// process counts a batch. A batch of a recording lies within one period; see newRecorded.
func (w *worker) process(b *capture.Batch) {
	if to := (period{b.Era, b.Epoch}); w.clock == nil && to != w.period {
		w.expire(to.start)
		w.change(to)
		if w.meeting != nil {
			w.meeting.wait()
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.clock != nil:
		w.processLive(b.Frames)
	case len(b.Frames) > 0:
		w.analyse(b.Frames)
	}
}

// expire ends the idle TCP connections at the start of a recording's period, the same time for all
// workers. Their data counts in the previous period.
func (w *worker) expire(nowNS int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.period.era == 0 {
		return
	}
	w.batch.Packets, w.batch.Flows, w.frames = w.packets[:0], nil, 0
	w.dns.advance(&w.batch, nowNS)
	if len(w.batch.DNS)+len(w.batch.BGP) > 0 {
		w.noteLosses()
		w.show()
	}
}

// change makes a recording's period the live one.
func (w *worker) change(to period) {
	w.mu.Lock()
	defer w.mu.Unlock()
	endNS := to.start
	if to.era != w.period.era {
		second := secondOf(w.lastNS)
		endNS = second.start + int64(time.Second)
	}
	w.enter(to, endNS)
}

// enter makes a period the live one. The previous period ended at endNS.
func (w *worker) enter(to period, endNS int64) {
	if to == w.period {
		return
	}
	for _, m := range w.members {
		for _, s := range m.shards {
			if w.period.era > 0 {
				s.buckets().end(endNS)
				s.Shift(to.start)
			}
			s.buckets().begin(to, w.length)
		}
	}
	w.period, w.lastNS = to, to.start // without frames in it, a worker has no later time
}

// analyse passes frames of one period to the handlers.
func (w *worker) analyse(frames []capture.Frame) {
	w.decode(frames)
	w.dns.extract(&w.batch)
	if w.clock != nil {
		w.countWays()
	}
	if w.exports != nil {
		w.exports.read(&w.batch)
	}
	w.noteLosses()
	if w.clock == nil {
		w.now = secondOf(w.lastNS)
	}
	w.show()
}

// touch loads the first and the last byte of each frame, and returns the first and the last time.
// In such a short loop the loads overlap, unlike the decoder's: 22 ns per packet became 8. The sum
// keeps the compiler from removing the loads.
func touch(frames []capture.Frame) (firstNS, lastNS int64, sum byte) {
	firstNS, lastNS = frames[0].TimeNS, frames[0].TimeNS
	for i := range frames {
		f := &frames[i]
		firstNS, lastNS = min(firstNS, f.TimeNS), max(lastNS, f.TimeNS)
		if b := f.Data; len(b) > 0 {
			sum ^= b[0] ^ b[len(b)-1]
		}
	}
	return firstNS, lastNS, sum
}

// decode decodes frames into the batch's packets.
func (w *worker) decode(frames []capture.Frame) {
	if len(frames) > len(w.packets) {
		w.packets = make([]decode.Packet, len(frames))
	}
	w.decoder.Reset()
	var firstNS int64
	firstNS, w.lastNS, w.touched = touch(frames)
	packets, undecodable := w.decodeEach(frames)
	w.batch.Packets, w.batch.taps = w.packets[:packets], w.tap.messages
	w.span.cover(firstNS, w.lastNS)
	w.frames = uint64(len(frames))
	w.account.Offered += w.frames
	w.account.Undecodable += undecodable
	w.account.Analysed += w.frames - undecodable
}

// decodeEach decodes frames into w.packets. It returns the number of packets, and of frames that
// could not be decoded.
func (w *worker) decodeEach(frames []capture.Frame) (packets int, undecodable uint64) {
	own, given := w.own()
	for i := range frames {
		f, p := &frames[i], &w.packets[packets]
		packets++
		p.TimeNS, p.Frame, p.WireLen, p.Link = f.TimeNS, f.Data, f.WireLen, f.Link
		switch f.Link {
		case decode.LinkDNSTap:
			if err := w.tap.decode(p, packets-1, len(w.packets)); err != nil {
				undecodable++
				w.fail(p, err)
				packets-- // unlike an undecodable packet, it is not an event
			}
			continue
		case decode.LinkProbe:
			probed(p)
			continue
		}
		if err := w.decoder.Decode(p); err != nil {
			undecodable++
			w.fail(p, err)
		}
		if !p.Layers.Has(decode.LayerIP) {
			continue
		}
		if !given && f.Dir <= decode.FromHost {
			p.Dir = f.Dir
		}
		if p.Dir == decode.Unknown && own != nil {
			p.Dir = own.Direction(p.Src.Addr(), p.Dst.Addr())
		}
	}
	return packets, undecodable
}

// probed makes p the packet of a result of a probe.
func probed(p *decode.Packet) {
	*p = decode.Packet{TimeNS: p.TimeNS, Frame: p.Frame, Payload: p.Frame, WireLen: p.WireLen, Link: p.Link, Layers: decode.LayerProbe}
}

// own returns the networks that determine directions, or nil. It also reports whether they were
// configured, in which case nothing else applies.
func (w *worker) own() (own *decode.NetSet, given bool) {
	if !w.hosts.Empty() {
		return w.hosts, true
	}
	if own := capture.OwnOf(w.src); own != nil && !own.Empty() {
		return own, false
	}
	return nil, false
}

// countWays counts the batch's DNS messages by direction, without those to a group.
func (w *worker) countWays() {
	for i := range w.batch.DNS {
		if f := w.batch.DNS[i].Frame; !f.Dst.Addr().IsMulticast() {
			w.ways[f.Dir%3]++
		}
	}
}

// noteLosses updates the counts of losses.
func (w *worker) noteLosses() {
	segs := w.dns.lost()
	w.batch.Losses.Reassembly = segs - w.lastSegs
	w.lastSegs = segs
	lost := capture.DropsOf(w.src)
	w.batch.Losses.Kernel = lost - w.lost
	w.lost = lost
}

// balance returns the outcomes of all frames so far.
func (w *worker) balance() Account {
	w.mu.Lock()
	defer w.mu.Unlock()
	sum := w.account
	sum.Dropped, sum.Filtered = capture.DropsOf(w.src), capture.FilteredOf(w.src)
	sum.Offered += sum.Dropped + sum.Filtered
	return sum
}

// show passes the batch to the shards.
func (w *worker) show() {
	for _, m := range w.members {
		b := &w.batch
		for _, s := range m.shards {
			s.buckets().cover(w.lastNS, w.now, w.frames)
			s.Process(b)
			s.Flush()
			if m.sequence {
				b = s.Forwarded()
			}
		}
	}
}

// finish delivers the data left in streams and tables when the queue has ended.
func (w *worker) finish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.finished = true
	if w.exports != nil {
		w.exports.unread.end()
	}
	w.batch.Packets, w.batch.Flows, w.frames = w.packets[:0], nil, 0
	w.dns.flush(&w.batch)
	w.noteLosses()
	if w.period.era == 0 {
		return // without a period there is nothing to count in
	}
	w.show()
}

// settle counts everything that has timed out by nowNS, at the end of the input.
func (w *worker) settle(nowNS int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.period.era == 0 {
		return
	}
	for _, m := range w.members {
		for _, s := range m.shards {
			if s, ok := s.(settler); ok {
				s.Settle(nowNS)
			}
		}
	}
}
