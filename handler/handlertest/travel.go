package handlertest

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/handler"
	"visor/handler/metric"
)

// testTravel checks that answers do not change on their way through bytes, and that periods that
// travelled merge to the answer of their window. Cut lists keep their bounds.
func testTravel(t *testing.T, make New, frames []capture.Frame) {
	const kept = 3
	p := pipeline(t, make, handler.Settings{Periods: kept, Enable: []string{"everything"}, TopN: 20}, newRepeater(frames, kept))
	var periods []*handler.Snapshot
	for i := range kept {
		snap, err := p.Bucket(i)
		require.NoError(t, err)
		read := travelled(t, snap, 0)
		require.Equal(t, snap.Modules[0].Values(), read.Modules[0].Values(), "period %d", i)
		require.Equal(t, snap.Modules[0].Length, read.Modules[0].Length)
		once, err := snap.AppendBinary(nil, counter, 0)
		require.NoError(t, err)
		twice, err := read.AppendBinary(nil, handler.Origin{}, 0)
		require.NoError(t, err)
		require.True(t, bytes.Equal(once, twice), "period %d: bytes differ after a journey", i)
		periods = append(periods, read)
	}
	window, err := p.Window(kept)
	require.NoError(t, err)
	sum, err := handler.Merge(periods...)
	require.NoError(t, err)
	require.Equal(t, Exact(window.Modules[0].Values()), Exact(sum.Modules[0].Values()))
	require.Equal(t, window.Modules[0].Frames, sum.Modules[0].Frames)
	require.Empty(t, sum.Modules[0].LeftOut)
	require.Empty(t, sum.Modules[0].Partial)

	const cut = 5
	for i, snap := range periods {
		periods[i] = travelled(t, snap, cut)
	}
	few, err := handler.Merge(periods...)
	require.NoError(t, err)
	checkBounds(t, Exact(window.Modules[0].Values()), Exact(few.Modules[0].Values()))
}

// counter is the origin of all counts.
var counter = handler.Origin{Agent: "a", Policy: "p"}

func travelled(t *testing.T, snap *handler.Snapshot, entries int) *handler.Snapshot {
	data, err := snap.AppendBinary(nil, counter, entries)
	require.NoError(t, err)
	read, err := handler.ReadSnapshot(data)
	require.NoError(t, err)
	return read
}

// checkBounds checks that lists which were cut contain the right ones in their bounds, that
// quantiles are within 0.8 per cent, and that all other metrics are the same.
func checkBounds(t *testing.T, want, got []metric.Value) {
	require.Len(t, got, len(want))
	for i, v := range got {
		if v.Kind == metric.KindQuantile {
			checkQuantiles(t, &want[i], &v)
			continue
		}
		if v.Kind != metric.KindTop {
			require.Equal(t, want[i], v)
			continue
		}
		require.Equal(t, want[i].Total, v.Total, "%v", v.Path)
		found := make(map[string]metric.Item)
		for _, item := range v.Items {
			found[item.Name] = item
		}
		for _, item := range want[i].Items {
			has := found[item.Name] // an entry that was cut has at most the error
			require.LessOrEqual(t, has.Lower, item.Estimate, "%v %s", v.Path, item.Name)
			require.GreaterOrEqual(t, max(has.Estimate, v.Error), item.Lower, "%v %s", v.Path, item.Name)
		}
	}
}

// checkQuantiles checks quantiles that may have travelled in coarse bins.
func checkQuantiles(t *testing.T, want, got *metric.Value) {
	w, g := want.Quantiles, got.Quantiles
	require.Equal(t, []any{want.Path, w.N, w.Sum, w.Max}, []any{got.Path, g.N, g.Sum, g.Max})
	for i, v := range []float64{g.P50, g.P90, g.P95, g.P99} {
		exact := []float64{w.P50, w.P90, w.P95, w.P99}[i]
		require.InDelta(t, exact, v, 1+0.01*exact, "%v", got.Path)
	}
}
