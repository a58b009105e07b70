package sketch_test

import (
	"cmp"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/sketch"
	"visor/sketch/hash64"
)

// Lists with hashes under different keys merge by their entries: each entry appears once, with the
// sum of its counts.
func TestMergeKeys(t *testing.T) {
	names := []func(i int) []byte{
		func(i int) []byte { return fmt.Appendf(nil, "%d", i) },
		func(i int) []byte { return fmt.Appendf(nil, "name-%d.a-long-one-of-the-arena.example", i) },
	}
	var numbers sketch.TopK[int]
	var text sketch.TopNames
	var pairs sketch.TopPairs
	const parts, each, step = 3, 1000, 500 // half of each part's keys are in the next one too
	truth := make(map[int]uint64)
	for part := range parts {
		h := hash64.Random()
		var n sketch.TopK[int]
		var s sketch.TopNames
		var p sketch.TopPairs
		var k sketch.PairKey
		for i := part * step; i < part*step+each; i++ {
			weight := uint64(i + 1)
			truth[i] += weight
			name := names[i%2](i)
			n.Add(h.Uint64(uint64(i)), i, weight)
			s.Add(h.Sum(name), name, weight)
			k.Set(h.Sum(name), name)
			p.Add(&k, sketch.Pair{weight, 1})
		}
		numbers.MergeKeys(&n)
		text.MergeKeys(&s)
		pairs.MergeKeys(&p)
	}
	require.Equal(t, []int{len(truth), len(truth), len(truth)}, []int{numbers.Len(), text.Len(), pairs.Len()})
	require.Equal(t, []uint64{text.Total(), text.Total()}, []uint64{numbers.Total(), pairs.Total()[0]})
	require.EqualValues(t, parts*each, pairs.Total()[1])
	counts := make(map[string]uint64)
	for _, e := range numbers.Top(len(truth), cmp.Compare[int]) {
		require.Equal(t, truth[e.Key], e.Upper)
		counts[string(names[e.Key%2](e.Key))] = e.Upper
	}
	for _, top := range [][]sketch.Entry[[]byte]{text.Top(len(truth)), pairs.Top(len(truth), 0)} {
		require.Len(t, top, len(truth))
		for _, e := range top {
			require.Equal(t, []uint64{counts[string(e.Key)], counts[string(e.Key)]}, []uint64{e.Lower, e.Upper}, "%s", e.Key)
		}
	}
}
