package metric

import (
	"math"
	"slices"
)

// Distribution is a histogram that only grows, in both forms of Prometheus: counts up to fixed
// bounds, and the buckets of native histograms, which grow by a factor of 2^(1/8). The zero
// Distribution is empty. It is owned by one goroutine.
//
// A value counts as the smallest value of its bin in [sketch.Quantile], which is at most 0.2 per
// cent below it, or as the greatest value of its bin in other histograms. So a bound is as sharp
// as these bins, and exact for whole numbers up to 1024 of the metric's unit.
type Distribution struct {
	Count uint64
	Sum   float64 // of all values, in the base unit
	Zero  uint64  // values of 0
	// Buckets[i] counts values v with 2^((First+i-1)/8) < v <= 2^((First+i)/8)
	First   int
	Buckets []uint64

	// sum in the metric's own unit: whole numbers add up to the same in any order
	own, per float64

	bounds  []float64
	classic []uint64 // values by the index of the bound; one more for greater values
}

// NativeSchema is the schema of a Distribution's buckets in Prometheus, and the scale in
// OpenTelemetry.
const NativeSchema = 3

// classicBounds are the bounds for each unit. They cover the values of networks and DNS.
var classicBounds = map[Unit][]float64{
	Seconds: {
		1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
	},
	Bytes: {32, 64, 128, 256, 512, 1024, 1232, 1452, 2048, 4096, 8192, 16384, 65536, 1 << 20},
	Ratio: {0.25, 0.5, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 100},
	NoUnit: {
		1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 1e5, 1e6, 1e9,
	},
}

// newDistribution returns an empty Distribution of the values of a metric.
func newDistribution(t *Total) *Distribution {
	bounds := classicBounds[t.Unit]
	return &Distribution{per: t.Per, bounds: bounds, classic: make([]uint64, len(bounds)+1)}
}

// Bins yields the fixed bounds with the number of values up to each. The last bound is +Inf.
func (d *Distribution) Bins() func(yield func(upper float64, cumulative uint64) bool) {
	return func(yield func(float64, uint64) bool) {
		n := uint64(0)
		for i, c := range d.classic {
			upper := math.Inf(1)
			if i < len(d.bounds) {
				upper = d.bounds[i]
			}
			if n += c; !yield(upper, n) {
				return
			}
		}
	}
}

// add counts n values v.
func (d *Distribution) add(v float64, n uint64) {
	d.Count += n
	i, _ := slices.BinarySearch(d.bounds, v)
	d.classic[i] += n
	if !(v > 0) {
		d.Zero += n
		return
	}
	d.bucket(native(min(v, math.MaxFloat64)), n)
}

// addSum adds a sum in the metric's own unit.
func (d *Distribution) addSum(own float64) {
	d.own += own
	d.Sum = d.own / d.per
}

// bucket adds n to the bucket of an index.
func (d *Distribution) bucket(index int, n uint64) {
	switch {
	case len(d.Buckets) == 0:
		d.First = index
	case index < d.First:
		d.Buckets = slices.Insert(d.Buckets, 0, make([]uint64, d.First-index)...)
		d.First = index
	}
	if missing := index - d.First + 1 - len(d.Buckets); missing > 0 {
		d.Buckets = append(d.Buckets, make([]uint64, missing)...)
	}
	d.Buckets[index-d.First] += n
}

// nativeBounds are the bounds of the buckets from 0.5 to 1.
var nativeBounds = func() (out [1 << NativeSchema]float64) {
	for i := range out {
		out[i] = math.Exp2(float64(i)/(1<<NativeSchema) - 1)
	}
	return out
}()

// native returns the index of the bucket of v, as Prometheus counts it.
func native(v float64) int {
	fraction, exponent := math.Frexp(v)
	i, _ := slices.BinarySearch(nativeBounds[:], fraction)
	return i + (exponent-1)<<NativeSchema
}

// merge adds the values of src, which has the same bounds and stays unchanged.
func (d *Distribution) merge(src *Distribution) {
	d.Count += src.Count
	d.addSum(src.own)
	d.Zero += src.Zero
	for i, n := range src.classic {
		d.classic[i] += n
	}
	for i, n := range src.Buckets {
		if n > 0 {
			d.bucket(src.First+i, n)
		}
	}
}

// clone returns a copy of d.
func (d *Distribution) clone() *Distribution {
	out := *d
	out.Buckets, out.classic = slices.Clone(d.Buckets), slices.Clone(d.classic)
	return &out
}
