package sketch

import (
	"fmt"
	"math"
	"strconv"

	"github.com/influxdata/tdigest"
)

// TDigest returns q as a t-digest of influxdata/tdigest (Dunning, Ertl, "Computing Extremely
// Accurate Quantiles Using t-Digests", 2019). Its weight is [Quantile.Count]. Values are within 0.2
// percent of the samples. The error in rank is the digest's: less than 1.5 percent of the samples
// in tests at a compression of 100, which takes 20 kB.
func (q *Quantile) TDigest(compression float64) *tdigest.TDigest {
	d := tdigest.NewWithCompression(compression)
	for v, n := range q.samples {
		d.Add(v, float64(n)) // one by one, since AddCentroidList loses weight
	}
	return d
}

// samples yields values and the number of samples at or near each.
func (q *Quantile) samples(yield func(v float64, n uint64) bool) {
	for _, v := range q.raw {
		if !yield(v, 1) {
			return
		}
	}
	if q.low > 0 && !yield(q.min, q.low) {
		return
	}
	for i, n := range q.all {
		if !yield(min(max(q.within(i, 0.5), q.min), q.max), n) {
			return
		}
	}
	if q.high > 0 {
		yield(q.max, q.high)
	}
}

// AddTDigest adds the samples of d, each at the mean of its centroid. Weights are rounded so that
// their sum is right within 0.5. It ignores centroids whose mean or weight is NaN.
func (q *Quantile) AddTDigest(d *tdigest.TDigest) {
	weight, added := 0.0, uint64(0)
	for _, c := range d.Centroids() {
		if math.IsNaN(c.Mean) || !(c.Weight > 0) || weight+c.Weight >= 1<<63 {
			continue
		}
		weight += c.Weight
		n := uint64(math.Round(weight)) - added
		added += n
		q.AddN(c.Mean, n)
	}
}

// AppendTDigest appends d in the text form of PostgreSQL's extension tdigest, version 1.0.0 and
// newer. The compression must be from 10 to 10,000. Weights are rounded to whole numbers.
//
//	flags 1 count 3 compression 100 centroids 2 (1.5, 2) (7, 1)
func AppendTDigest(dst []byte, d *tdigest.TDigest) []byte {
	var list []byte
	weight, count, centroids := 0.0, uint64(0), 0
	for _, c := range d.Centroids() {
		weight += c.Weight
		n := uint64(math.Round(weight)) - count
		if n == 0 {
			continue
		}
		count += n
		centroids++
		list = strconv.AppendFloat(append(list, " ("...), c.Mean, 'g', -1, 64)
		list = append(strconv.AppendUint(append(list, ", "...), n, 10), ')')
	}
	dst = fmt.Appendf(dst, "flags 1 count %d compression %d centroids %d", count, int(d.Compression), centroids)
	return append(dst, list...)
}
