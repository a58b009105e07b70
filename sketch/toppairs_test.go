package sketch_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/sketch"
	"visor/sketch/hash64"
)

// fixed hashes the keys of the tests. A new Hasher for each key would take most of their time.
var fixed = hash64.Fixed()

// pairs is a TopPairs together with the true weights.
type pairs struct {
	list  sketch.TopPairs
	truth map[string]sketch.Pair
	key   sketch.PairKey
}

func (p *pairs) add(name string, weight sketch.Pair) {
	p.key.Set(fixed.Sum([]byte(name)), []byte(name))
	p.list.Add(&p.key, weight)
	if p.truth == nil {
		p.truth = make(map[string]sketch.Pair)
	}
	sum := p.truth[name]
	p.truth[name] = sketch.Pair{sum[0] + weight[0], sum[1] + weight[1]}
}

// requireBounds checks every entry, and every missing key, against the true weights on both scales.
func (p *pairs) requireBounds(t *testing.T) {
	t.Helper()
	for scale := range 2 {
		found := make(map[string]bool)
		worst := p.list.Error()[scale]
		for _, e := range p.list.Top(math.MaxInt, scale) {
			name := string(e.Key)
			found[name] = true
			require.LessOrEqual(t, e.Lower, p.truth[name][scale])
			require.GreaterOrEqual(t, e.Upper, p.truth[name][scale])
		}
		for name, sum := range p.truth {
			if !found[name] {
				require.LessOrEqual(t, sum[scale], worst, "%q is missing", name)
			}
		}
	}
}

func TestTopPairsIsExactWithinCapacity(t *testing.T) {
	var p pairs
	for i := range 3 * sketch.DefaultCapacity {
		p.add(fmt.Sprint(i%sketch.DefaultCapacity), sketch.Pair{uint64(i), 1})
	}
	require.Equal(t, sketch.Pair{}, p.list.Error())
	require.Equal(t, sketch.DefaultCapacity, p.list.Len())
	for _, e := range p.list.Top(math.MaxInt, 1) {
		require.Equal(t, []uint64{3, 3}, []uint64{e.Lower, e.Upper})
	}
	p.requireBounds(t)
}

// The heavy keys are found on either scale, whether or not the scales agree and for keys of any
// length, and the bounds hold.
func TestTopPairsBounds(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out long streams of keys")
	}
	weights := map[string]func(i int, n uint64) sketch.Pair{
		"together": func(_ int, n uint64) sketch.Pair { return sketch.Pair{100 * n, n} },
		"apart": func(i int, n uint64) sketch.Pair { // each key has weight on one scale only
			return [2]sketch.Pair{{n, 0}, {0, n}}[i%2]
		},
		"one":     func(_ int, n uint64) sketch.Pair { return sketch.Pair{n, 0} },
		"reverse": func(i int, n uint64) sketch.Pair { return [2]sketch.Pair{{1000 * n, n}, {n, 1000 * n}}[i%2] },
	}
	const capacity = 768
	for name, weight := range weights {
		for _, length := range []int{4, 60} {
			t.Run(fmt.Sprint(name, length), func(t *testing.T) {
				var p pairs
				p.list.Limit(capacity, nil)
				keys, _ := zipf(100_000, 200_000, 1.1)
				for _, k := range keys {
					b := make([]byte, length)
					binary.BigEndian.PutUint32(b, k)
					p.add(string(b), weight(int(k), 1+uint64(k%3)))
				}
				require.LessOrEqual(t, p.list.Len(), capacity)
				total, worst := p.list.Total(), p.list.Error()
				for scale := range 2 {
					require.LessOrEqual(t, float64(worst[scale]), float64(total[scale])/(0.2*capacity))
				}
				p.requireBounds(t)
			})
		}
	}
}

func TestTopPairsOrder(t *testing.T) {
	var p pairs
	for _, name := range []string{"b", "a", "", "aa", "c", "longer than twenty-three bytes, b", "longer than twenty-three bytes, a"} {
		p.add(name, sketch.Pair{1, 2})
	}
	p.add("c", sketch.Pair{0, 1})
	p.add("nothing", sketch.Pair{})
	names := func(scale int) (out []string) {
		for _, e := range p.list.Top(4, scale) {
			out = append(out, string(e.Key))
		}
		return out
	}
	require.Equal(t, []string{"", "a", "aa", "b"}, names(0))
	require.Equal(t, []string{"c", "", "a", "aa"}, names(1))
	require.Len(t, p.list.Top(100, 0), 7)
}

