package sketch

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// Words of registers have the same result as one register after the other.
func TestRaiseAll(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		dst, src, want := make([]byte, 64), make([]byte, 64), make([]byte, 64)
		for i := range dst {
			dst[i], src[i] = byte(rnd.IntN(128)), byte(rnd.IntN(128))
			want[i] = max(dst[i], src[i])
		}
		raiseAll(dst, src)
		require.Equal(t, want, dst)
	}
}

// A register above the greatest rank is an error, in each place of a word.
func TestDistinctRegistersOutOfRange(t *testing.T) {
	for place := range 8 {
		for rank := range uint64(256) {
			data := make([]byte, distinctRegisters)
			data[16+place] = byte(rank)
			var c distinctCounter
			why := c.readRegisters(&reader{b: data})
			require.Equal(t, rank > distinctRank, why != "", "rank %d", rank)
		}
	}
}
