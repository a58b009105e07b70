package sketch_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/internal/racetest"
	"visor/sketch"
)

// A sender that makes up keys does not hide the heavy ones, even those that begin late. The weights
// of all keys are within the bounds, on scales of any size, and after the lists were copied, merged
// and used again.
func TestTopPairsAmongMadeUpKeys(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out long streams of keys")
	}
	for _, scale := range []uint64{1, 1500, 1 << 36} {
		t.Run(fmt.Sprint(scale), func(t *testing.T) {
			const capacity, n = 768, 300_000
			var p, copied pairs
			p.list.Limit(capacity, nil)
			for i := range n {
				p.add(fmt.Sprint(i), sketch.Pair{scale * uint64(1+i%40), 1})
				if i > n/3 && i%100 == 0 {
					p.add("heavy", sketch.Pair{scale * 20, 1})
				}
				if i > n/2 && i%5000 == 0 {
					p.add("large", sketch.Pair{scale * 50_000, 1})
				}
			}
			requireFound(t, &p)
			for scale := range 2 {
				require.Less(t, float64(p.list.Error()[scale]), float64(p.list.Total()[scale])/(0.4*capacity))
			}
			copied.list.CopyFrom(&p.list)
			copied.truth = p.truth
			copied.requireBounds(t)
			copied.list.Merge(&p.list)
			for name, sum := range copied.truth {
				copied.truth[name] = sketch.Pair{2 * sum[0], 2 * sum[1]}
			}
			requireFound(t, &copied)
			copied.list.Reset()
			require.Equal(t, sketch.Pair{}, copied.list.Error())
			copied.truth = nil
			for i := range 2 * capacity {
				copied.add(fmt.Sprint(i), sketch.Pair{scale, 1})
			}
			copied.requireBounds(t)
		})
	}
}

func requireFound(t *testing.T, p *pairs) {
	t.Helper()
	require.Equal(t, "large", string(p.list.Top(1, 0)[0].Key))
	require.Equal(t, "heavy", string(p.list.Top(1, 1)[0].Key))
	p.requireBounds(t)
}

// BenchmarkTopPairsMadeUp measures keys that occur once each.
func BenchmarkTopPairsMadeUp(b *testing.B) {
	var list sketch.TopPairs
	list.Limit(768, nil)
	var k sketch.PairKey
	i := uint32(0)
	for b.Loop() {
		i++
		k.Set(hash(i), []byte{byte(i), byte(i >> 8), byte(i >> 16), byte(i >> 24)})
		list.Add(&k, sketch.Pair{1000, 1})
	}
}
