package sketch_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"visor/sketch"
)

func TestExtremes(t *testing.T) {
	var a, b, none sketch.Extremes
	require.Equal(t, []uint64{0, 0, 0, 0}, []uint64{a.Count(), a.Min(), a.Max(), a.Mean()})
	for _, v := range []uint64{7, 3, 11} {
		a.Add(v)
	}
	b.Add(0)
	a.Merge(&none)
	none.Merge(&a)
	require.Equal(t, a, none)
	require.Equal(t, []uint64{3, 3, 11, 7}, []uint64{a.Count(), a.Min(), a.Max(), a.Mean()})
	a.Merge(&b)
	require.Equal(t, []uint64{4, 0, 11, 5}, []uint64{a.Count(), a.Min(), a.Max(), a.Mean()})

	data, err := a.MarshalBinary()
	require.NoError(t, err)
	var c sketch.Extremes
	require.NoError(t, c.UnmarshalBinary(data))
	require.Equal(t, a, c)
	for _, bad := range [][]byte{nil, data[:len(data)-1], append(data, 0), {1, 5, 6, 5}, {0, 1, 0, 0}} {
		require.Error(t, c.UnmarshalBinary(bad))
	}
	require.Equal(t, a, c)
	c.Reset()
	require.Equal(t, sketch.Extremes{}, c)
}
