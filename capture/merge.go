package capture

import (
	"errors"
	"io"
	"sync/atomic"
)

// Merge returns a Source that gives the frames of several recorded sources in the order of time.
// The order within a source is kept, even where its times go back; of equal times the earlier
// argument comes first. Batches carry no Epoch.
//
// A source that fails is left out from then on, and the others are read to their end; then
// ReadBatch returns the errors, joined, or io.EOF if there were none.
//
// The result takes ownership of sources and closes them. It is [Stabler] if all of them are; its
// Progress, Drops and Filtered are their sums, its Reasons are theirs. A source that waits holds up
// all others, so live sources should each have a worker instead. Merging costs O(log n) comparisons
// a frame.
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

// child is one source of a merge, and what is left of its batch.
type child struct {
	src   Source
	batch Batch
	next  int
	rank  int // place among the arguments: decides between equal times
}

func (c *child) timeNS() int64 { return c.batch.Frames[c.next].TimeNS }

func (c *child) before(d *child) bool {
	t, u := c.timeNS(), d.timeNS()
	return t < u || t == u && c.rank < d.rank
}

// merge is a k-way merge. Every source is in heap (it has frames left), in empty (it must be read
// before anything is given), or in neither: it has ended.
type merge struct {
	sources []Source
	heap    []*child // a binary min-heap by child.before
	empty   []*child
	errs    []error // of the sources that failed
	end     error   // what ReadBatch returns from now on, if not nil
	stable  bool
	closed  atomic.Bool
}

// ReadBatch ends a batch where the batch of one source is used up: its frames are still borrowed
// by then, so the source is read in the next call.
func (m *merge) ReadBatch(b *Batch) error {
	b.Frames, b.Epoch = b.Frames[:0], 0
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

// refill reads every source that has no frames left, and notes the end of the last one.
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

// take moves the earliest frame to b, and those that follow it in the same source for as long as
// they come before the heads of the others.
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

// isFirst reports whether c, at the root of the heap, still belongs there.
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

// Stable reports whether all sources are.
func (m *merge) Stable() bool { return m.stable }

// Progress returns the sums over the sources; total is 0 if one of them does not know its own.
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

// Reasons returns those of all sources.
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
