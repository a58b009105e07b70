package sketch_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/internal/racetest"
	"visor/sketch"
	"visor/sketch/hash64"
)

// fanouts is a TopDistinct together with the true sub-keys and their weights.
type fanouts struct {
	list  sketch.TopDistinct
	truth map[string]map[string]uint32
	total float64 // weight of all distinct pairs
}

func (f *fanouts) add(key, sub string, weight uint32) {
	f.list.Add(fixed.Sum([]byte(key)), []byte(key), fixed.Sum([]byte(sub)), []byte(sub), weight)
	if f.truth == nil {
		f.truth = make(map[string]map[string]uint32)
	}
	subs := f.truth[key]
	if subs == nil {
		subs = make(map[string]uint32)
		f.truth[key] = subs
	}
	if _, ok := subs[sub]; !ok {
		subs[sub] = weight
		f.total += float64(weight)
	}
}

func (f *fanouts) weight(key string) (sum float64) {
	for _, w := range f.truth[key] {
		sum += float64(w)
	}
	return sum
}

// requireBounds checks counts, samples, and that no key with a share of all distinct weight is
// missing. Counts may be off by five standard errors, and by 7 times what may have been missed.
func (f *fanouts) requireBounds(t *testing.T, deviation float64) {
	t.Helper()
	found := make(map[string]sketch.Distinct)
	for _, d := range f.list.Top(math.MaxInt) {
		key := string(d.Key)
		found[key] = d
		truth := float64(len(f.truth[key]))
		missed := 7*float64(d.Missed) + 7
		if d.Missed == 0 {
			missed = 0
		}
		count := float64(d.Count)
		if d.Exact {
			require.LessOrEqual(t, count, truth, key)
			require.GreaterOrEqual(t, count+missed, truth, key)
		} else {
			require.LessOrEqual(t, count, truth*(1+5*deviation), key)
			require.GreaterOrEqual(t, count*(1+5*deviation)+missed, truth, key)
		}
		for _, s := range d.Samples {
			require.Contains(t, f.truth[key], string(s))
		}
	}
	for key := range f.truth {
		if f.weight(key) >= f.total/100 {
			require.Contains(t, found, key, "a heavy key is missing")
			require.NotEmpty(t, found[key].Samples, key)
		}
	}
}

func TestTopDistinctIsExact(t *testing.T) {
	var f fanouts
	for i := range 1024 {
		for range 2 {
			for sub := range 1 + i%32 {
				f.add(fmt.Sprint("key", i), fmt.Sprint("sub", sub), uint32(1+sub))
			}
		}
	}
	require.True(t, f.list.Complete())
	require.Equal(t, 1024, f.list.Len())
	for _, d := range f.list.TopWeight(math.MaxInt) {
		subs := f.truth[string(d.Key)]
		require.True(t, d.Exact)
		require.Equal(t, []uint64{uint64(len(subs)), uint64(f.weight(string(d.Key))), 0}, []uint64{d.Count, d.Weight, d.Missed})
	}
	f.requireBounds(t, 0)
}

// TestTopDistinctZipf: the bounds hold for mixtures of keys whose numbers of sub-keys follow Zipf's
// law, in any order, with each pair repeated.
func TestTopDistinctZipf(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out long streams of keys")
	}
	for _, skew := range []float64{0.8, 1.1, 1.5} {
		for _, weighted := range []bool{false, true} {
			t.Run(fmt.Sprint(skew, weighted), func(t *testing.T) {
				f := mixture(20_000, 100_000, skew, weighted)
				require.False(t, f.list.Complete())
				f.requireBounds(t, 0.83/16)
				if weighted {
					for _, d := range f.list.TopWeight(5) {
						truth := f.weight(string(d.Key))
						require.InEpsilon(t, truth, float64(d.Weight), 0.4, string(d.Key))
					}
				}
				require.LessOrEqual(t, f.list.Size(), 600_000)
			})
		}
	}
}

func mixture(distinct, n int, skew float64, weighted bool) *fanouts {
	keys, _ := zipf(distinct, n, skew)
	rnd := rand.New(rand.NewPCG(3, 4))
	var f fanouts
	for _, k := range keys {
		sub := rnd.IntN(n)
		for _, sub := range []int{sub, sub % 50} {
			weight := uint32(1)
			if weighted {
				weight += uint32(sub % 40)
			}
			f.add(fmt.Sprint("key", k), fmt.Sprint("sub", sub), weight)
		}
	}
	return &f
}

