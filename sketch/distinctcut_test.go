package sketch_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/sketch"
)

// cutDown returns a list as it is after its way in bytes, with n keys.
func cutDown(t *testing.T, list *sketch.TopDistinct, n int) *sketch.TopDistinct {
	t.Helper()
	out := new(sketch.TopDistinct)
	require.NoError(t, out.UnmarshalBinary(list.AppendHead(nil, n)))
	return out
}

// TestTopDistinctCut: parts of a stream that are cut on their way merge within the bounds, however
// they are split and in whatever order: of keys in the list, and of those that were left out.
func TestTopDistinctCut(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out long streams")
	}
	whole := mixture(800, 30_000, 1.1, false)
	for seed := range uint64(8) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		parts, n := 1+rnd.IntN(6), 8+rnd.IntN(200)
		split := make([]fanouts, parts)
		for key, subs := range whole.truth {
			for sub, w := range subs {
				for range 1 + rnd.IntN(2) {
					split[rnd.IntN(parts)].add(key, sub, w)
				}
			}
		}
		var merged sketch.TopDistinct
		for _, i := range rnd.Perm(parts) {
			next := cutDown(t, &split[i].list, n)
			require.LessOrEqual(t, next.Len(), n)
			if rnd.IntN(2) == 0 { // on the way, some pass a program that cuts the sum
				next.Merge(&merged)
				merged.CopyFrom(next)
			} else {
				merged.Merge(next)
			}
		}
		final := cutDown(t, &merged, n)
		require.Positive(t, final.Cut())
		require.False(t, final.Complete())
		requireCut(t, whole, final, fmt.Sprintf("seed %d: %d parts of %d", seed, parts, n))
	}
}

// requireCut checks each key against the truth, within five standard errors.
func requireCut(t *testing.T, whole *fanouts, list *sketch.TopDistinct, what string) {
	t.Helper()
	const slack = 1 + 5*1.04/16
	found := make(map[string]sketch.Distinct)
	for _, d := range list.Top(math.MaxInt) {
		found[string(d.Key)] = d
	}
	for key, subs := range whole.truth {
		d, ok := found[key]
		if truth := float64(len(subs)); ok {
			require.LessOrEqual(t, float64(d.Count), truth*slack+1, "%s: %s", what, key)
			require.GreaterOrEqual(t, float64(d.Count)*slack+float64(d.Missed), truth, "%s: %s", what, key)
			require.LessOrEqual(t, d.Missed, list.Cut(), "%s: %s", what, key)
		} else {
			require.GreaterOrEqual(t, float64(list.Cut())*slack, truth, "%s: %s is missing", what, key)
		}
		for _, s := range d.Samples {
			require.Contains(t, subs, string(s))
		}
	}
}

// A cut list keeps the counts of its keys, the samples of the heaviest half, and what it is.
func TestTopDistinctCutKeeps(t *testing.T) {
	f := mixture(5000, 20_000, 1.1, true)
	all := f.list.Top(41)
	byKey := make(map[string]sketch.Distinct)
	for _, d := range all {
		byKey[string(d.Key)] = d
	}
	got := cutDown(t, &f.list, 40)
	for i, d := range got.Top(math.MaxInt) {
		want := byKey[string(d.Key)]
		require.Equal(t, []any{string(want.Key), want.Count, want.Weight}, []any{string(d.Key), d.Count, d.Weight})
		require.False(t, d.Exact)
		require.InDelta(t, want.Missed, d.Missed, 1)
		if i < 20 {
			require.Equal(t, want.Samples[:min(len(want.Samples), 4)], d.Samples)
		} else {
			require.Empty(t, d.Samples)
		}
	}
	require.GreaterOrEqual(t, got.Cut(), all[40].Count)
	missed := uint64(0)
	for _, d := range f.list.Top(math.MaxInt) {
		missed = max(missed, d.Missed)
	}
	require.LessOrEqual(t, got.Cut(), all[40].Count+missed+1)
	again := cutDown(t, got, 0)
	require.Equal(t, got.Top(100), again.Top(100), "nothing is lost when it travels on")
	require.Equal(t, got.AppendHead(nil, 0), again.AppendHead(nil, 0))

	got.Add(12345, []byte("a new key"), 1, nil, 1)
	for _, d := range got.Top(100) {
		if string(d.Key) == "a new key" {
			require.GreaterOrEqual(t, d.Missed, got.Cut(), "the cut may have left it out")
		}
	}
}

// Cut bytes that end early are an error.
func TestTopDistinctCutBytes(t *testing.T) {
	f := mixture(500, 20_000, 1.1, true)
	data := f.list.AppendHead(nil, 5)
	var back sketch.TopDistinct
	for i := range data {
		require.Error(t, back.UnmarshalBinary(data[:i:i]), i)
	}
	require.Error(t, back.UnmarshalBinary(append(data, 0)))
	require.NoError(t, back.UnmarshalBinary(data))
}
