package sketch_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/sketch"
)

// TestQuantileSum compares the sum with exact ones, for raw and binned samples.
func TestQuantileSum(t *testing.T) {
	for _, tt := range []struct {
		name string
		v    float64
		n    int
		want float64
	}{
		{"none", 1, 0, 0},
		{"whole numbers", 1500, 10_000, 15_000_000},
		{"fractions", 0.1, 1000, 100},
		{"beyond the bins", 1 << 50, 300, 300 << 50},
		{"beyond 64 bits", 1 << 80, 300, 300 * (1 << 80)},
		{"negative", -5, 300, 0},
		{"the greatest stays", math.MaxFloat64, 2, math.MaxUint64 * (1 << 44)},
		{"infinite", math.Inf(1), 2, math.MaxUint64 * (1 << 44)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var q, back sketch.Quantile
			for range tt.n {
				q.Add(tt.v)
			}
			require.InEpsilon(t, 1+tt.want, 1+q.Sum(), 1e-5)
			if tt.v == math.Trunc(tt.v) && tt.want < 1<<53 {
				require.Equal(t, tt.want, q.Sum())
			}
			data, err := q.MarshalBinary()
			require.NoError(t, err)
			require.NoError(t, back.UnmarshalBinary(data))
			require.Equal(t, q.Sum(), back.Sum())
		})
	}
}

// The sum of fractions does not depend on how they are split and merged.
func TestQuantileSumOfParts(t *testing.T) {
	var whole, merged sketch.Quantile
	parts := make([]sketch.Quantile, 7)
	for i := range 10_000 {
		v := 1 / float64(i+1)
		whole.Add(v)
		parts[i%len(parts)].Add(v)
	}
	for i := range parts {
		merged.Merge(&parts[i])
	}
	require.Equal(t, whole.Sum(), merged.Sum())
	require.InDelta(t, 9.787606, merged.Sum(), 0.01, "the harmonic number H(10,000)")
	merged.Reset()
	require.Zero(t, merged.Sum())
}
