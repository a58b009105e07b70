package metric_test

import (
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/handler/metric"
	"visor/sketch/hash64"
)

type lengthMetrics struct {
	Sizes   metric.Sizes   `metric:"sizes"`
	Lengths metric.Lengths `metric:"lengths"`
}

// TestSizes compares both histograms with maps, through a merge and through bytes.
func TestSizes(t *testing.T) {
	schema, err := metric.NewSchema[lengthMetrics]("t", nil)
	require.NoError(t, err)
	rnd := rand.New(rand.NewPCG(1, 2))
	sizes, lengths := map[int]uint64{}, map[int]uint64{}
	sum := schema.New()
	for range 3 {
		set := schema.New()
		for range 1000 {
			size, length, n := rnd.IntN(1<<rnd.IntN(18)), rnd.IntN(300), 1+uint64(rnd.IntN(3))
			set.Metrics.Sizes.Add(size, n)
			set.Metrics.Lengths.Add(length, n)
			sizes[min(size, 65535)/16*16] += n
			lengths[min(length, 255)] += n
		}
		sum.Merge(set)
	}
	equal := func(m *lengthMetrics) {
		require.Equal(t, sizes, maps.Collect(m.Sizes.Bins()))
		require.Equal(t, lengths, maps.Collect(m.Lengths.Bins()))
	}
	equal(&sum.Metrics)
	again := schema.New()
	again.CopyFrom(sum)
	equal(&again.Metrics)
	data := sum.Record(0, 0).AppendBinary(nil, 0)
	record, err := metric.ReadRecord(data, hash64.Fixed().ID(), metric.NewRoom(len(data)))
	require.NoError(t, err)
	equal(metric.Load[lengthMetrics]("t", record))
	require.Equal(t, sum.Values(0, metric.Rendering{}), record.Values(0, metric.Rendering{}))
	again.Reset()
	require.Zero(t, again.Metrics.Sizes.Count()+again.Metrics.Lengths.Count())
	for n := range data {
		_, err := metric.ReadRecord(data[:n], hash64.Fixed().ID(), metric.NewRoom(n))
		require.Error(t, err)
	}
}

func TestSizesShown(t *testing.T) {
	schema, err := metric.NewSchema[lengthMetrics]("t", nil)
	require.NoError(t, err)
	set := schema.New()
	require.Empty(t, set.Values(0, metric.Rendering{})[0].Bins)
	for size, n := range map[int]uint64{-1: 1, 63: 5, 64: 2, 1232: 1, 70_000: 1} {
		set.Metrics.Sizes.Add(size, n)
	}
	v := set.Values(0, metric.Rendering{})[0]
	require.Equal(t, metric.KindHistogram, v.Kind)
	require.Equal(t, []metric.Bin{{Le: "15", Count: 1}, {Le: "63", Count: 6}, {Le: "79", Count: 8}, {Le: "1247", Count: 9}, {Le: "65535", Count: 10}, {Le: "+Inf", Count: 10}}, v.Bins)
	require.Equal(t, metric.Bin{Le: "63", Count: 6}, v.Buckets[0])
	require.Equal(t, metric.Bin{Le: "16383", Count: 9}, v.Buckets[len(v.Buckets)-2])
	require.Equal(t, []float64{63, 1247, 65535}, []float64{v.Quantiles.P50, v.Quantiles.P90, v.Quantiles.Max})
}
