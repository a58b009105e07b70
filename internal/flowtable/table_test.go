package flowtable_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/internal/flowtable"
	"visor/internal/hash64"
)

type value struct{ a, b uint64 } // 16 bytes: what a transaction takes

func TestPutTake(t *testing.T) {
	tab := flowtable.New[value](flowtable.Config{})
	for _, h := range []uint64{0, 1, math.MaxUint64} {
		v := tab.Put(h, int64(h))
		require.Zero(t, *v)
		*v = value{a: h, b: h}
	}
	require.Equal(t, 3, tab.Len())

	g, ok := tab.Get(math.MaxUint64)
	require.True(t, ok)
	require.Equal(t, uint64(math.MaxUint64), g.a)

	require.Zero(t, *tab.Put(1, 5), "put again")
	got, at, ok := tab.Take(1)
	require.True(t, ok)
	require.Zero(t, got)
	require.Equal(t, int64(5), at)
	_, _, ok = tab.Take(1)
	require.False(t, ok)
	_, ok = tab.Get(1)
	require.False(t, ok)

	require.True(t, tab.Delete(0))
	require.False(t, tab.Delete(0))
	require.Equal(t, 1, tab.Len())
	tab.Reset()
	require.Zero(t, tab.Len())
	require.Zero(t, tab.Stats())
}

func TestTimes(t *testing.T) {
	tab := flowtable.New[value](flowtable.Config{TTL: 10})
	times := []int64{math.MinInt64 + 1, -1, 0, 1, math.MaxInt64}
	for i, ns := range times {
		tab.Put(uint64(i), ns)
	}
	for i, ns := range times {
		_, at, ok := tab.Take(uint64(i))
		require.True(t, ok)
		require.Equal(t, ns, at)
	}
	tab.Put(1, math.MinInt64)
	_, ok := tab.Get(1)
	require.True(t, ok, "the earliest time is not an empty slot")
}

func TestExpire(t *testing.T) {
	tab := flowtable.New[value](flowtable.Config{TTL: 10})
	for i := range uint64(100) {
		tab.Put(i, int64(i)).a = i
	}
	tab.Expire(9, nil)
	tab.Expire(-1000, nil)
	require.Equal(t, 100, tab.Len(), "the clock went back: nothing is lost")
	seen := map[uint64]bool{}
	tab.Expire(59, func(h uint64, v *value) {
		require.Equal(t, h, v.a)
		seen[h] = true
	})
	require.Len(t, seen, 50)
	require.True(t, seen[49], "TTL old is expired")
	require.False(t, seen[50])
	require.Equal(t, flowtable.Stats{Expired: 50}, tab.Stats())

	for range 8 {
		tab.Sweep(1000, tab.Slots()/8, nil)
	}
	require.Zero(t, tab.Len())
	require.Equal(t, flowtable.Stats{Expired: 100}, tab.Stats())
}

func TestNoTTL(t *testing.T) {
	tab := flowtable.New[value](flowtable.Config{})
	tab.Put(1, 0)
	tab.Expire(math.MaxInt64, nil)
	tab.Sweep(math.MaxInt64, 1<<20, nil)
	require.Equal(t, 1, tab.Len())
}

func TestFullEvictsOldOnes(t *testing.T) {
	const capacity, n = 1000, 50000
	tab := flowtable.New[value](flowtable.Config{Capacity: capacity})
	for i := range uint64(n) {
		h := hash64.Uint64(i)
		tab.Put(h, int64(i))
		require.LessOrEqual(t, tab.Len(), capacity)
		_, ok := tab.Get(h)
		require.True(t, ok)
	}
	require.Equal(t, flowtable.Stats{Evicted: n - capacity}, tab.Stats())
	require.Equal(t, 2048, tab.Slots())
	young := 0
	for i := range uint64(capacity / 2) {
		if _, ok := tab.Get(hash64.Uint64(n - 1 - i)); ok {
			young++
		}
	}
	require.Greater(t, young, capacity/2*3/4)
}

func TestFullDropsExpiredFirst(t *testing.T) {
	tab := flowtable.New[value](flowtable.Config{Capacity: 1000, TTL: 100})
	for i := range uint64(100000) { // 5 entries a ns: 500 are live, 1000 fit
		tab.Put(hash64.Uint64(i), int64(i/5))
	}
	st := tab.Stats()
	require.Less(t, st.Evicted, uint64(1000))
	require.Equal(t, 100000, int(st.Expired+st.Evicted)+tab.Len())
}

func TestGrowthPurgesExpired(t *testing.T) {
	tab := flowtable.New[value](flowtable.Config{TTL: 80})
	for i := range uint64(1 << 20) {
		tab.Put(hash64.Uint64(i), int64(i))
	}
	require.Equal(t, 256, tab.Slots(), "80 live entries never need more")
	require.Zero(t, tab.Stats().Evicted)
}

func TestFromTheFuture(t *testing.T) {
	tab := flowtable.New[value](flowtable.Config{Capacity: 100, TTL: 10})
	for i := range uint64(50) {
		tab.Put(hash64.Uint64(i), 1e18)
	}
	for i := range uint64(50) {
		tab.Put(hash64.Uint64(1000+i), 0)
	}
	tab.Expire(5, nil)
	require.Equal(t, 100, tab.Len())
	for i := range uint64(50) {
		tab.Put(hash64.Uint64(2000+i), 1)
	}
	kept := 0
	for i := range uint64(50) {
		if _, ok := tab.Get(hash64.Uint64(1000 + i)); ok {
			kept++
		}
	}
	require.Greater(t, kept, 40, "what is an age away goes first")
}

// inverse of the multiplier that spreads hashes over the slots: x·inverse has its home at the top bits of x.
const inverse = 0xF1DE83E19937733D

// Hashes chosen to share a few homes: probes stay bounded, and what the table says it holds it finds.
func TestCollidingHashes(t *testing.T) {
	tab := flowtable.New[uint64](flowtable.Config{Capacity: 1 << 12})
	rng := rand.New(rand.NewPCG(1, 2))
	var all []uint64
	for i := range 20000 {
		h := (rng.Uint64()>>8 | rng.Uint64()%4<<61) * inverse
		*tab.Put(h, int64(i)) = h
		all = append(all, h)
		if i%3 == 0 {
			tab.Delete(all[rng.IntN(len(all))])
		}
	}
	found := 0
	for _, h := range all {
		if v, ok := tab.Get(h); ok {
			require.Equal(t, h, *v)
			found++
		}
	}
	require.Equal(t, tab.Len(), found)
	require.NotZero(t, tab.Stats().Evicted)
}

func TestSteadyStateAllocs(t *testing.T) {
	tab := flowtable.New[value](flowtable.Config{Capacity: 1000, TTL: 500})
	i, gone := uint64(0), 0
	step := func() {
		for range 3000 {
			i++
			tab.Put(hash64.Uint64(i), int64(i))
			tab.Take(hash64.Uint64(i - 3))
		}
		tab.Expire(int64(i), func(uint64, *value) { gone++ })
	}
	step()
	require.Zero(t, testing.AllocsPerRun(20, step))
}
