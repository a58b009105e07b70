package sketch

import (
	"math"
	"math/bits"
)

// fixed is a number of 128 bits, in units of 2⁻²⁰. Sums of floating-point numbers depend on their
// order. Sums of fixed do not, so workers may share the samples in any way. At its greatest value,
// 3·10³², it saturates instead of wrapping.
type fixed struct{ high, low uint64 }

const (
	fixedUnit = 1 << 20
	fixedHigh = 1 << 44 // value of a unit of the upper half
)

// fixedOf returns v, rounded to a unit; 0 if v is negative.
func fixedOf(v float64) fixed {
	switch {
	case v >= 0 && v < fixedHigh/2:
		return fixed{0, uint64(int64(v*fixedUnit + 0.5))}
	case !(v > 0):
		return fixed{}
	case v >= math.MaxUint64*float64(fixedHigh):
		return fixed{math.MaxUint64, math.MaxUint64}
	}
	high := math.Floor(v / fixedHigh)
	return fixed{uint64(high), uint64((v - high*fixedHigh) * fixedUnit)}
}

func (f *fixed) add(v fixed) {
	var carry uint64
	f.low, carry = bits.Add64(f.low, v.low, 0)
	if f.high, carry = bits.Add64(f.high, v.high, carry); carry > 0 {
		*f = fixed{math.MaxUint64, math.MaxUint64}
	}
}

// times returns f·n.
func (f fixed) times(n uint64) fixed {
	carry, low := bits.Mul64(f.low, n)
	over, high := bits.Mul64(f.high, n)
	high, carry = bits.Add64(high, carry, 0)
	if over|carry > 0 {
		return fixed{math.MaxUint64, math.MaxUint64}
	}
	return fixed{high, low}
}

func (f fixed) float() float64 {
	if f.high == 0 && f.low%fixedUnit == 0 {
		return float64(f.low / fixedUnit)
	}
	return float64(f.high)*fixedHigh + float64(f.low)/fixedUnit
}
