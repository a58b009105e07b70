package sketch

import (
	"encoding/binary"
	"math"
)

// Counter counts events. It is exact up to 2⁶⁴-1 and stays there. A Counter is owned by one
// goroutine. The zero Counter is ready to use.
type Counter uint64

// Add adds n.
func (c *Counter) Add(n uint64) { *c = Counter(sum(uint64(*c), n)) }

// Value returns the sum of all added numbers.
func (c *Counter) Value() uint64 { return uint64(*c) }

// Merge adds the count of src.
func (c *Counter) Merge(src *Counter) { c.Add(src.Value()) }

// CopyFrom makes c equal to src.
func (c *Counter) CopyFrom(src *Counter) { *c = *src }

// Reset sets the count to 0.
func (c *Counter) Reset() { *c = 0 }

// MarshalBinary returns the count as an unsigned varint. It never fails.
func (c *Counter) MarshalBinary() ([]byte, error) { return c.AppendBinary(nil) }

// AppendBinary appends the output of MarshalBinary to dst.
func (c *Counter) AppendBinary(dst []byte) ([]byte, error) {
	return binary.AppendUvarint(dst, uint64(*c)), nil
}

// UnmarshalBinary sets c from the output of MarshalBinary. Other bytes are an error and leave c
// unchanged.
func (c *Counter) UnmarshalBinary(data []byte) error {
	v, n := binary.Uvarint(data)
	if n <= 0 || n != len(data) {
		return errCorrupt("a counter", "no varint")
	}
	*c = Counter(v)
	return nil
}

// sum returns a + b, or 2⁶⁴-1 if that is less. Exporters choose the numbers: two of 2⁶³ must not
// add up to 0.
func sum(a, b uint64) uint64 {
	if s := a + b; s >= a {
		return s
	}
	return math.MaxUint64
}