// Keys with the same hash are separate keys. The list holds four of them.
func TestTopPairsEqualHashes(t *testing.T) {
	var list sketch.TopPairs
	var k sketch.PairKey
	require.False(t, list.Add(&k, sketch.Pair{1, 1}), "no key")
	for range 2 {
		for i := range byte(100) {
			k.Set(7, []byte{i})
			list.Add(&k, sketch.Pair{1, 2})
		}
	}
	require.Equal(t, 4, list.Len())
	require.Equal(t, []sketch.Pair{{200, 400}, {192, 384}}, []sketch.Pair{list.Total(), list.Refused()})
	for _, e := range list.Top(10, 1) {
		require.Equal(t, []uint64{4, 4}, []uint64{e.Lower, e.Upper})
	}
}

func TestTopPairsMerge(t *testing.T) {
	var whole, other pairs
	keys, _ := zipf(20_000, 50_000, 1.1)
	for i, k := range keys {
		p := &whole
		if i%2 == 0 {
			p = &other
		}
		p.list.Limit(1000, nil)
		p.add(fmt.Sprintf("%d, whose name goes into the arena %d", k, k), sketch.Pair{uint64(k % 7), 1})
	}
	var copied pairs
	copied.list.CopyFrom(&whole.list)
	copied.list.Merge(&other.list)
	copied.truth = whole.truth
	for name, sum := range other.truth {
		was := copied.truth[name]
		copied.truth[name] = sketch.Pair{was[0] + sum[0], was[1] + sum[1]}
	}
	copied.requireBounds(t)
	require.Equal(t, uint64(len(keys)), copied.list.Total()[1])
	copied.list.Reset()
	require.Zero(t, copied.list.Len())
	require.Empty(t, copied.list.Top(10, 0))
}

func TestTopPairsSaturate(t *testing.T) {
	var p pairs
	p.add("a", sketch.Pair{1 << 63, 1})
	p.add("a", sketch.Pair{1 << 63, 1})
	require.Equal(t, uint64(math.MaxUint64), p.list.Top(1, 0)[0].Upper)
	require.Equal(t, sketch.Pair{math.MaxUint64, 2}, p.list.Total())
}

// Lists that share a budget stay within it. Small lists can grow when large ones cannot. The sum of
// their sizes equals the used budget.
func TestTopPairsBudget(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out long streams of keys")
	}
	budget := &sketch.Budget{Max: 1 << 20}
	lists := make([]pairs, 100)
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range lists {
		lists[i].list.Limit(0, budget)
		for range 5000 {
			lists[i].add(fmt.Sprint("a key for the arena of this list: ", rnd.IntN(400)), sketch.Pair{uint64(rnd.IntN(9)), 1})
		}
		lists[i].requireBounds(t)
	}
	size := 0
	for i := range lists {
		require.Positive(t, lists[i].list.Len())
		size += lists[i].list.Size()
	}
	require.Equal(t, size, budget.Used)
	require.Less(t, size, 5<<19)
}

func TestTopPairsDoNotAllocate(t *testing.T) {
	var list sketch.TopPairs
	list.Limit(768, nil)
	var k sketch.PairKey
	i := uint64(0)
	key := make([]byte, 30)
	add := func() {
		for range 10_000 {
			i++
			binary.BigEndian.PutUint64(key, i)
			k.Set(hash64.Mix(i), key[:8+22*(i%2)])
			list.Add(&k, sketch.Pair{i, 1})
		}
	}
	add()
	require.Zero(t, testing.AllocsPerRun(3, add))
}

func BenchmarkTopPairs(b *testing.B) {
	for name, distinct := range map[string]uint64{"hits": 500, "all-distinct": math.MaxUint64} {
		b.Run(name, func(b *testing.B) {
			var list sketch.TopPairs
			list.Limit(768, nil)
			var k sketch.PairKey
			var key [8]byte
			i := uint64(0)
			for b.Loop() {
				i++
				binary.BigEndian.PutUint64(key[:], i%distinct)
				k.Set(hash64.Mix(i%distinct), key[:])
				list.Add(&k, sketch.Pair{i, 1})
			}
		})
	}
}
