package sketch

import "encoding/binary"

// Extremes holds the minimum, the maximum and the mean of numbers. It is exact while their sum is
// below 2⁶⁴. An Extremes is owned by one goroutine. The zero Extremes is ready to use.
type Extremes struct{ n, sum, min, max uint64 }

// Add adds a number.
func (e *Extremes) Add(v uint64) { e.Merge(&Extremes{1, v, v, v}) }

// Count returns how many numbers were added.
func (e *Extremes) Count() uint64 { return e.n }

// Min returns the smallest number, or 0 without numbers.
func (e *Extremes) Min() uint64 { return e.min }

// Max returns the greatest number, or 0 without numbers.
func (e *Extremes) Max() uint64 { return e.max }

// Mean returns the mean, rounded down, or 0 without numbers.
func (e *Extremes) Mean() uint64 { return e.sum / max(e.n, 1) }

// Merge adds the numbers of src, which stays unchanged.
func (e *Extremes) Merge(src *Extremes) {
	if e.n == 0 || src.n > 0 && src.min < e.min {
		e.min = src.min
	}
	e.max = max(e.max, src.max)
	e.n, e.sum = sum(e.n, src.n), sum(e.sum, src.sum)
}

// CopyFrom makes e equal to src.
func (e *Extremes) CopyFrom(src *Extremes) { *e = *src }

// Reset drops all numbers.
func (e *Extremes) Reset() { *e = Extremes{} }

// MarshalBinary returns the count, the sum, the minimum and the maximum as unsigned varints. It
// never fails.
func (e *Extremes) MarshalBinary() ([]byte, error) { return e.AppendBinary(nil) }

// AppendBinary appends the output of MarshalBinary to dst.
func (e *Extremes) AppendBinary(dst []byte) ([]byte, error) {
	for _, v := range [...]uint64{e.n, e.sum, e.min, e.max} {
		dst = binary.AppendUvarint(dst, v)
	}
	return dst, nil
}

// UnmarshalBinary sets e from the output of MarshalBinary. Other bytes are an error and leave e
// unchanged.
func (e *Extremes) UnmarshalBinary(data []byte) error {
	r := reader{what: "extremes", b: data}
	out := Extremes{r.uvarint(), r.uvarint(), r.uvarint(), r.uvarint()}
	if r.err != nil || len(r.b) > 0 || out.min > out.max || out.n == 0 && out != (Extremes{}) {
		return errCorrupt("extremes", "numbers contradict each other")
	}
	*e = out
	return nil
}
