package sketch_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/influxdata/tdigest"
	"github.com/stretchr/testify/require"

	"visor/sketch"
)

// times returns n durations in microseconds, distributed like DNS transactions.
func times(seed uint64, n int) []float64 {
	rnd := rand.New(rand.NewPCG(seed, 1))
	out := make([]float64, n)
	for i := range out {
		out[i] = math.Floor(math.Exp(rnd.NormFloat64()*1.5 + 7))
	}
	return out
}

func TestTDigest(t *testing.T) {
	for _, n := range []int{1, 10, 256, 257, 5000, 200_000} {
		samples := times(1, n)
		q := quantileOf(samples)
		d := q.TDigest(100)
		require.Equal(t, float64(n), d.Count(), "no weight is lost")
		var back sketch.Quantile
		back.AddTDigest(d)
		require.Equal(t, uint64(n), back.Count())
		slices.Sort(samples)
		for _, p := range []float64{0.01, 0.1, 0.5, 0.9, 0.99} {
			require.LessOrEqual(t, rankError(samples, d.Quantile(p), p), 0.015+1/float64(n))
			require.LessOrEqual(t, rankError(samples, back.Quantile(p), p), 0.015+1/float64(n))
		}
	}
	var none sketch.Quantile
	require.Zero(t, none.TDigest(100).Count())
	none.AddTDigest(none.TDigest(100))
	require.Zero(t, none.Count())
}

// TestTDigestWeights adds centroids that other programs may have put into a digest.
func TestTDigestWeights(t *testing.T) {
	d := tdigest.NewWithCompression(100)
	for i := range 1000 {
		d.Add(float64(i), 0.25) // a weighted sample, not a whole one
	}
	d.Add(-5, 1)
	d.Add(1e300, 1)
	var q sketch.Quantile
	q.AddTDigest(d)
	require.Equal(t, uint64(252), q.Count())
	require.Equal(t, -5.0, q.Min())
	require.Equal(t, 1e300, q.Max())
	require.InDelta(t, 500, q.Quantile(0.5), 10)

	before := q.Count()
	q.AddTDigest(quantileOf(times(2, 10_000)).TDigest(100))
	require.Equal(t, before+10_000, q.Count(), "digests add up")
}

func ExampleAppendTDigest() {
	var q sketch.Quantile
	for _, v := range []float64{1, 2, 7} {
		q.Add(v)
	}
	fmt.Printf("%s\n", sketch.AppendTDigest(nil, q.TDigest(100)))
	// Output: flags 1 count 3 compression 100 centroids 3 (1, 1) (2, 1) (7, 1)
}
