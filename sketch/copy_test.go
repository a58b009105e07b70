package sketch_test

import (
	"encoding"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/sketch"
	"visor/sketch/hash64"
)

// copied fills two sketches, copies the first into the second, and adds to both. Equal input yields
// equal answers, and neither affects the other.
func copied[S any, P interface {
	*S
	CopyFrom(*S)
	encoding.BinaryMarshaler
}](t *testing.T, name string, add func(P, uint64)) {
	bytes := func(s P) string {
		b, err := s.MarshalBinary()
		require.NoError(t, err)
		return string(b)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	// below and above the sizes at which sketches change their form
	for _, n := range []int{0, 3, 100, 3000, 20_000} {
		for _, before := range []int{0, 5, 20_000} {
			var src, dst S
			for range n {
				add(&src, rnd.Uint64N(1e6))
			}
			for range before {
				add(&dst, rnd.Uint64N(1e6))
			}
			P(&dst).CopyFrom(&src)
			require.Equal(t, bytes(&src), bytes(&dst), "%s: %d over %d", name, n, before)
			want := bytes(&dst)
			for i := range uint64(1000) {
				add(&src, i*7919)
			}
			require.Equal(t, want, bytes(&dst), "%s: the copy is its own", name)
			for i := range uint64(1000) {
				add(&dst, i*7919)
			}
			require.Equal(t, bytes(&src), bytes(&dst), "%s: %d over %d, and more", name, n, before)
		}
	}
}

func TestCopyFrom(t *testing.T) {
	copied(t, "Cardinality", func(s *sketch.Cardinality, v uint64) { s.Add(hash64.Mix(v)) })
	copied(t, "TopK", func(s *sketch.TopK[uint64], v uint64) { s.Add(hash64.Mix(v), v, 1) })
	copied(t, "TopNames", func(s *sketch.TopNames, v uint64) {
		name := []byte{byte(v), byte(v >> 8), byte(v >> 16)}
		s.Add(fixed.Sum(name), name, 1)
	})
	copied(t, "TopCounts", func(s *sketch.TopCounts[uint16], v uint64) { s.Add(uint16(v), 1) })
	copied(t, "Quantile", func(s *sketch.Quantile, v uint64) { s.Add(float64(v)) })
	copied(t, "Histogram", func(s *sketch.Histogram, v uint64) { s.Add(v) })
	copied(t, "Rate", func(s *sketch.Rate, v uint64) { s.Add(int64(v%100), 1) })
	var a, b sketch.Counter
	a.Add(3)
	b.CopyFrom(&a)
	require.Equal(t, uint64(3), b.Value())
}

func TestCopyFromAllocs(t *testing.T) {
	var src, dst sketch.TopNames
	for v := range uint64(10_000) {
		name := []byte{byte(v), byte(v >> 8), 'x'}
		src.Add(fixed.Sum(name), name, 1)
	}
	dst.CopyFrom(&src)
	require.Zero(t, testing.AllocsPerRun(10, func() { dst.CopyFrom(&src) }))
}
