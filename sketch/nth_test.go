package sketch

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// nth agrees with sorting, also where numbers are equal or in order.
func TestNth(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for size := 1; size < 80; size++ {
		for _, values := range []uint64{1, 3, 1 << 60} {
			all := make([]uint64, size)
			for i := range all {
				all[i] = rnd.Uint64N(values)
			}
			sorted := slices.Sorted(slices.Values(all))
			for n := range all {
				require.Equal(t, sorted[n], nth(slices.Clone(all), n))
				require.Equal(t, sorted[n], nth(slices.Clone(sorted), n))
			}
		}
	}
}
