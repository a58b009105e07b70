package sketch_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/sketch"
)

// half is 2⁶³: twice its value exceeds 64 bits.
const half = 1<<63 + 5

// A sender of the added numbers must not be able to make a sum small.
func TestCountsSaturate(t *testing.T) {
	const most = uint64(math.MaxUint64)
	var c, c2 sketch.Counter
	c.Add(half)
	c2.Add(half)
	c.Merge(&c2)
	require.Equal(t, most, c.Value())
	c.Add(1)
	require.Equal(t, most, c.Value())

	var e sketch.Extremes
	e.Add(half)
	e.Add(half)
	require.Equal(t, most/2, e.Mean())

	var ports sketch.TopCounts[uint16]
	ports.Add(53, half)
	ports.Add(53, half)
	ports.Add(54, 1)
	require.Equal(t, sketch.Entry[uint16]{Key: 53, Lower: most, Upper: most}, ports.Top(1)[0])
	require.Equal(t, most, ports.Total())

	var list, back sketch.TopK[uint32]
	for key := range uint32(3) {
		list.Add(uint64(key)+1, key, half)
		list.Add(uint64(key)+1, key, half)
	}
	require.Equal(t, most, list.Total())
	require.Equal(t, most, list.Top(1, func(a, b uint32) int { return int(a) - int(b) })[0].Upper)
	data, err := list.MarshalBinary()
	require.NoError(t, err)
	require.NoError(t, back.UnmarshalBinary(data), "counts may be more than a total that is full")
	require.Equal(t, 3, back.Len())

	var names sketch.TopNames
	names.Add(1, []byte("a"), half)
	names.Add(1, []byte("a"), half)
	require.Equal(t, []sketch.Entry[[]byte]{{Key: []byte("a"), Lower: most, Upper: most}}, names.Top(1))
	require.Equal(t, most, names.Total())

	var r sketch.Rate
	r.Add(7, half)
	r.Add(7, half)
	require.Equal(t, most, r.Max())
}
