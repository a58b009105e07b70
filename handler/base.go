package handler

import (
	"visor/handler/anonymize"
	"visor/handler/metric"
	"visor/sketch"
	"visor/sketch/hash64"
	"visor/window"
)

// Base is embedded by every Shard. It holds the window of buckets, the event account, and the
// events forwarded to the next handler. M is the struct that declares the analyzer's metrics. Live
// points to the metrics of the live bucket.
type Base[M any] struct {
	Live   *M     // metrics of the live period
	Events Events // events since the last Flush
	// Forward is the input of the next handler of a sequence, and nil without one. Process appends
	// the events that pass: to Packets, and also to DNS or BGP for messages; see [Batch.AddDNS].
	// The pipeline empties it before Process. A handler that appends sets Spec.Forwards; behind
	// another one, no handler of a sequence counts anything.
	Forward *Batch

	Sampler Sampler
	Hash    *hash64.Hasher // hashes keys for sketches; set by the pipeline before the first batch
	// Shown replaces the addresses of hosts, and names that contain them, where they enter a list
	// or become a label. Nil returns them unchanged. See [Settings].Anonymize.
	Shown *anonymize.Cache
	// Deliver adds what the shard has counted elsewhere to Live, before a query reads Live and
	// before Shift. It may be nil. The caller holds the worker's lock.
	Deliver func()

	account Account        // outcomes of the events before
	totals  *metric.Totals // of the periods before the live one
	schema  *metric.Schema[M]
	info    Info
	ring    *window.Ring[*bucket[M]]
	bucket  *bucket[M]
	past    uint64     // keys refused by lists before the live period
	copied  *bucket[M] // buffer for queries' copies of the live bucket; nil before the first query
}

// newBase returns the Base of a shard of the handler that info describes.
func newBase[M any](schema *metric.Schema[M], info Info, deepSample int) Base[M] {
	b := Base[M]{schema: schema, info: info, Sampler: newSampler(deepSample), Hash: hash64.Fixed(), totals: schema.NewTotals()}
	b.ring = window.NewRing(info.Periods, func() *bucket[M] { return newBucket(schema) })
	b.attach()
	return b
}

func (b *Base[M]) attach() {
	b.bucket = b.ring.Current()
	b.Live = &b.bucket.Metrics
}

// Shift closes the live period and starts a new one at startNS.
func (b *Base[M]) Shift(startNS int64) {
	if b.info.Periods == 1 {
		return
	}
	b.deliver()
	b.past += b.bucket.Refused()
	b.bucket.AddTo(b.totals)
	b.ring.Shift()
	b.attach()
}

// deliver completes Live.
func (b *Base[M]) deliver() {
	if b.Deliver != nil {
		b.Deliver()
	}
}

// Account counts the events offered to the shard by outcome.
func (b *Base[M]) Account() Account {
	sum := b.account
	sum.Add(b.Events.account())
	return sum
}

// Enter begins the second of an event at tsNS. It flushes the events of another second. Call it for
// each event before it counts in Events, if the metrics embed [EventCounts] or [PassedCounts].
func (b *Base[M]) Enter(tsNS int64) {
	if !b.Events.In(tsNS) {
		b.Flush()
		b.Events.Begin(tsNS)
	}
}

// Flush adds Events to the account and the metrics. The pipeline calls it after each Process.
func (b *Base[M]) Flush() {
	b.account.Add(b.Events.account())
	if b.Events.Offered > 0 {
		b.Events.addTo(b.Live)
	}
	b.Events = Events{}
}

// Forwarded returns the events of the last batch that passed this handler's filters.
func (b *Base[M]) Forwarded() *Batch {
	if b.Forward == nil {
		// used from the next batch on; a sequence calls Forwarded once before its first batch
		b.Forward = &Batch{}
	}
	return b.Forward
}

// startForward empties Forward, before Process.
func (b *Base[M]) startForward() {
	if b.Forward != nil {
		b.Forward.Packets, b.Forward.DNS, b.Forward.BGP = b.Forward.Packets[:0], b.Forward.DNS[:0], b.Forward.BGP[:0]
	}
}

var _ bucketed = (*Base[struct{}])(nil)

func (b *Base[M]) buckets() buckets { return b }

// bucketed is implemented by every Shard that embeds a Base.
type bucketed interface{ buckets() buckets }

