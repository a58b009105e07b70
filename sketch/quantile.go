package sketch

import (
	"math"
	"slices"
)

const (
	rawMax = 256 // samples up to which each is stored unchanged
	// bits of the mantissa that select a bin: 512 bins for each power of two
	subBits  = 9
	octMin   = 1023 - 20         // biased exponent of the smallest bins: 2^-20
	octaves  = 64                // powers of two with bins: up to 2^44
	octBins  = 1 << subBits      // bins of each power of two
	allBins  = octaves * octBins // bins of all powers of two
	binShift = 52 - subBits
)

// Quantile summarises a distribution of numbers. It is exact up to 256 samples. Then each sample
// falls into a bin by the upper bits of its floating-point form. A bin is at most 1/512 of the
// sample wide.
//
// Samples within a bin count as evenly spread, and as whole numbers if the first 256 samples were.
// So the value at a rank is within 0.2 per cent of the true one, and integers below 1024 are exact.
// The error in rank is at most the share of the samples in the bin. Values below 2⁻²⁰ count as the
// minimum, values from 2⁴⁴ on as the maximum.
//
// A coarse sketch was read from the bytes of [Quantile.AppendCoarse]; its values are within 0.8 per
// cent.
//
// Merging adds bins and loses nothing: 64 merged parts equal one sketch of all samples. A t-digest
// would be smaller, but its Add takes 13 to 100 times as long (1.3 ns here), and each merge costs
// accuracy. Memory is 2.5 KiB, plus 4 KiB for each power of two that has samples.
//
// The sum is exact and does not depend on how the samples are split and merged: see [Quantile.Sum].
//
// A Quantile is owned by one goroutine. The zero Quantile is ready to use.
type Quantile struct {
	raw      []float64
	bins     [octaves]*[octBins]uint64
	pairs    binPairs // instead of bins, while the sketch is as it was read
	low      uint64   // samples below the bins
	high     uint64   // samples above the bins
	n        uint64
	sum      fixed
	min, max float64
	binned   bool // too many samples for raw
	whole    bool // all samples in raw were whole numbers; valid iff binned
	coarse   bool // four bins count as one; see AppendCoarse
}

// Add adds a sample. NaN is ignored.
func (q *Quantile) Add(v float64) {
	b := math.Float64bits(v)
	oct := b>>52 - octMin
	// the units of a v of the last octave could exceed an int64
	if q.binned && v >= q.min && v <= q.max && oct < octaves-1 && q.bins[oct] != nil {
		n := &q.bins[oct][b>>binShift%octBins]
		units := uint64(int64(v*fixedUnit + 0.5))
		if low := q.sum.low + units; low >= units && *n < math.MaxUint64 {
			q.n++
			q.sum.low = low
			*n++
			return
		}
	}
	q.AddN(v, 1)
}

// AddN adds n samples of the same value. NaN is ignored.
func (q *Quantile) AddN(v float64, n uint64) {
	if n == 0 || math.IsNaN(v) {
		return
	}
	if q.n == 0 {
		q.min, q.max = v, v
	}
	q.min, q.max = min(q.min, v), max(q.max, v)
	q.n = sum(q.n, n)
	q.sum.add(fixedOf(v).times(n))
	for ; n > 0 && !q.binned && len(q.raw) < rawMax; n-- {
		q.raw = append(q.raw, v)
	}
	if n > 0 {
		q.spread()
		q.bin(v, n)
	}
}

// spread moves the raw samples into bins.
func (q *Quantile) spread() {
	q.unfold()
	if q.binned {
		return
	}
	q.binned, q.whole = true, true
	for _, v := range q.raw {
		q.whole = q.whole && v == math.Trunc(v)
		q.bin(v, 1)
	}
	q.raw = q.raw[:0]
}

// bin counts n samples v in their bin.
func (q *Quantile) bin(v float64, n uint64) {
	b := math.Float64bits(v)
	oct := int(b>>52) - octMin // beyond all for negative v
	if uint(oct) >= octaves {
		if v < 1 {
			q.low = sum(q.low, n)
		} else {
			q.high = sum(q.high, n)
		}
		return
	}
	c := q.octave(oct)
	i := b >> binShift % octBins
	c[i] = sum(c[i], n)
}

// octave returns the bins of a power of two.
func (q *Quantile) octave(oct int) *[octBins]uint64 {
	if q.bins[oct] == nil {
		q.bins[oct] = new([octBins]uint64)
	}
	return q.bins[oct]
}

// Count returns the number of samples.
func (q *Quantile) Count() uint64 { return q.n }

// Min returns the smallest sample, or 0 without samples.
func (q *Quantile) Min() float64 { return q.min }

// Max returns the greatest sample, or 0 without samples.
func (q *Quantile) Max() float64 { return q.max }

// Sum returns the sum of the samples. It is exact for whole numbers up to 2⁵³; a fraction counts to
// a millionth, and a negative sample as 0.
func (q *Quantile) Sum() float64 { return q.sum.float() }

