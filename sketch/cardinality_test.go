package sketch_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/segmentio/go-hll"
	"github.com/stretchr/testify/require"

	"visor/sketch"
	"visor/sketch/hash64"
)

// distinct returns a Cardinality after n keys, from first on, some of them added twice.
func distinct(first, n uint64) *sketch.Cardinality {
	c := new(sketch.Cardinality)
	for i := range n {
		c.Add(hash64.Mix(first + i))
		if i%7 == 0 {
			c.Add(hash64.Mix(first + i/2))
		}
	}
	return c
}

const standardError = 1.04 / 128 // of 16,384 registers

// The estimate is within three standard errors from 10² to 10⁷, and exact up to 2048. Ten sets of
// keys for each size would show a bias.
func TestCardinalityError(t *testing.T) {
	for _, n := range []uint64{0, 1, 100, 1000, 2048, 2049, 5000, 10_000, 41_000, 100_000, 1_000_000, 10_000_000} {
		if testing.Short() && n > 100_000 {
			break // long streams
		}
		sets := uint64(10)
		if n > 1_000_000 {
			sets = 2
		}
		mean := 0.0
		for i := range sets {
			c := distinct(i<<40, n)
			require.Equal(t, n <= 2048, c.Exact())
			if c.Exact() {
				require.Equal(t, n, c.Estimate())
				continue
			}
			off := float64(c.Estimate())/float64(n) - 1
			require.Less(t, math.Abs(off), 3*standardError, "%d keys", n)
			mean += off / float64(sets)
		}
		require.Less(t, math.Abs(mean), 3*standardError/math.Sqrt(float64(sets)), "%d keys: bias", n)
	}
}

// A merged sketch equals one sketch of all keys, in all combinations of exact and estimated.
func TestCardinalityMerge(t *testing.T) {
	for _, n := range []uint64{0, 10, 1500, 20_000} {
		for _, m := range []uint64{0, 10, 1500, 20_000} {
			a, b := distinct(0, n), distinct(5, m)
			before := b.Estimate()
			a.Merge(b)
			all := distinct(0, max(n, m+5))
			if n == 0 {
				all = b
			} else if m == 0 {
				all = distinct(0, n)
			} else if n < 5 {
				continue
			}
			require.Equal(t, all.Estimate(), a.Estimate(), "%d and %d", n, m)
			require.Equal(t, before, b.Estimate())
		}
	}
	whole, parts := distinct(0, 640_000), new(sketch.Cardinality)
	for i := range uint64(64) {
		parts.Merge(distinct(i*10_000, 10_000))
	}
	require.Equal(t, whole.Estimate(), parts.Estimate())
}

func TestCardinalityReset(t *testing.T) {
	for _, n := range []uint64{10, 50_000} {
		c := distinct(0, n)
		c.Reset()
		require.Zero(t, c.Estimate())
		require.True(t, c.Exact())
		c.Add(0)
		c.Add(0)
		require.Equal(t, uint64(1), c.Estimate())
		c.Merge(distinct(1<<40, n))
		require.InEpsilon(t, n+1, c.Estimate(), 3*standardError)
	}
}

// go-hll reads the bytes, and each of go-hll's forms can be read.
func TestCardinalityBytesAreThoseOfGoHLL(t *testing.T) {
	settings := hll.Settings{Log2m: 14, Regwidth: 5, ExplicitThreshold: 2048, SparseEnabled: true}
	for _, n := range []uint64{0, 1, 100, 2048, 2049, 5000, 100_000} {
		ours := distinct(0, n)
		data, err := ours.MarshalBinary()
		require.NoError(t, err)
		theirs, err := hll.FromBytes(data)
		require.NoError(t, err, n)
		require.Equal(t, settings, theirs.Settings())
		require.InDelta(t, float64(n), float64(theirs.Cardinality()), 0.08*float64(n), "go-hll's own estimate, which is biased")

		var back sketch.Cardinality
		require.NoError(t, back.UnmarshalBinary(data))
		require.Equal(t, ours.Estimate(), back.Estimate())

		for _, form := range []hll.Settings{
			settings,
			{Log2m: 14, Regwidth: 6, ExplicitThreshold: 0, SparseEnabled: true},
			{Log2m: 14, Regwidth: 6, ExplicitThreshold: 0, SparseEnabled: false},
			// an older format of visor
			{Log2m: 14, Regwidth: 6, ExplicitThreshold: 2048, SparseEnabled: true},
			{Log2m: 14, Regwidth: 5, ExplicitThreshold: 256, SparseEnabled: false},
		} {
			h, err := hll.NewHll(form)
			require.NoError(t, err)
			for i := range n {
				h.AddRaw(hash64.Mix(i))
			}
			require.NoError(t, back.UnmarshalBinary(h.ToBytes()))
			if back.Exact() {
				require.Equal(t, n, back.Estimate())
				continue
			}
			require.InDelta(t, float64(n), float64(back.Estimate()), 1+3*standardError*float64(n), "%d keys, %+v", n, form)
		}
	}
}

func TestCardinalityBadBytes(t *testing.T) {
	full, err := distinct(0, 5000).MarshalBinary()
	require.NoError(t, err)
	for what, data := range map[string][]byte{
		"nothing":      nil,
		"version":      {0x24, 0xAE, 0},
		"log2m":        {0x14, 0xAB, 0},
		"type":         {0x17, 0xAE, 0},
		"cut explicit": {0x12, 0xAE, 0, 1, 2, 3},
		"cut full":     full[:len(full)-1],
		"long full":    append(full, 0),
	} {
		c := distinct(0, 3)
		require.ErrorContains(t, c.UnmarshalBinary(data), "not a cardinality", what)
		require.Equal(t, uint64(3), c.Estimate(), what)
	}
}

func TestCardinalityDoesNotAllocate(t *testing.T) {
	for _, n := range []uint64{1000, 10_000} {
		c := distinct(0, n)
		require.Zero(t, testing.AllocsPerRun(5, func() {
			c.Reset()
			for i := range n {
				c.Add(hash64.Mix(i))
			}
			if c.Estimate() == 0 {
				panic("nothing counted")
			}
		}))
	}
}

func FuzzCardinality(f *testing.F) {
	for _, n := range []uint64{0, 3, 5000} {
		data, err := distinct(0, n).MarshalBinary()
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var c, back sketch.Cardinality
		if c.UnmarshalBinary(data) != nil {
			return
		}
		again, err := c.MarshalBinary()
		require.NoError(t, err)
		require.NoError(t, back.UnmarshalBinary(again))
		require.Equal(t, c.Estimate(), back.Estimate())
	})
}

func BenchmarkCardinality(b *testing.B) {
	for _, n := range []uint64{100, 2000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			c := distinct(0, n)
			i := uint64(0)
			for b.Loop() {
				c.Add(hash64.Mix(i % n))
				i++
			}
		})
	}
}

func ExampleCardinality() {
	var clients sketch.Cardinality
	for i := range 10_000 {
		clients.Add(hash64.Mix(uint64(i % 1234)))
	}
	fmt.Println(clients.Estimate(), clients.Exact())
	// Output: 1234 true
}
