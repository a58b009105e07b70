package flowtable_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/internal/flowtable"
	"visor/sketch/hash64"
)

type value struct{ a, b uint64 } // 16 bytes, like a transaction

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
		tab.Put(hash64.Mix(i), int64(i)).a = i
	}
	seen := map[uint64]bool{}
	tab.OnLoss(func(v *value, why flowtable.Loss) {
		require.Equal(t, flowtable.Expired, why)
		seen[v.a] = true
	})
	tab.Expire(9)
	tab.Expire(-1000)
	require.Equal(t, 100, tab.Len(), "the clock went back: nothing is lost")
	tab.Expire(59)
	require.Len(t, seen, 50)
	require.True(t, seen[49], "TTL old is expired")
	require.False(t, seen[50])
	require.Equal(t, flowtable.Stats{Expired: 50}, tab.Stats())
}

// The entry that makes the table grow may be the oldest one.
func TestExpireOldestOfAll(t *testing.T) {
	tab := flowtable.New[value](flowtable.Config{TTL: 10})
	for i := range uint64(128) {
		tab.Put(hash64.Mix(i), 1000)
	}
	tab.Put(hash64.Mix(128), 0)
	tab.Expire(20)
	require.Equal(t, 128, tab.Len())
}

func TestNoTTL(t *testing.T) {
	tab := flowtable.New[value](flowtable.Config{})
	tab.Put(1, 0)
	tab.Expire(math.MaxInt64)
	require.Equal(t, 1, tab.Len())
}

func TestFullEvictsOldOnes(t *testing.T) {
	const capacity, n = 1000, 50000
	tab := flowtable.New[value](flowtable.Config{Capacity: capacity})
	// with one secret in a few hundred a neighbourhood is full before the table is
	tab.KnowSecret(multiplier)
	for i := range uint64(n) {
		h := hash64.Mix(i)
		tab.Put(h, int64(i))
		require.LessOrEqual(t, tab.Len(), capacity)
		_, ok := tab.Get(h)
		require.True(t, ok)
	}
	require.Equal(t, flowtable.Stats{Evicted: n - capacity}, tab.Stats())
	require.Equal(t, 2048, tab.Slots())
	young := 0
	for i := range uint64(capacity / 2) {
		if _, ok := tab.Get(hash64.Mix(n - 1 - i)); ok {
			young++
		}
	}
	require.Greater(t, young, capacity/2*3/4)
}

func TestInsert(t *testing.T) {
	tab := flowtable.New[value](flowtable.Config{TTL: 10})
	lost := 0
	tab.OnLoss(func(v *value, why flowtable.Loss) {
		require.Equal(t, value{a: 7}, *v)
		require.Equal(t, flowtable.Expired, why)
		lost++
	})
	v, at, inserted := tab.Insert(1, 100)
	require.True(t, inserted)
	require.Equal(t, int64(100), at)
	require.Zero(t, *v)
	v.a = 7

	v, at, inserted = tab.Insert(1, 109)
	require.False(t, inserted)
	require.Equal(t, int64(100), at, "the first time holds")
	require.Equal(t, uint64(7), v.a)

	v, at, inserted = tab.Insert(1, 110)
	require.True(t, inserted, "what has expired does not wait any more")
	require.Equal(t, int64(110), at)
	require.Zero(t, *v)
	require.Equal(t, 1, lost)
	require.Equal(t, flowtable.Stats{Expired: 1}, tab.Stats())
	require.Equal(t, 1, tab.Len())
}

// Up to seven eighths of Capacity per TTL no entry is evicted. Above, every removed entry is
// reported.
func TestEveryLossIsReported(t *testing.T) {
	for _, perNS := range []int{1, 5, 8, 30} {
		tab := flowtable.New[value](flowtable.Config{Capacity: 1000, TTL: 100})
		var lost [3]uint64
		tab.OnLoss(func(_ *value, why flowtable.Loss) { lost[why]++ })
		const n = 100000
		for i := range uint64(n) {
			tab.Put(hash64.Mix(i), int64(i)/int64(perNS))
		}
		st := tab.Stats()
		require.Equal(t, lost, [3]uint64{0, st.Expired, st.Evicted})
		require.Equal(t, uint64(n), st.Expired+st.Evicted+uint64(tab.Len()))
		if perNS*100 < 1000 {
			require.Zero(t, st.Evicted, "%d a ns: %d wait at once, 1000 fit", perNS, perNS*100)
		} else {
			require.Greater(t, st.Evicted, uint64(n/2))
		}
	}
}

