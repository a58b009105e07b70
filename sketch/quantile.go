package sketch

import (
	"math"
	"slices"
)

const (
	rawMax   = 256
	subBits  = 9
	octMin   = 1023 - 20
	octMax   = 1023 + 44
	chunkLen = 1 << subBits
)

// Quantile summarises a distribution.
type Quantile struct {
	raw      []float64
	chunks   [octMax - octMin]*[chunkLen]uint64
	low      uint64 // zero, negative and tiny
	n        uint64
	min, max float64
	binned   bool
}

// Add adds a sample.
func (q *Quantile) Add(v float64) {
	if q.binned && v >= q.min && v <= q.max {
		q.n++
		q.bin(v, 1)
		return
	}
	q.AddN(v, 1)
}

// AddN adds n equal samples.
func (q *Quantile) AddN(v float64, n uint64) {
	if v != v || n == 0 {
		return
	}
	if q.n == 0 {
		q.min, q.max = v, v
	}
	q.min, q.max = min(q.min, v), max(q.max, v)
	q.n += n
	if !q.binned {
		if len(q.raw)+int(n) <= rawMax {
			for range n {
				q.raw = append(q.raw, v)
			}
			return
		}
		q.binned = true
		for _, r := range q.raw {
			q.bin(r, 1)
		}
		q.raw = q.raw[:0]
	}
	q.bin(v, n)
}

func (q *Quantile) bin(v float64, n uint64) {
	b := math.Float64bits(v)
	oct := int(b>>52) - octMin
	if uint(oct) >= uint(len(q.chunks)) {
		if oct < 0 || v <= 0 {
			q.low += n
			return
		}
		oct = len(q.chunks) - 1
	}
	c := q.chunks[oct]
	if c == nil {
		c = new([chunkLen]uint64)
		q.chunks[oct] = c
	}
	c[b>>(52-subBits)&(chunkLen-1)] += n
}

// Count is the number of samples.
func (q *Quantile) Count() uint64 { return q.n }

// Max is the greatest sample.
func (q *Quantile) Max() float64 { return q.max }

// Quantile returns the value at rank p.
func (q *Quantile) Quantile(p float64) float64 {
	target := uint64(max(1, math.Ceil(p*float64(q.n))))
	if !q.binned {
		s := slices.Clone(q.raw)
		slices.Sort(s)
		if len(s) == 0 {
			return 0
		}
		return s[min(int(target), len(s))-1]
	}
	seen := q.low
	if seen >= target {
		return q.min
	}
	for o, c := range q.chunks {
		if c == nil {
			continue
		}
		for i, n := range c {
			if n == 0 {
				continue
			}
			if seen+n >= target {
				lo := math.Float64frombits(uint64(o+octMin)<<52 | uint64(i)<<(52-subBits))
				w := math.Float64frombits(uint64(o+octMin)<<52|uint64(i+1)<<(52-subBits)) - lo
				if w <= 1 {
					return min(max(lo, q.min), q.max)
				}
				f := float64(target-seen) / float64(n)
				return min(max(lo+w*f, q.min), q.max)
			}
			seen += n
		}
	}
	return q.max
}

// Merge adds src.
func (q *Quantile) Merge(src *Quantile) {
	if src.n == 0 {
		return
	}
	if !src.binned {
		for _, r := range src.raw {
			q.Add(r)
		}
		return
	}
	if !q.binned {
		q.binned = true
		for _, r := range q.raw {
			q.bin(r, 1)
		}
		q.raw = q.raw[:0]
	}
	if q.n == 0 {
		q.min, q.max = src.min, src.max
	}
	q.min, q.max = min(q.min, src.min), max(q.max, src.max)
	q.n += src.n
	q.low += src.low
	for o, c := range src.chunks {
		if c == nil {
			continue
		}
		if q.chunks[o] == nil {
			q.chunks[o] = new([chunkLen]uint64)
		}
		for i, n := range c {
			q.chunks[o][i] += n
		}
	}
}

// Reset empties q.
func (q *Quantile) Reset() {
	for _, c := range q.chunks {
		if c != nil {
			clear(c[:])
		}
	}
	q.raw, q.low, q.n, q.binned = q.raw[:0], 0, 0, false
}