// TestTopDistinctError: the estimate has the stated standard error and no bias, before and after a
// merge.
func TestTopDistinctError(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out long streams of keys")
	}
	for _, n := range []int{40, 100, 1000, 20_000} {
		var stream, merged, weighed []float64
		for run := range 200 {
			var whole, left, right sketch.TopDistinct
			weight := 0.0
			for i := range n {
				sub, w := hash64.Mix(uint64(run)<<32|uint64(i)), uint32(1+i%7)
				weight += float64(w)
				whole.Add(1, nil, sub, nil, w)
				if i < n*2/3 {
					left.Add(1, nil, sub, nil, w)
				}
				if i >= n/3 {
					right.Add(1, nil, sub, nil, w)
				}
			}
			left.Merge(&right)
			stream = append(stream, float64(whole.Top(1)[0].Count)/float64(n)-1)
			weighed = append(weighed, float64(whole.Top(1)[0].Weight)/weight-1)
			merged = append(merged, float64(left.Top(1)[0].Count)/float64(n)-1)
		}
		for name, errs := range map[string][]float64{"stream": stream, "weighed": weighed, "merged": merged} {
			mean, deviation := moments(errs)
			require.InDelta(t, 0, mean, 0.02, "%s %d", name, n)
			require.Less(t, deviation, 0.08, "%s %d", name, n)
		}
	}
}

func moments(xs []float64) (mean, deviation float64) {
	for _, x := range xs {
		mean += x / float64(len(xs))
	}
	for _, x := range xs {
		deviation += (x - mean) * (x - mean) / float64(len(xs))
	}
	return mean, math.Sqrt(deviation)
}

// TestTopDistinctMerge: the parts of a stream merge within the bounds, however they are split.
func TestTopDistinctMerge(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out long streams of keys")
	}
	whole := mixture(20_000, 100_000, 1.1, false)
	for _, parts := range []int{2, 5} {
		split := make([]fanouts, parts)
		rnd := rand.New(rand.NewPCG(5, 6))
		for key, subs := range whole.truth {
			for sub, w := range subs {
				for range 2 {
					split[rnd.IntN(parts)].add(key, sub, w)
				}
			}
		}
		var merged fanouts
		merged.truth, merged.total = whole.truth, whole.total
		for i := range split {
			merged.list.Merge(&split[i].list)
		}
		merged.requireBounds(t, 1.04/16)
		var copied fanouts
		copied.truth, copied.total = merged.truth, merged.total
		copied.list.Add(1, []byte("gone"), 1, nil, 1)
		copied.list.CopyFrom(&merged.list)
		copied.list.Merge(&merged.list)
		require.Equal(t, keysOf(&merged.list), keysOf(&copied.list))
		copied.list.Reset()
		require.Zero(t, copied.list.Len())
		require.True(t, copied.list.Complete())
	}
}

func keysOf(list *sketch.TopDistinct) (keys []string) {
	for _, d := range list.Top(math.MaxInt) {
		keys = append(keys, string(d.Key))
	}
	slices.Sort(keys)
	return keys
}

// TestTopDistinctAttack: a sender that makes up keys cannot evict a heavy key, nor add to its
// count, nor fill the memory with long keys. Keys that share a hash are refused.
func TestTopDistinctAttack(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out long streams")
	}
	var f fanouts
	long := string(make([]byte, 240))
	for i := range 300_000 {
		f.add(fmt.Sprint(i, long), "x", 1)
		if i%50 == 0 {
			f.add("victim.example", fmt.Sprint(i), 1)
		}
	}
	top := f.list.Top(2)
	require.Equal(t, "victim.example", string(top[0].Key))
	require.InEpsilon(t, 6000, top[0].Count+top[0].Missed, 0.25)
	require.Len(t, top[0].Samples, 8)
	require.LessOrEqual(t, top[1].Count, uint64(1))
	require.LessOrEqual(t, f.list.Size(), 600_000)

	var list sketch.TopDistinct
	for i := range 100 {
		list.Add(7, fmt.Append(nil, i), 1, nil, 1)
	}
	require.Equal(t, []uint64{4, 96}, []uint64{uint64(list.Len()), list.Refused()})
}

// TestTopDistinctTenMillionKeys: keys with one per cent of all distinct pairs are found among ten
// million others, and their counts are within the bounds.
func TestTopDistinctTenMillionKeys(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out long streams of keys")
	}
	const others, heavy, each = 10_000_000, 20, 125_000
	var list sketch.TopDistinct
	add := func(key, sub uint64) {
		list.Add(hash64.Mix(key), fmt.Append(make([]byte, 0, 20), key), hash64.Mix(sub), nil, 1)
	}
	for i := range uint64(others) {
		add(i+heavy, i)
		if i%4 == 0 {
			add(i/4%heavy, i)
		}
	}
	for _, d := range list.Top(heavy) {
		require.Less(t, len(d.Key), 3, "%s is not heavy", d.Key)
		count := float64(d.Count)
		require.LessOrEqual(t, count, each*1.3)
		require.GreaterOrEqual(t, count*1.3+7*float64(d.Missed), float64(each))
	}
	require.LessOrEqual(t, list.Size(), 600_000)
	t.Log("bytes:", list.Size(), "missed:", list.Top(1)[0].Missed)
}

