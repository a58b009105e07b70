package sketch

import (
	"encoding/binary"
	"math"
)

// The bytes of a Quantile are the version, the form of the samples, then the samples. Raw samples
// have 8 bytes each. Bins begin with the minimum and the maximum. Unsigned varints follow: the
// upper and lower half of the sum in units of 2⁻²⁰, and the counts below and above all bins.
//
// In version 2 come, for each bin, the distance from the previous one and the count. Version 3 has
// the number of bins and three columns, which compress better: the distances; the low bytes of the
// counts, each as the difference from the one before; and the rest of these differences. The
// distances of a coarse sketch are in units of its bins.
const (
	quantileRows    = 2
	quantileColumns = 3
)

// The forms of samples. Whole numbers and coarse bins are flags of the form of bins.
const (
	formRaw    = 0
	formBins   = 1
	formWhole  = 2 // instead of formBins
	formCoarse = 4
)

// MarshalBinary returns q as bytes. It never fails.
func (q *Quantile) MarshalBinary() ([]byte, error) { return q.AppendBinary(nil) }

// AppendBinary appends the output of MarshalBinary to dst.
func (q *Quantile) AppendBinary(dst []byte) ([]byte, error) { return q.append(dst, q.coarse), nil }

// AppendCoarse is AppendBinary with four bins as one, for summaries that must be small. Quantiles
// of the bytes, and of a sketch that they are merged into, are within 0.8 per cent of the true
// ones. Up to 256 samples stay exact.
func (q *Quantile) AppendCoarse(dst []byte) []byte { return q.append(dst, true) }

func (q *Quantile) append(b []byte, coarse bool) []byte {
	if !q.binned {
		b = append(b, quantileRows, formRaw)
		for _, v := range q.raw {
			b = appendFloat(b, v)
		}
		return b
	}
	form := byte(formBins)
	if q.whole {
		form = formWhole
	}
	if coarse {
		form |= formCoarse
	}
	b = appendFloat(appendFloat(append(b, quantileColumns, form), q.min), q.max)
	for _, v := range [...]uint64{q.sum.high, q.sum.low, q.low, q.high} {
		b = binary.AppendUvarint(b, v)
	}
	view := Quantile{bins: q.bins, pairs: q.pairs, coarse: coarse}
	return view.appendColumns(b)
}

// appendColumns appends the number of bins and their columns.
func (q *Quantile) appendColumns(b []byte) []byte {
	var room [3 * octBins]uint64
	low, rest := make([]byte, 0, 3*octBins), room[:0]
	var distances []byte
	last, before := 0, uint64(0)
	for i, n := range q.all {
		distances = binary.AppendUvarint(distances, uint64((i-last)/q.width()))
		d := zigzag(int64(n - before))
		low, rest = append(low, byte(d)), append(rest, d>>8)
		last, before = i, n
	}
	b = binary.AppendUvarint(b, uint64(len(low)))
	b = append(append(b, distances...), low...)
	for _, d := range rest {
		b = binary.AppendUvarint(b, d)
	}
	return b
}

// zigzag returns a number that is small if d is near 0. unzigzag reverses it.
func zigzag(d int64) uint64   { return uint64(d<<1) ^ uint64(d>>63) }
func unzigzag(z uint64) int64 { return int64(z>>1) ^ -int64(z&1) }

func appendFloat(b []byte, v float64) []byte {
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
}

func (r *reader) float() float64 { return math.Float64frombits(r.uint64()) }

