package sketch

import (
	"encoding/binary"
	"iter"
	"math"
	"slices"
	"strconv"
)

// Histogram counts values in bins that grow by a factor of 10^(1/18), 1.14. The bins match
// pktvisor's. Counts are exact. Memory is 4 KiB once a value was added. A Histogram is owned by one
// goroutine. The zero Histogram is ready to use.
type Histogram struct {
	counts []uint64 // by the index of the bound; one more for values above the last
	n      uint64
	sum    fixed
}

// Bin is a bin of a Histogram.
type Bin struct {
	Upper      float64 // greatest value in the bin
	Label      string  // Upper in pktvisor's form: "12"
	Cumulative uint64  // values in this bin and in lower ones
}

// bounds are the upper bounds of all bins. pktvisor divides in single precision, which shows in the
// last digits.
var bounds = func() (out []float64) {
	for e := -9; e <= 17; e++ {
		for i := range 18 {
			b := math.Trunc(math.Pow10(e) * math.Pow(10, float64(float32(i)/18)))
			if len(out) == 0 || b != out[len(out)-1] {
				out = append(out, b)
			}
		}
	}
	return out
}()

// Add counts v.
func (h *Histogram) Add(v uint64) {
	if h.counts == nil {
		h.counts = make([]uint64, len(bounds)+1)
	}
	i, _ := slices.BinarySearch(bounds, float64(v))
	h.counts[i]++
	h.n++
	h.sum.add(fixed{v >> 44, v << 20})
}

// Count returns the number of values added.
func (h *Histogram) Count() uint64 { return h.n }

// Sum returns the sum of the values. It is exact up to 2⁵³.
func (h *Histogram) Sum() float64 { return h.sum.float() }

// Bins yields the bins that are not empty, in ascending order. No bin holds values above the last
// bound, 9·10¹⁷.
func (h *Histogram) Bins() iter.Seq[Bin] {
	return func(yield func(Bin) bool) {
		below := uint64(0)
		for i, upper := range bounds {
			if h.counts == nil {
				return
			}
			if h.counts[i] == 0 {
				continue
			}
			below = sum(below, h.counts[i])
			if !yield(Bin{Upper: upper, Label: label(upper), Cumulative: below}) {
				return
			}
		}
	}
}

// Counts yields the bins that are not empty, in ascending order: the greatest value of the bin, and
// the number of values. Values above the last bound are in a bin of +Inf.
func (h *Histogram) Counts(yield func(greatest float64, n uint64) bool) {
	for i, n := range h.counts {
		upper := math.Inf(1)
		if i < len(bounds) {
			upper = bounds[i]
		}
		if n > 0 && !yield(upper, n) {
			return
		}
	}
}

// Coarse yields bins whose bounds do not depend on the values: every sixth bin of [Histogram.Bins],
// from 10 to 10⁸. Counts are exact. No bin holds values above 10⁸.
func (h *Histogram) Coarse() iter.Seq[Bin] {
	return func(yield func(Bin) bool) {
		const least, most, step = 10, 1e8, 6
		below := uint64(0)
		next, _ := slices.BinarySearch(bounds, least)
		for i := 0; i < len(bounds) && bounds[i] <= most; i++ {
			if h.counts != nil {
				below = sum(below, h.counts[i])
			}
			if i < next {
				continue
			}
			next += step
			if !yield(Bin{Upper: bounds[i], Label: label(bounds[i]), Cumulative: below}) {
				return
			}
		}
	}
}

func label(upper float64) string { return strconv.FormatFloat(upper, 'f', 0, 64) }

// Merge adds the counts of src.
func (h *Histogram) Merge(src *Histogram) {
	if src.n == 0 {
		return
	}
	if h.counts == nil {
		h.counts = make([]uint64, len(bounds)+1)
	}
	for i, n := range src.counts {
		h.counts[i] = sum(h.counts[i], n)
	}
	h.n = sum(h.n, src.n)
	h.sum.add(src.sum)
}

// CopyFrom makes h equal to src, which stays unchanged. It reuses the memory of h.
func (h *Histogram) CopyFrom(src *Histogram) {
	h.Reset()
	if src.counts != nil && h.counts == nil {
		h.counts = make([]uint64, len(src.counts))
	}
	copy(h.counts, src.counts)
	h.n, h.sum = src.n, src.sum
}

// Reset empties the histogram and keeps its memory.
func (h *Histogram) Reset() {
	clear(h.counts)
	h.n, h.sum = 0, fixed{}
}

const (
	histogramVersion = 1
	histogramSum     = 1 // the sum follows the version
)

// MarshalBinary returns h as bytes: the version, then 1 if a sum follows, or 0. Unsigned varints
// follow: the upper and lower half of the sum in units of 2⁻²⁰, and for each bin that is not empty
// the distance from the previous one (from -1 at first) and the count. It never fails.
func (h *Histogram) MarshalBinary() ([]byte, error) { return h.AppendBinary(nil) }

// AppendBinary appends the output of MarshalBinary to dst.
func (h *Histogram) AppendBinary(dst []byte) ([]byte, error) {
	b := append(dst, histogramVersion, 0)
	if h.sum != (fixed{}) {
		b[len(b)-1] = histogramSum
		b = binary.AppendUvarint(binary.AppendUvarint(b, h.sum.high), h.sum.low)
	}
	last := -1
	for i, n := range h.counts {
		if n > 0 {
			b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(i-last)), n)
			last = i
		}
	}
	return b, nil
}

// UnmarshalBinary sets h from the output of MarshalBinary. Other bytes are an error and leave h
// unchanged. Bytes of an earlier version lack the sum, which is 0 then.
func (h *Histogram) UnmarshalBinary(data []byte) error {
	if len(data) < 2 || data[0] != histogramVersion || data[1] > histogramSum {
		return errCorrupt("a histogram", "unknown version")
	}
	out := Histogram{counts: make([]uint64, len(bounds)+1)}
	at := uint64(0)
	r := &reader{what: "a histogram", b: data[2:]}
	if data[1] == histogramSum {
		out.sum = fixed{r.uvarint(), r.uvarint()}
	}
	if r.err != nil {
		return r.err
	}
	for len(r.b) > 0 {
		step, n := r.uvarint(), r.uvarint()
		if r.err != nil {
			return r.err
		}
		at += step
		if step == 0 || step > uint64(len(out.counts)) || at > uint64(len(out.counts)) || n == 0 || out.n+n < n {
			return errCorrupt("a histogram", "bins are out of order")
		}
		out.counts[at-1] = n
		out.n += n
	}
	*h = out
	return nil
}
