package metric

import (
	"encoding/binary"
	"errors"
	"iter"
	"math"
	"strconv"
)

// linear counts numbers in bins of equal width, exactly. It has memory up to the greatest number.
type linear struct {
	counts []uint64 // by bin
	n      uint64
}

// scale describes the bins of a linear.
type scale struct {
	width, bins int
	buckets     []int // upper bounds of bins that every answer shows
}

func (l *linear) add(s *scale, number int, n uint64) {
	bin := min(max(number, 0)/s.width, s.bins-1)
	if bin >= len(l.counts) {
		l.counts = append(l.counts, make([]uint64, bin+1-len(l.counts))...)
	}
	l.counts[bin] = sum(l.counts[bin], n)
	l.n = sum(l.n, n)
}

// sum returns a+b, or the greatest number.
func sum(a, b uint64) uint64 {
	if a+b < a {
		return math.MaxUint64
	}
	return a + b
}

// Count returns how many numbers were added.
func (l *linear) Count() uint64 { return l.n }

// Reset empties the histogram and keeps its memory.
func (l *linear) Reset() {
	clear(l.counts)
	l.n = 0
}

// Size returns the memory outside the fields, in bytes.
func (l *linear) Size() int { return 8 * cap(l.counts) }

// size is Size for metrics that travel.
func (l *linear) size() int { return l.Size() }

// all yields the least number and the count of each bin that is not empty, in ascending order.
func (l *linear) all(s *scale) iter.Seq2[int, uint64] {
	return func(yield func(int, uint64) bool) {
		for bin, n := range l.counts {
			if n > 0 && !yield(bin*s.width, n) {
				return
			}
		}
	}
}

func (l *linear) merge(s *scale, src *linear) {
	for number, n := range src.all(s) {
		l.add(s, number, n)
	}
}

func (l *linear) set(src *linear) { l.counts, l.n = append(l.counts[:0], src.counts...), src.n }

func (l *linear) show(s *scale, v *Value) {
	v.Kind = KindHistogram
	if l.n == 0 {
		return
	}
	v.Quantiles = Quantiles{N: l.n}
	v.Quantiles.fill(func(p float64) float64 { return l.quantile(s, p) }, l.quantile(s, 1))
	below := uint64(0)
	for number, n := range l.all(s) {
		below = sum(below, n)
		v.Bins = append(v.Bins, Bin{Le: strconv.Itoa(number + s.width - 1), Count: below})
	}
	below, bin := uint64(0), 0
	for _, most := range s.buckets {
		for ; bin <= most/s.width && bin < len(l.counts); bin++ {
			below = sum(below, l.counts[bin])
		}
		v.Buckets = append(v.Buckets, Bin{Le: strconv.Itoa(most), Count: below})
	}
	last := Bin{Le: "+Inf", Count: l.n}
	v.Bins, v.Buckets = append(v.Bins, last), append(v.Buckets, last)
}

// quantile returns the upper bound of the bin in which a fraction p of the numbers is reached.
func (l *linear) quantile(s *scale, p float64) float64 {
	below, most := uint64(0), 0
	for number, n := range l.all(s) {
		below, most = sum(below, n), number+s.width-1
		if float64(below) >= p*float64(l.n) {
			break
		}
	}
	return float64(most)
}

// append appends the distance from the previous bin (from -1 at first) and the count of each bin
// that is not empty.
func (l *linear) append(dst []byte) []byte {
	last := -1
	for bin, n := range l.counts {
		if n > 0 {
			dst = binary.AppendUvarint(binary.AppendUvarint(dst, uint64(bin-last)), n)
			last = bin
		}
	}
	return dst
}

func (l *linear) load(s *scale, data []byte) error {
	var out linear
	for at := -1; len(data) > 0; {
		step, used := binary.Uvarint(data)
		n, more := binary.Uvarint(data[max(used, 0):])
		if used <= 0 || more <= 0 || step == 0 || step >= uint64(s.bins-at) || n == 0 || out.n+n < n {
			return errLinear
		}
		at, data = at+int(step), data[used+more:]
		out.add(s, at*s.width, n)
	}
	*l = out
	return nil
}

var errLinear = errors.New("metric: bins of a histogram are out of order")