// UnmarshalBinary sets q from the output of MarshalBinary or AppendCoarse. Other bytes are an error
// and leave q unchanged.
func (q *Quantile) UnmarshalBinary(data []byte) error {
	if len(data) < 2 || data[0] != quantileRows && data[0] != quantileColumns {
		return errCorrupt("quantiles", "unknown version")
	}
	version, form := data[0], data[1]
	out := Quantile{binned: form != formRaw, whole: form&formWhole != 0, coarse: form&formCoarse != 0}
	if out.binned && form&(formBins|formWhole) != formBins && form&(formBins|formWhole) != formWhole ||
		form > formCoarse|formWhole || version == quantileRows && out.coarse {
		return errCorrupt("quantiles", "unknown form")
	}
	r := &reader{what: "quantiles", b: data[2:]}
	if out.binned {
		out.read(r, version)
	} else {
		for len(r.b) > 0 && len(out.raw) < rawMax {
			out.Add(r.float())
		}
	}
	switch {
	case r.err != nil:
		return r.err
	case len(r.b) > 0 || !(out.min <= out.max) || out.n == 0 && out.max != 0:
		return errCorrupt("quantiles", "numbers contradict each other")
	}
	*q = out
	return nil
}

// read reads a sketch with bins.
func (q *Quantile) read(r *reader, version byte) {
	q.min, q.max = r.float(), r.float()
	q.sum = fixed{r.uvarint(), r.uvarint()}
	q.low, q.high = r.uvarint(), r.uvarint()
	q.n = sum(q.low, q.high)
	if r.err != nil {
		return
	}
	if version == quantileRows {
		r.b, r.err = nil, q.readRows(r.b)
	} else {
		q.readColumns(r)
	}
}

// readRows reads the distances and counts of bins.
func (q *Quantile) readRows(b []byte) error {
	i := uint64(0)
	for len(b) > 0 {
		step, k := binary.Uvarint(b)
		n, l := binary.Uvarint(b[max(k, 0):])
		if i += step; k <= 0 || l <= 0 || step >= allBins || i >= allBins || q.n+n < q.n {
			return errCorrupt("quantiles", "numbers contradict each other")
		}
		q.n += n
		c := q.octave(int(i / octBins))
		c[i%octBins] = sum(c[i%octBins], n)
		b = b[k+l:]
	}
	return nil
}

// readColumns reads the number of bins and their columns. It leaves the bins in pairs: few of all
// bins are in use, and most sketches are only merged into another one.
func (q *Quantile) readColumns(r *reader) {
	n := r.uvarint()
	if r.err != nil || n > uint64(len(r.b))/3 {
		r.take(math.MaxUint64)
		return
	}
	b := r.b
	low := q.readDistances(b, int(n))
	if low < 0 || n > uint64(len(b)-low) {
		r.err = errCorrupt(r.what, "a bin is out of range")
		return
	}
	count, end := uint64(0), low+int(n)
	counts := make([]uint64, n)
	for j, lowByte := range b[low:end] {
		var rest uint64
		rest, end = short(b, end)
		count += uint64(unzigzag(uint64(lowByte) | rest<<8))
		if q.n+count < q.n || count == 0 || rest>>56 > 0 || end < 0 {
			r.err = errCorrupt(r.what, "numbers contradict each other")
			return
		}
		q.n += count
		counts[j] = count
	}
	q.pairs.counts = counts
	r.b = b[end:]
}

// readDistances reads the numbers of n bins. It returns the position behind the distances, which is
// negative if one is out of range.
func (q *Quantile) readDistances(b []byte, n int) (at int) {
	bins := make([]uint16, n)
	i, width := uint64(0), uint64(q.width())
	for j := range bins {
		var step uint64
		step, at = short(b, at)
		if i += step * width; at < 0 || step >= allBins || i >= allBins || j > 0 && step == 0 {
			return -1
		}
		bins[j] = uint16(i)
	}
	q.pairs.bins = bins
	return at
}

// short returns the unsigned varint at a position, which mostly has one byte, and the position
// behind it. That is negative without a number.
func short(b []byte, at int) (v uint64, next int) {
	if uint(at) < uint(len(b)) && b[at] < 0x80 {
		return uint64(b[at]), at + 1
	}
	if at < 0 {
		return 0, -1
	}
	v, n := binary.Uvarint(b[at:])
	if n <= 0 {
		return 0, -1
	}
	return v, at + n
}
