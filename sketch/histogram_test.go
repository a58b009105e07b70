package sketch_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/sketch"
)

func TestHistogram(t *testing.T) {
	var h, sum sketch.Histogram
	for _, v := range []uint64{0, 1, 2, 3, 500, 10_000, 10_000, 1 << 63} {
		h.Add(v)
	}
	want := []sketch.Bin{
		{Upper: 0, Label: "0", Cumulative: 1}, {Upper: 1, Label: "1", Cumulative: 2}, {Upper: 2, Label: "2", Cumulative: 3},
		{Upper: 3, Label: "3", Cumulative: 4}, {Upper: 527, Label: "527", Cumulative: 5}, {Upper: 10_000, Label: "10000", Cumulative: 7},
	}
	require.Equal(t, want, slices.Collect(h.Bins()))
	require.Equal(t, uint64(8), h.Count())
	data, err := h.MarshalBinary()
	require.NoError(t, err)
	var back sketch.Histogram
	require.NoError(t, back.UnmarshalBinary(data))
	require.Equal(t, want, slices.Collect(back.Bins()))
	sum.Merge(&h)
	sum.Merge(&back)
	require.Equal(t, uint64(16), sum.Count())
	require.Equal(t, uint64(14), slices.Collect(sum.Bins())[5].Cumulative)
	sum.Reset()
	require.Empty(t, slices.Collect(sum.Bins()))
	require.Zero(t, sum.Count())
}

// The example bounds of reference/metrics.md section 1.5.
func TestHistogramBounds(t *testing.T) {
	var whole sketch.Histogram
	for _, v := range []uint64{464, 599, 774, 11364, 12915} {
		whole.Add(v)
	}
	var labels []string
	for bin := range whole.Bins() {
		labels = append(labels, bin.Label)
	}
	require.Equal(t, []string{"464", "599", "774", "11364", "12915"}, labels)
}

func TestCounter(t *testing.T) {
	var c, back sketch.Counter
	c.Add(40)
	c.Add(2)
	data, err := c.MarshalBinary()
	require.NoError(t, err)
	require.NoError(t, back.UnmarshalBinary(data))
	back.Merge(&c)
	require.Equal(t, uint64(84), back.Value())
	back.Reset()
	require.Zero(t, back.Value())
	require.ErrorContains(t, back.UnmarshalBinary([]byte{1, 2}), "not a counter")
	require.ErrorContains(t, back.UnmarshalBinary(nil), "not a counter")
}

func FuzzHistogram(f *testing.F) {
	var h sketch.Histogram
	h.Add(3)
	data, err := h.MarshalBinary()
	require.NoError(f, err)
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		var h, back sketch.Histogram
		if h.UnmarshalBinary(data) != nil {
			return
		}
		again, err := h.MarshalBinary()
		require.NoError(t, err)
		require.NoError(t, back.UnmarshalBinary(again))
		require.Equal(t, h.Count(), back.Count())
	})
}

func BenchmarkHistogram(b *testing.B) {
	var h sketch.Histogram
	i := uint64(0)
	for b.Loop() {
		h.Add(i & 0xFFFF)
		i += 977
	}
}

// TestHistogramCoarse checks that every histogram has the same 22 bounds, with exact counts.
func TestHistogramCoarse(t *testing.T) {
	for _, values := range [][]uint64{nil, {11}, {0, 9, 10, 11, 22, 5000, 46_415, 46_416, 100_000_000, 100_000_001, 1 << 60}} {
		var h sketch.Histogram
		for _, v := range values {
			h.Add(v)
		}
		var labels []string
		for bin := range h.Coarse() {
			labels = append(labels, bin.Label)
			want := uint64(0)
			for _, v := range values {
				if float64(v) <= bin.Upper {
					want++
				}
			}
			require.Equal(t, want, bin.Cumulative, "up to %s", bin.Label)
		}
		require.Equal(t, strings.Fields(`10 21 46 100 215 464 1000 2154 4641 10000 21544 46415 100000 215443 464158
			1000000 2154434 4641589 10000000 21544347 46415890 100000000`), labels)
	}
}