// Quantile returns the value at rank p, from 0 to 1: the smallest sample that is not below p·Count
// samples. It returns 0 without samples, and for NaN. Other p count as the nearest bound.
func (q *Quantile) Quantile(p float64) float64 {
	if q.n == 0 || math.IsNaN(p) {
		return 0
	}
	rank := uint64(min(max(1, math.Ceil(p*float64(q.n))), float64(q.n)))
	if !q.binned {
		return slices.Sorted(slices.Values(q.raw))[rank-1]
	}
	if rank <= q.low {
		return q.min
	}
	seen := q.low
	for i, n := range q.all {
		if seen+n >= rank {
			return min(max(q.within(i, (float64(rank-seen)-0.5)/float64(n)), q.min), q.max)
		}
		seen += n
	}
	return q.max
}

// Error returns the most by which a value of Quantile may differ from the true one, as a share of
// it: 0 while the sketch is exact, 0.002, or 0.008 if it is coarse. Values beyond the bins are less
// accurate.
func (q *Quantile) Error() float64 {
	if !q.binned {
		return 0
	}
	return float64(q.width()) / octBins
}

// within returns the value at a share of the way through bin i.
func (q *Quantile) within(i int, share float64) float64 {
	low, high := lowest(i), lowest(i+q.width())
	switch {
	case !q.whole:
		return low + (high-low)*share
	case high-low <= 1: // one whole number
		return math.Ceil(low)
	}
	return math.Floor(low + (high-low)*share)
}

// lowest returns the smallest value of bin i.
func lowest(i int) float64 {
	return math.Float64frombits(uint64(i/octBins+octMin)<<52 | uint64(i%octBins)<<binShift)
}

// coarseBins is the number of bins that count as one in a coarse sketch.
const coarseBins = 4

// width returns the number of bins that count as one.
func (q *Quantile) width() int {
	if q.coarse {
		return coarseBins
	}
	return 1
}

// all yields the bins that are not empty, in ascending order. In a coarse sketch, each is the first
// of several.
func (q *Quantile) all(yield func(i int, n uint64) bool) {
	if !q.pairs.all(q.width(), yield) {
		return
	}
	for oct, c := range q.bins {
		if c == nil {
			continue
		}
		if q.coarse {
			for i := 0; i < octBins; i += coarseBins {
				n := sum(sum(c[i], c[i+1]), sum(c[i+2], c[i+3]))
				if n > 0 && !yield(oct*octBins+i, n) {
					return
				}
			}
			continue
		}
		for i, n := range c {
			if n > 0 && !yield(oct*octBins+i, n) {
				return
			}
		}
	}
}

// Merge adds the samples of src, which stays unchanged.
func (q *Quantile) Merge(src *Quantile) {
	if !src.binned {
		for _, v := range src.raw {
			q.Add(v)
		}
		return
	}
	if q.n == 0 {
		q.min, q.max = src.min, src.max
		q.binned, q.whole = true, src.whole
	}
	q.spread()
	q.whole, q.coarse = q.whole && src.whole, q.coarse || src.coarse
	q.min, q.max = min(q.min, src.min), max(q.max, src.max)
	q.n, q.low, q.high = sum(q.n, src.n), sum(q.low, src.low), sum(q.high, src.high)
	q.sum.add(src.sum)
	q.addPairs(&src.pairs)
	for oct, from := range src.bins {
		if from == nil {
			continue
		}
		c := q.octave(oct)
		for i, n := range from {
			c[i] = sum(c[i], n)
		}
	}
}

// CopyFrom makes q equal to src, which stays unchanged. It reuses the memory of q.
func (q *Quantile) CopyFrom(src *Quantile) {
	raw, bins := append(q.raw[:0], src.raw...), q.bins
	copyPages(bins[:], src.bins[:])
	*q = *src
	q.raw, q.bins, q.pairs = raw, bins, binPairs{}
	q.addPairs(&src.pairs)
}

// Size returns the memory of q in bytes. A sketch that was read has less until it changes.
func (q *Quantile) Size() int {
	n := 8*cap(q.raw) + q.pairs.size()
	for _, c := range q.bins {
		if c != nil {
			n += 8 * octBins
		}
	}
	return n
}

// Reset empties q and keeps its memory.
func (q *Quantile) Reset() {
	for _, c := range q.bins {
		if c != nil {
			clear(c[:])
		}
	}
	*q = Quantile{raw: q.raw[:0], bins: q.bins}
}

// Bins yields the samples by bin, in no certain order: the smallest value of the bin, and the
// number of samples. A sample always falls into the same bin, also while the sketch is exact. So
// the number of samples up to any value never becomes less. [Quantile] has the width of a bin.
// Negative samples and those below 2⁻²⁰ are in a bin of 0, and samples from 2⁴⁴ on in a bin of
// 2⁴⁴.
func (q *Quantile) Bins(yield func(smallest float64, n uint64) bool) {
	if !q.binned {
		for _, v := range q.raw {
			if !yield(binOf(v), 1) {
				return
			}
		}
		return
	}
	if q.low > 0 && !yield(0, q.low) {
		return
	}
	for i, n := range q.all {
		if !yield(lowest(i), n) {
			return
		}
	}
	if q.high > 0 {
		yield(lowest(allBins), q.high)
	}
}

// binOf returns the smallest value of the bin of v.
func binOf(v float64) float64 {
	switch {
	case !(v >= lowest(0)):
		return 0
	case v >= lowest(allBins):
		return lowest(allBins)
	}
	return math.Float64frombits(math.Float64bits(v) >> binShift << binShift)
}