// Lookups do not depend on the number of other entries while the table is not full.
func TestGrowthKeepsExpired(t *testing.T) {
	tab := flowtable.New[value](flowtable.Config{TTL: 80})
	tab.Put(0, 0)
	for i := range uint64(10000) {
		tab.Put(hash64.Mix(1+i), int64(i))
	}
	_, _, ok := tab.Take(0)
	require.True(t, ok)
	require.Zero(t, tab.Stats())
	tab.Expire(10000)
	require.Equal(t, 79, tab.Len())
}

func TestFromTheFuture(t *testing.T) {
	tab := flowtable.New[value](flowtable.Config{Capacity: 100, TTL: 10})
	for i := range uint64(50) {
		tab.Put(hash64.Mix(i), 1e18)
	}
	for i := range uint64(50) {
		tab.Put(hash64.Mix(1000+i), 0)
	}
	tab.Expire(5)
	require.Equal(t, 100, tab.Len())
	for i := range uint64(50) {
		tab.Put(hash64.Mix(2000+i), 1)
	}
	kept := 0
	for i := range uint64(50) {
		if _, ok := tab.Get(hash64.Mix(1000 + i)); ok {
			kept++
		}
	}
	require.Greater(t, kept, 25, "what is an age away goes first, in most windows")
}

// multiplier spreads hashes over the slots if its secret is known, and inverse undoes it: x·inverse
// has its home at the top bits of x.
const (
	multiplier = 0x9E3779B97F4A7C15
	inverse    = 0xF1DE83E19937733D
)

// TestHashesOfAnAttacker: hashes chosen to share homes under a multiplier in the source spread like
// any others.
func TestHashesOfAnAttacker(t *testing.T) {
	tab := flowtable.New[uint64](flowtable.Config{Capacity: 1 << 12})
	for i := range uint64(1 << 11) {
		tab.Put(hash64.Mix(i)>>12*inverse, 1) // all have the same home under multiplier
	}
	require.Equal(t, 1<<11, tab.Len())
	require.Zero(t, tab.Stats().Evicted)
}

// Hashes chosen to share a few homes: probes stay bounded, and the table finds all entries that it
// counts.
func TestCollidingHashes(t *testing.T) {
	tab := flowtable.New[uint64](flowtable.Config{Capacity: 1 << 12})
	tab.KnowSecret(multiplier)
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
	tab.OnLoss(func(*value, flowtable.Loss) { gone++ })
	step := func() {
		for range 3000 {
			i++
			tab.Put(hash64.Mix(i), int64(i))
			tab.Take(hash64.Mix(i - 3))
		}
		tab.Expire(int64(i))
	}
	step()
	require.Zero(t, testing.AllocsPerRun(20, step))
}

// A flood of new entries evicts old ones: hardly any leaves before a quarter of the table was
// inserted after it.
func TestEvictionSparesTheYoung(t *testing.T) {
	const capacity = 1 << 14
	now, evicted, young, ages := int64(0), 0, 0, int64(0)
	table := flowtable.New[int64](flowtable.Config{Capacity: capacity})
	table.OnLoss(func(put *int64, _ flowtable.Loss) {
		age := now - *put
		evicted++
		ages += age
		if age < capacity/4 {
			young++
		}
	})
	for now < 20*capacity {
		now++
		*table.Put(hash64.Mix(uint64(now)), now) = now
	}
	require.Equal(t, 19*capacity, evicted)
	require.Less(t, young, evicted/200)
	require.InEpsilon(t, capacity, ages/int64(evicted), 0.05, "the mean age")
}
