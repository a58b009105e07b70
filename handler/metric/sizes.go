package metric

import (
	"encoding/binary"
	"errors"
	"iter"
	"math"
	"strconv"
)

// Sizes counts lengths of up to 65535 bytes in bins of 16 bytes, exactly: 0 to 15, 16 to 31 and so
// on. RSSAC002 has the same bins. It is shown as a histogram. Memory is 8 bytes per bin up to the
// greatest length. A Sizes is owned by one goroutine. The zero Sizes is ready to use.
type Sizes struct {
	counts []uint64 // by bin
	n      uint64
}

// SizeBin is the width of a bin of [Sizes], in bytes.
const SizeBin = 16

const sizeBins = 1 << 16 / SizeBin

// Add adds n lengths of size bytes. Greater lengths than 65535 count as that.
func (s *Sizes) Add(size int, n uint64) {
	bin := min(max(size, 0)/SizeBin, sizeBins-1)
	if bin >= len(s.counts) {
		s.counts = append(s.counts, make([]uint64, bin+1-len(s.counts))...)
	}
	s.counts[bin] = add(s.counts[bin], n)
	s.n = add(s.n, n)
}

// add returns a+b, or the greatest number.
func add(a, b uint64) uint64 {
	if a+b < a {
		return math.MaxUint64
	}
	return a + b
}

// Count returns the number of lengths.
func (s *Sizes) Count() uint64 { return s.n }

// Bins yields the least length and the count of each bin that is not empty, in ascending order.
func (s *Sizes) Bins() iter.Seq2[int, uint64] {
	return func(yield func(int, uint64) bool) {
		for bin, n := range s.counts {
			if n > 0 && !yield(bin*SizeBin, n) {
				return
			}
		}
	}
}

// Reset empties s and keeps its memory.
func (s *Sizes) Reset() {
	clear(s.counts)
	s.n = 0
}

// Size returns the memory outside the fields, in bytes.
func (s *Sizes) Size() int { return 8 * cap(s.counts) }

func (s *Sizes) mergeFrom(src state) {
	for size, n := range src.(*Sizes).Bins() {
		s.Add(size, n)
	}
}

func (s *Sizes) copyFrom(src state) {
	from := src.(*Sizes)
	s.counts, s.n = append(s.counts[:0], from.counts...), from.n
}

// sizeBuckets are the bounds of buckets that are the same in every answer.
var sizeBuckets = [...]int{63, 127, 191, 255, 383, 511, 767, 1023, 1279, 1535, 2047, 4095, 16383}

func (s *Sizes) render(v *Value, _ Rendering) {
	v.Kind = KindHistogram
	if s.n == 0 {
		return
	}
	below := uint64(0)
	for size, n := range s.Bins() {
		below = add(below, n)
		v.Bins = append(v.Bins, Bin{Le: strconv.Itoa(size + SizeBin - 1), Count: below})
	}
	below, bin := uint64(0), 0
	for _, most := range sizeBuckets {
		for ; bin <= most/SizeBin && bin < len(s.counts); bin++ {
			below = add(below, s.counts[bin])
		}
		v.Buckets = append(v.Buckets, Bin{Le: strconv.Itoa(most), Count: below})
	}
	v.Quantiles = Quantiles{N: s.n}
	v.Quantiles.fill(s.quantile, s.quantile(1))
	all := Bin{Le: "+Inf", Count: s.n}
	v.Bins, v.Buckets = append(v.Bins, all), append(v.Buckets, all)
}

// quantile returns the upper bound of the bin in which a fraction p of the lengths is reached.
func (s *Sizes) quantile(p float64) float64 {
	below, most := uint64(0), 0
	for size, n := range s.Bins() {
		if most = size + SizeBin - 1; float64(add(below, n)) >= p*float64(s.n) {
			break
		}
		below = add(below, n)
	}
	return float64(most)
}

func (s *Sizes) wireKind() wireKind { return wireSizes }

// append appends the distance from the previous bin (from -1 at first) and the count of each bin
// that is not empty.
func (s *Sizes) append(dst []byte) []byte {
	last := -1
	for size, n := range s.Bins() {
		dst = binary.AppendUvarint(binary.AppendUvarint(dst, uint64(size/SizeBin-last)), n)
		last = size / SizeBin
	}
	return dst
}

func (s *Sizes) read(data []byte) error {
	var out Sizes
	for at := -1; len(data) > 0; {
		step, used := binary.Uvarint(data)
		n, more := binary.Uvarint(data[max(used, 0):])
		if used <= 0 || more <= 0 || step == 0 || step > sizeBins || at+int(step) >= sizeBins || n == 0 || out.n+n < n {
			return errSizes
		}
		at, data = at+int(step), data[used+more:]
		out.Add(at*SizeBin, n)
	}
	*s = out
	return nil
}

var errSizes = errors.New("metric: sizes: bins are out of order")

func (s *Sizes) size() int { return s.Size() }