// buckets is the untyped interface of a Base, used by the pipeline. The caller must hold the
// worker's lock.
type buckets interface {
	// share makes the shard use a cache of the same worker, if both anonymize alike. It returns the
	// shard's cache, which may be nil.
	share(with *anonymize.Cache) *anonymize.Cache
	// keyed sets the hasher of keys, before the first batch.
	keyed(h *hash64.Hasher)
	// end records the end of the live period, before Shift.
	end(ns int64)
	// begin makes p the live period, of a length in ns, after Shift.
	begin(p period, length int64)
	// cover records that frames of the live period follow, the latest at ns. Events whose time is
	// outside the period count in the current second. It empties Forward.
	cover(ns int64, now second, frames uint64)
	// refused returns the number of keys refused by lists in all periods.
	refused() uint64
	// addTotals adds the totals of all periods to sum, or to new totals if sum is nil.
	addTotals(sum *metric.Totals) *metric.Totals
	// stretches appends the times of all buckets in use, the live one first.
	stretches(dst []stretch) []stretch
	// prepare allocates the memory for collect's copies. The caller holds only the query lock,
	// because allocation can be slow and must not block the worker.
	prepare()
	// collect copies the live bucket and pins the closed buckets of wanted periods. The copy is
	// valid under the query lock.
	collect(wanted func(period) bool) part
}

// part is one shard's contribution to a snapshot. The metrics of m are nil before the first part.
type part interface {
	mergeLive(m *Module)   // adds the live bucket, under the query lock
	mergeClosed(m *Module) // adds the closed buckets and releases them
}

func (b *Base[M]) share(with *anonymize.Cache) *anonymize.Cache {
	b.Shown = b.Shown.Shared(with)
	return b.Shown
}

func (b *Base[M]) keyed(h *hash64.Hasher) { b.Hash = h }

func (b *Base[M]) end(ns int64) { b.bucket.stretch.close(ns) }

func (b *Base[M]) begin(p period, length int64) {
	b.bucket.stretch.begin(p)
	if b.info.Periods > 1 { // a single bucket may have any length
		first, last := secondOf(p.start), secondOf(p.start+length-1)
		*b.bucket.Seconds() = sketch.Seconds{First: first.Unix(), End: last.Unix() + 1, Now: first.Unix()}
	}
}

func (b *Base[M]) cover(ns int64, now second, frames uint64) {
	b.startForward()
	b.bucket.stretch.lastNS = max(b.bucket.stretch.lastNS, ns)
	b.bucket.frames += frames
	b.bucket.Seconds().Now = now.Unix()
}

func (b *Base[M]) refused() uint64 { return b.past + b.bucket.Refused() }

func (b *Base[M]) addTotals(sum *metric.Totals) *metric.Totals {
	if sum == nil {
		sum = b.schema.NewTotals()
	}
	b.deliver()
	sum.Merge(b.totals)
	b.bucket.AddTo(sum)
	return sum
}

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
		b.deliver()
		b.copied.copyFrom(b.bucket)
		p.live = b.copied
	}
	p.closed = b.ring.Pin(func(c *bucket[M]) bool { return wanted(c.stretch.period) })
	return p
}

// share is a Base's part of a snapshot.
type share[M any] struct {
	schema *metric.Schema[M]
	info   Info
	live   *bucket[M] // nil if the live period is not wanted
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
	if m.counts == nil {
		start(m, p.schema, p.info.Groups) // before the first period
	}
	m.Frames = m.counts.(*bucket[M]).frames
}

// merge adds a bucket to the metrics of m. It copies the first bucket, which is faster.
func (p *share[M]) merge(m *Module, b *bucket[M]) {
	if m.counts == nil {
		start(m, p.schema, p.info.Groups)
		m.counts.(*bucket[M]).copyFrom(b)
		return
	}
	m.counts.(*bucket[M]).Merge(b)
}

// start sets empty metrics in m.
func start[M any](m *Module, schema *metric.Schema[M], groups metric.GroupSet) {
	sum := newBucket(schema)
	m.counts = sum
	m.render = func(r metric.Rendering) []metric.Value { return sum.Values(groups, r) }
	m.addTo = func(dst *Module) bool {
		if dst.counts == nil {
			start(dst, schema, groups)
		}
		to, ok := dst.counts.(*bucket[M])
		switch {
		case ok && dst.mixed:
			to.mergeKeys(sum)
		case ok:
			to.Merge(sum)
		}
		return ok
	}
}
