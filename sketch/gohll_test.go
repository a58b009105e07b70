package sketch_test

import (
	"testing"

	"github.com/segmentio/go-hll"
	"github.com/stretchr/testify/require"

	"visor/sketch"
)

// TestHLL converts cardinalities to go-hll and back, alone and as a union.
func TestHLL(t *testing.T) {
	for _, n := range []uint64{0, 1, 2048, 2049, 100_000} {
		ours := distinct(0, n)
		h, err := ours.HLL()
		require.NoError(t, err)
		other, err := distinct(1<<40, 3000).HLL()
		require.NoError(t, err)

		back, err := sketch.CardinalityOf(h)
		require.NoError(t, err)
		require.Equal(t, ours.Estimate(), back.Estimate())

		require.NoError(t, h.StrictUnion(other))
		both, err := sketch.CardinalityOf(h)
		require.NoError(t, err)
		ours.Merge(distinct(1<<40, 3000))
		require.Equal(t, ours.Estimate(), both.Estimate(), "its union is our merge")
	}
}

func TestHLLThatCannotBeRead(t *testing.T) {
	_, err := sketch.CardinalityOf(hll.Hll{})
	require.ErrorContains(t, err, "go-hll value")
	small, err := hll.NewHll(hll.Settings{Log2m: 11, Regwidth: 5})
	require.NoError(t, err)
	_, err = sketch.CardinalityOf(small)
	require.ErrorContains(t, err, "log2m")
}
