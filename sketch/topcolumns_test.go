package sketch_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/internal/racetest"
	"visor/sketch"
	"visor/sketch/hash64"
)

// columns is a TopColumns together with the true weights.
type columns struct {
	list  sketch.TopColumns
	truth map[string]sketch.Columns
	key   sketch.PairKey
}

func (c *columns) add(name string, weights sketch.Columns) {
	c.key.Set(fixed.Sum([]byte(name)), []byte(name))
	c.list.Add(&c.key, &weights)
	if c.truth == nil {
		c.truth = make(map[string]sketch.Columns)
	}
	c.truth[name] = added(c.truth[name], weights)
}

func added(a, b sketch.Columns) sketch.Columns {
	for i := range a {
		a[i] += b[i]
	}
	return a
}

// requireBounds checks every entry, every missing key and the error of each column.
func (c *columns) requireBounds(t *testing.T, capacity int) {
	t.Helper()
	for column := range sketch.ColumnCount {
		found, total := make(map[string]bool), uint64(0)
		for _, e := range c.list.Top(math.MaxInt, column) {
			name := string(e.Key)
			found[name] = true
			require.LessOrEqual(t, e.Lower, c.truth[name][column])
			require.GreaterOrEqual(t, e.Upper, c.truth[name][column])
		}
		for name, sum := range c.truth {
			total += sum[column]
			if !found[name] {
				require.LessOrEqual(t, sum[column], c.list.Error(column), "%q is missing in column %d", name, column)
			}
		}
		require.Equal(t, total, c.list.Total(column))
		require.LessOrEqual(t, float64(c.list.Error(column)), float64(total)/(0.08*float64(capacity)), "column %d", column)
	}
}

func TestTopColumnsIsExactWithinCapacity(t *testing.T) {
	var c columns
	for i := range 3 * 2048 {
		c.add(fmt.Sprint(i%2048), sketch.Columns{uint64(i), 1, 0, uint64(i % 7), 5})
	}
	require.Equal(t, 2048, c.list.Len())
	for column := range sketch.ColumnCount {
		require.Zero(t, c.list.Error(column))
	}
	c.requireBounds(t, 2048)
}

// columnWeights are streams whose columns agree, differ, or are nearly empty.
var columnWeights = map[string]func(key int) sketch.Columns{
	"together": func(int) sketch.Columns { return sketch.Columns{1, 80, 1, 1, 1} },
	"apart":    func(key int) sketch.Columns { var c sketch.Columns; c[key%5] = 1; return c },
	"rare": func(key int) (c sketch.Columns) {
		c = sketch.Columns{0: 1, 1: 200}
		c[2+key%3] = uint64(key % 97 / 96)
		return c
	},
	"one": func(int) sketch.Columns { return sketch.Columns{4: 1} },
}

// Each weight is within the error, and the error within its bound, for keys of any length and
// however the columns are related. A merge of parts keeps both.
func TestTopColumnsBounds(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out long streams of keys")
	}
	const capacity = 512
	for name, weights := range columnWeights {
		t.Run(name, func(t *testing.T) {
			for _, skew := range []float64{1.01, 1.3} {
				r := rand.New(rand.NewPCG(1, 2))
				keys := rand.NewZipf(r, skew, 1, 100_000)
				var whole columns
				parts := make([]columns, 3)
				whole.list.Limit(capacity)
				for i := range parts {
					parts[i].list.Limit(capacity)
				}
				for i := range 60_000 {
					key := int(keys.Uint64())
					text := fmt.Sprintf("%0*d", 4+key%40, key)
					whole.add(text, weights(key))
					parts[i%3].add(text, weights(key))
				}
				whole.requireBounds(t, capacity)
				merged := columns{truth: whole.truth}
				merged.list.Limit(capacity)
				for i := range parts {
					merged.list.Merge(&parts[i].list)
				}
				merged.requireBounds(t, capacity)
				var again columns
				again.truth = whole.truth
				again.list.CopyFrom(&merged.list)
				again.requireBounds(t, capacity)
				again.list.Reset()
				require.Zero(t, again.list.Len())
			}
		})
	}
}

// A list travels column by column.
func TestTopColumnsHead(t *testing.T) {
	var c columns
	for i := range 1000 {
		c.add(fmt.Sprintf("key %030d", i), sketch.Columns{uint64(i), uint64(1000 - i), 1, 0, 2})
	}
	var back sketch.TopColumns
	for column := range sketch.ColumnCount {
		back.SetHead(c.list.Head(0, column), column, fixed.Sum)
	}
	for column := range sketch.ColumnCount {
		require.Equal(t, c.list.Top(math.MaxInt, column), back.Top(math.MaxInt, column))
		require.Equal(t, c.list.Total(column), back.Total(column))
	}
	head := c.list.Head(10, 0)
	require.Len(t, head.Entries, 10)
	require.EqualValues(t, 989, head.Error)
}

// Lists under different hash keys merge by their keys.
func TestTopColumnsMergeKeys(t *testing.T) {
	var c, other columns
	for i := range 1000 {
		name := fmt.Sprint(i)
		c.add(name, sketch.Columns{uint64(i)})
		other.key.Set(hash64.New(hash64.Key{1}).Sum([]byte(name)), []byte(name))
		other.list.Add(&other.key, &sketch.Columns{2: uint64(i)})
	}
	c.list.MergeKeys(&other.list)
	require.Equal(t, 1000, c.list.Len())
	require.Equal(t, c.list.Total(0), c.list.Total(2))
}

func TestTopColumnsAllocs(t *testing.T) {
	var c columns
	key, hash := make([]byte, 16), fixed
	i := uint64(0)
	add := func() {
		for range 1000 {
			i++
			for j := range 8 {
				key[j] = byte(i >> (8 * j))
			}
			c.key.Set(hash.Sum(key), key)
			c.list.Add(&c.key, &sketch.Columns{1, i, 0, 0, 1})
		}
	}
	for range 10 {
		add()
	}
	require.Zero(t, testing.AllocsPerRun(20, add))
	require.LessOrEqual(t, c.list.Size(), 200<<10)
}

func BenchmarkTopColumnsAdd(b *testing.B) {
	for name, keys := range map[string]uint64{"in": 1000, "new": math.MaxUint64} {
		b.Run(name, func(b *testing.B) {
			var list sketch.TopColumns
			var key sketch.PairKey
			for i := uint64(0); b.Loop(); i++ {
				h := hash64.Mix(i % keys)
				key.SetWords(h, h, 0, 0, 16)
				list.Add(&key, &sketch.Columns{1, 100, 0, 0, 0})
			}
		})
	}
}