func TestTopDistinctBytes(t *testing.T) {
	f := mixture(5000, 20_000, 1.1, true)
	data, err := f.list.MarshalBinary()
	require.NoError(t, err)
	var back sketch.TopDistinct
	require.NoError(t, back.UnmarshalBinary(data))
	again, err := back.MarshalBinary()
	require.NoError(t, err)
	require.Equal(t, data, again)
	require.Equal(t, f.list.Top(100), back.Top(100))
	for i := range data {
		require.Error(t, back.UnmarshalBinary(data[:i:i]))
		if i > 2000 {
			break
		}
	}
	require.Error(t, back.UnmarshalBinary(append(data, 0)))
}

func FuzzTopDistinct(f *testing.F) {
	var list sketch.TopDistinct
	for i := range uint64(50) {
		list.Add(i/40, []byte{byte(i / 40)}, hash64.Mix(i), []byte("sub"), uint32(i))
	}
	data, err := list.MarshalBinary()
	require.NoError(f, err)
	f.Add(data)
	f.Add(list.AppendHead(nil, 1))
	f.Add([]byte{1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		var got, other sketch.TopDistinct
		if got.UnmarshalBinary(data) != nil {
			return
		}
		other.CopyFrom(&list)
		other.Merge(&got)
		other.Add(3, []byte{3}, 4, nil, 5)
		_ = other.Top(3)
		again, err := got.MarshalBinary()
		require.NoError(t, err)
		require.NoError(t, other.UnmarshalBinary(again))
		require.Equal(t, got.Top(10), other.Top(10))
	})
}

func TestTopDistinctDoesNotAllocate(t *testing.T) {
	var list sketch.TopDistinct
	var key [8]byte
	i := uint64(0)
	add := func() {
		for range 10_000 {
			i++
			k := i % 100
			if i%2 == 0 {
				k = i
			}
			key[0], key[1], key[2] = byte(k), byte(k>>8), byte(k>>16)
			list.Add(hash64.Mix(k), key[:], hash64.Mix(i), key[:], 1)
		}
	}
	for range 10 {
		add()
	}
	require.Zero(t, testing.AllocsPerRun(5, add))
}

// TestTopDistinctLongKeys fills a list with keys that leave gaps, which it closes in place.
func TestTopDistinctLongKeys(t *testing.T) {
	var list sketch.TopDistinct
	var key [200]byte
	fill := func() {
		list.Reset()
		for i := range uint64(20_000) {
			h := hash64.Mix(i)
			binary.BigEndian.PutUint64(key[:], h)
			binary.BigEndian.PutUint64(key[len(key)-8:], h)
			list.Add(h, key[:], h, nil, 1)
		}
	}
	fill()
	require.Zero(t, testing.AllocsPerRun(3, fill))
	require.Greater(t, list.Len(), 100)
	for _, d := range list.Top(list.Len()) {
		require.Equal(t, d.Key[:8], d.Key[len(d.Key)-8:])
		require.Len(t, d.Key, len(key))
		require.EqualValues(t, 1, d.Count)
	}
}

// BenchmarkTopDistinct measures pairs of keys that are in the list, or stay out of it. Their hashes
// are at hand.
func BenchmarkTopDistinct(b *testing.B) {
	for _, bb := range []struct {
		name       string
		keys, subs uint64
	}{{"in/exact", 1000, 30}, {"in/registers", 1000, 10_000}, {"out", math.MaxUint64, 10}} {
		b.Run(bb.name, func(b *testing.B) {
			type pair struct {
				hash, sub uint64
				key       [12]byte
			}
			var list sketch.TopDistinct
			var pairs [4096]pair
			for i := range uint64(1_000_000) {
				p := &pairs[i%uint64(len(pairs))]
				k := hash64.Mix(i) % bb.keys
				p.hash, p.sub = hash64.Mix(k), hash64.Mix(hash64.Mix(^i)%bb.subs)
				p.key = [12]byte{byte(k), byte(k >> 8), byte(k >> 16), byte(k >> 24)}
				list.Add(p.hash, p.key[:], p.sub, p.key[:], 1)
			}
			i := 0
			for b.Loop() {
				i++
				p := &pairs[i%len(pairs)]
				list.Add(p.hash, p.key[:], p.sub, p.key[:], 1)
			}
		})
	}
}
