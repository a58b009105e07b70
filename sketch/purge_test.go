package sketch

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// After a purge, each key is found in its slot, also where a row of entries goes on from the last
// slot to the first. A key that is not found would enter a second time.
func TestPurgeKeepsKeysFindable(t *testing.T) {
	const slots = 64
	rnd := rand.New(rand.NewPCG(1, 2))
	purges := 0
	for range 2000 {
		var list table[uint64]
		list.capacity = slots * 3 / 4
		for range 4 * slots {
			h := rnd.Uint64() | 1
			if i := list.find(h); list.enter(i, h, 1+rnd.Uint64N(4), h) {
				purges++
				for i, e := range list.slots {
					if e.hash != 0 {
						require.Equal(t, i, list.find(e.hash))
					}
				}
			}
		}
	}
	require.Greater(t, purges, 2000)
}
