package capture

import (
	"errors"
	"io"
	"sync/atomic"
)

// Merge returns a Source that yields the frames of several recorded sources in order of time. The
// order within a source is kept, even where its timestamps go back. Frames with equal timestamps
// come in the order of the arguments. Batches have no Epoch.
//
// If a source fails, Merge drops it and reads the other sources to their ends. ReadBatch then
// returns all errors, joined, or io.EOF if no source failed.
//
// The result takes ownership of sources and closes them. It is stable if all sources are. Its
// Progress, Drops and Filtered are sums over the sources, and its Reasons are the reasons of all
// sources. A waiting source delays all others, so run each live source in its own worker instead.
// Merging costs O(log n) comparisons per frame.
func Merge(sources ...Source) Source {
	if len(sources) == 1 {
		return sources[0]
	}
	m := &merge{sources: sources, stable: true}
	for i, src := range sources {
		m.empty = append(m.empty, &child{src: src, rank: i})
		m.stable = m.stable && IsStable(src)
	}
	m.heap = make([]*child, 0, len(sources))
	return m
}

// child is one source of a merge and the rest of its batch.
type child struct {
	src   Source
	batch Batch
	next  int
	rank  int // index among the arguments, which orders equal timestamps
}

func (c *child) timeNS() int64 { return c.batch.Frames[c.next].TimeNS }

func (c *child) before(d *child) bool {
	t, u := c.timeNS(), d.timeNS()
	return t < u || t == u && c.rank < d.rank
}

// merge is a k-way merge. A source in heap has frames left. A source in empty must be read before
// the next frame can be chosen. A source in neither has ended.
type merge struct {
	sources []Source
	heap    []*child // a binary min-heap by child.before
	empty   []*child
	errs    []error // errors of the sources that failed
	end     error   // final error of ReadBatch, if not nil
	stable  bool
	closed  atomic.Bool
}

// ReadBatch ends a batch when the batch of one source is used up. Its frames are still borrowed
// then, so the source is read during the next call.
func (m *merge) ReadBatch(b *Batch) error {
	b.Reset()
	if m.end == nil {
		m.refill()
	}
	if m.closed.Load() {
		return ErrClosed
	}
	if m.end != nil {
		return m.end
	}
	for len(b.Frames) < BatchSize && len(m.empty) == 0 {
		m.take(b)
	}
	return nil
}

// refill reads every source without frames and records the end of the last one.
func (m *merge) refill() {
	for _, c := range m.empty {
		err := c.src.ReadBatch(&c.batch)
		c.next = 0
		switch {
		case err == nil && len(c.batch.Frames) == 0:
			m.errs = append(m.errs, io.ErrNoProgress)
		case err == nil:
			m.push(c)
		case err != io.EOF:
			m.errs = append(m.errs, err)
		}
	}
	m.empty = m.empty[:0]
	if len(m.heap) > 0 {
		return
	}
	switch len(m.errs) {
	case 0:
		m.end = io.EOF
	case 1:
		m.end = m.errs[0]
	default:
		m.end = errors.Join(m.errs...)
	}
}

// take moves the earliest frame to b. It also moves the following frames of the same source until
// another source has an earlier one.
func (m *merge) take(b *Batch) {
	c := m.heap[0]
	for {
		b.Frames = append(b.Frames, c.batch.Frames[c.next])
		c.next++
		if c.next == len(c.batch.Frames) {
			m.pop()
			m.empty = append(m.empty, c)
			return
		}
		if !m.isFirst(c) {
			m.down(0)
			return
		}
		if len(b.Frames) == BatchSize {
			return
		}
	}
}

// isFirst reports whether c, the root of the heap, is still the earliest.
func (m *merge) isFirst(c *child) bool {
	return (len(m.heap) < 2 || c.before(m.heap[1])) && (len(m.heap) < 3 || c.before(m.heap[2]))
}

func (m *merge) push(c *child) {
	m.heap = append(m.heap, c)
	for i := len(m.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if !m.heap[i].before(m.heap[up]) {
			return
		}
		m.heap[i], m.heap[up] = m.heap[up], m.heap[i]
		i = up
	}
}

func (m *merge) pop() {
	last := len(m.heap) - 1
	m.heap[0], m.heap[last] = m.heap[last], nil
	m.heap = m.heap[:last]
	m.down(0)
}

func (m *merge) down(i int) {
	for {
		least := i
		for k := 2*i + 1; k <= 2*i+2 && k < len(m.heap); k++ {
			if m.heap[k].before(m.heap[least]) {
				least = k
			}
		}
		if least == i {
			return
		}
		m.heap[i], m.heap[least] = m.heap[least], m.heap[i]
		i = least
	}
}

// Stable reports whether all sources are stable.
func (m *merge) Stable() bool { return m.stable }

// Progress returns the sums over the sources. The total is 0 if one source cannot report its total.
func (m *merge) Progress() (done, total int64) {
	known := true
	for _, src := range m.sources {
		d, t := ProgressOf(src)
		done, total, known = done+d, total+t, known && t > 0
	}
	if !known {
		total = 0
	}
	return done, total
}

// Drops returns the sum over the sources.
func (m *merge) Drops() (n uint64) {
	for _, src := range m.sources {
		n += DropsOf(src)
	}
	return n
}

// Filtered returns the sum over the sources.
func (m *merge) Filtered() (n uint64) {
	for _, src := range m.sources {
		n += FilteredOf(src)
	}
	return n
}

// Reasons returns the reasons of all sources.
func (m *merge) Reasons() (out []Reason) {
	for _, src := range m.sources {
		out = append(out, ReasonsOf(src)...)
	}
	return out
}

// Close closes all sources and returns their errors, joined.
func (m *merge) Close() error {
	m.closed.Store(true)
	errs := make([]error, len(m.sources))
	for i, src := range m.sources {
		errs[i] = src.Close()
	}
	return errors.Join(errs...)
}
