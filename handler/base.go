package handler

import (
	"visor/handler/metric"
	"visor/sketch"
	"visor/sketch/hash64"
	"visor/window"
)

// Base is what an analyzer's Shard embeds: the window of buckets, the account, and the list of what
// passed. M is the struct that declares the analyzer's metrics. Live points to the live bucket's.
type Base[M any] struct {
	Live  *M      // metrics of the live period
	Tally Account // what became of the events so far
	Pass  *Batch  // nil unless a later handler of a sequence wants to know what passed

	Sampler Sampler
	Hash    *hash64.Hasher // hashes keys for sketches; set by the pipeline before the first batch

	schema *metric.Schema[M]
	info   Info
	ring   *window.Ring[*bucket[M]]
	bucket *bucket[M]
	past   uint64     // what lists refused before the live period
	copied *bucket[M] // where queries copy the live bucket to; nil before the first query
}

// newBase returns the Base of a shard of the handler that info describes.
func newBase[M any](schema *metric.Schema[M], info Info, deepSample int) Base[M] {
	b := Base[M]{schema: schema, info: info, Sampler: NewSampler(deepSample), Hash: hash64.Fixed()}
	b.ring = window.NewRing(info.Periods, func() *bucket[M] { return newBucket(schema) })
	b.attach()
	return b
}

func (b *Base[M]) attach() {
	b.bucket = b.ring.Current()
	b.Live = &b.bucket.Metrics
}

// Shift closes the live period; the new one starts at startNS.
func (b *Base[M]) Shift(startNS int64) {
	if b.info.Periods == 1 {
		return
	}
	b.past += b.bucket.Refused()
	b.ring.Shift()
	b.attach()
}

// Account tells what became of the events offered to the shard.
func (b *Base[M]) Account() Account { return b.Tally }

// Passed returns what the last batch holds after this handler's filters.
func (b *Base[M]) Passed() *Batch {
	if b.Pass == nil {
		b.Pass = &Batch{} // from the next batch on: a sequence asks once before its first batch
	}
	return b.Pass
}

// StartPass empties the list of what passed, before a batch.
func (b *Base[M]) StartPass() {
	if b.Pass != nil {
		b.Pass.Packets, b.Pass.DNS, b.Pass.BGP = b.Pass.Packets[:0], b.Pass.DNS[:0], b.Pass.BGP[:0]
	}
}

var _ bucketed = (*Base[struct{}])(nil)

func (b *Base[M]) buckets() buckets { return b }

// bucketed is what a Shard has by embedding a Base.
type bucketed interface{ buckets() buckets }

// buckets is the untyped side of a Base, for the pipeline. Its methods are called under the lock of
// the worker.
type buckets interface {
	// keyed sets what hashes keys, before the first batch.
	keyed(h *hash64.Hasher)
	// end notes when the live period ends, before Shift.
	end(ns int64)
	// begin makes p the live period, after Shift.
	begin(p period)
	// cover notes that the live period is about to see frames, the latest at ns. Events whose time
	// is not in the period count in the second now.
	cover(ns int64, now Second, frames uint64)
	// refused returns what lists have refused in all periods so far.
	refused() uint64
	// stretches appends the times of all buckets in use, the live one first.
	stretches(dst []stretch) []stretch
	// prepare allocates what collect copies to. It is called under the query lock alone, since
	// memory from the system is slow to come and the worker must not wait for it.
	prepare()
	// collect copies the live bucket and pins the closed ones if their period is wanted. The copy
	// is valid under the query lock.
	collect(wanted func(period) bool) part
}

// part is one shard's contribution to a snapshot. The metrics of m are nil before the first.
type part interface {
	mergeLive(m *Module)   // adds the live bucket, under the query lock
	mergeClosed(m *Module) // adds the closed buckets and releases them
}

func (b *Base[M]) keyed(h *hash64.Hasher) { b.Hash = h }

func (b *Base[M]) end(ns int64) { b.bucket.stretch.close(ns) }

func (b *Base[M]) begin(p period) {
	b.bucket.stretch.begin(p)
	if b.info.Periods > 1 { // else it may be of any length
		first, last := SecondOf(p.start), SecondOf(p.start+int64(PeriodLength)-1)
		*b.bucket.Seconds() = sketch.Seconds{First: first.Unix(), End: last.Unix() + 1, Now: first.Unix()}
	}
}

func (b *Base[M]) cover(ns int64, now Second, frames uint64) {
	b.bucket.stretch.lastNS = max(b.bucket.stretch.lastNS, ns)
	b.bucket.frames += frames
	b.bucket.Seconds().Now = now.Unix()
}

func (b *Base[M]) refused() uint64 { return b.past + b.bucket.Refused() }

func (b *Base[M]) stretches(dst []stretch) []stretch {
	for bucket := range b.ring.All() {
		if bucket.stretch.era > 0 {
			dst = append(dst, bucket.stretch)
		}
	}
	return dst
}

func (b *Base[M]) prepare() {
	if b.copied == nil {
		b.copied = newBucket(b.schema)
	}
}

func (b *Base[M]) collect(wanted func(period) bool) part {
	p := &share[M]{schema: b.schema, info: b.info}
	if wanted(b.bucket.stretch.period) {
		b.copied.copyFrom(b.bucket)
		p.live = b.copied
	}
	p.closed = b.ring.Pin(func(c *bucket[M]) bool { return wanted(c.stretch.period) })
	return p
}

// share is the part of a Base in a snapshot.
type share[M any] struct {
	schema *metric.Schema[M]
	info   Info
	live   *bucket[M] // nil if it is not wanted
	closed window.Pinned[*bucket[M]]
}

func (p *share[M]) mergeLive(m *Module) {
	if p.live != nil {
		p.merge(m, p.live)
	}
}

func (p *share[M]) mergeClosed(m *Module) {
	for c := range p.closed.All() {
		p.merge(m, c)
	}
	p.closed.Release()
	if m.bucket == nil {
		start(m, p.schema, p.info.Groups) // no period yet
	}
	m.Frames = m.bucket.(*bucket[M]).frames
}

// merge adds a bucket to the metrics of m. The first one is copied, which is quicker.
func (p *share[M]) merge(m *Module, b *bucket[M]) {
	if m.bucket == nil {
		start(m, p.schema, p.info.Groups)
		m.bucket.(*bucket[M]).copyFrom(b)
		return
	}
	m.bucket.(*bucket[M]).Merge(b)
}

// start gives m metrics, which are empty.
func start[M any](m *Module, schema *metric.Schema[M], groups metric.GroupSet) {
	sum := newBucket(schema)
	m.bucket = sum
	m.render = func(r metric.Rendering) []metric.Value { return sum.Values(groups, r) }
	m.addTo = func(dst *Module) bool {
		if dst.bucket == nil {
			start(dst, schema, groups)
		}
		to, ok := dst.bucket.(*bucket[M])
		switch {
		case ok && dst.mixed:
			to.mergeKeys(sum)
		case ok:
			to.Merge(sum)
		}
		return ok
	}
}
