package sketch_test

import (
	"bytes"
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/internal/racetest"
	"visor/sketch"
	"visor/sketch/hash64"
)

// zipf draws n keys and returns them with the true counts. Key k has a probability in proportion to
// 1/(k+1)^s.
func zipf(distinct, n int, s float64) (keys []uint32, truth map[uint32]uint64) {
	sums := make([]float64, distinct)
	sum := 0.0
	for k := range sums {
		sum += 1 / math.Pow(float64(k+1), s)
		sums[k] = sum
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	keys, truth = make([]uint32, n), make(map[uint32]uint64)
	for i := range keys {
		k, _ := slices.BinarySearch(sums, rnd.Float64()*sum)
		keys[i] = uint32(k)
		truth[uint32(k)]++
	}
	return keys, truth
}

func hash(key uint32) uint64 { return hash64.Mix(uint64(key)) }

func addAll(list *sketch.TopK[uint32], keys []uint32) {
	for _, k := range keys {
		list.Add(hash(k), k, 1)
	}
}

// trueTop returns the n keys with the highest counts.
func trueTop(truth map[uint32]uint64, n int) []uint32 {
	var keys []uint32
	for k := range truth {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b uint32) int { return cmp.Or(cmp.Compare(truth[b], truth[a]), cmp.Compare(a, b)) })
	return keys[:n]
}

// requireBounds checks every entry, and every missing key, against the true counts.
func requireBounds(t *testing.T, list *sketch.TopK[uint32], truth map[uint32]uint64) {
	t.Helper()
	found := make(map[uint32]bool)
	for _, e := range list.Top(math.MaxInt, cmp.Compare[uint32]) {
		found[e.Key] = true
		require.LessOrEqual(t, e.Lower, truth[e.Key], "key %d", e.Key)
		require.GreaterOrEqual(t, e.Upper, truth[e.Key], "key %d", e.Key)
		require.Equal(t, list.Error(), e.Upper-e.Lower)
	}
	for k, n := range truth {
		if !found[k] {
			require.LessOrEqual(t, n, list.Error(), "key %d is missing", k)
		}
	}
}

func topKeys(list *sketch.TopK[uint32], n int) (keys []uint32) {
	for _, e := range list.Top(n, cmp.Compare[uint32]) {
		keys = append(keys, e.Key)
	}
	return keys
}

func TestTopKIsExactWithinCapacity(t *testing.T) {
	var list sketch.TopK[uint32]
	truth := make(map[uint32]uint64)
	for i := range 20 * sketch.DefaultCapacity {
		k := uint32(i*i) % sketch.DefaultCapacity
		n := uint64(i%3 + 1)
		list.Add(hash(k), k, n)
		truth[k] += n
	}
	require.Zero(t, list.Error())
	require.Equal(t, len(truth), list.Len())
	for _, e := range list.Top(math.MaxInt, cmp.Compare[uint32]) {
		require.Equal(t, truth[e.Key], e.Lower)
		require.Equal(t, truth[e.Key], e.Upper)
	}
	require.Equal(t, trueTop(truth, 50), topKeys(&list, 50))
}

// For a million keys in a list of six thousand, the ten heaviest are found in order and all bounds
// hold. The same is true for 64 merged parts.
func TestTopKRecallOnZipf(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out long streams")
	}
	keys, truth := zipf(1_000_000, 3_000_000, 1.1)
	for _, parts := range []int{1, 64} {
		var whole sketch.TopK[uint32]
		for i := range parts {
			var part sketch.TopK[uint32]
			addAll(&part, keys[len(keys)*i/parts:len(keys)*(i+1)/parts])
			whole.Merge(&part)
		}
		require.Equal(t, trueTop(truth, 10), topKeys(&whole, 10), "%d parts", parts)
		require.Equal(t, uint64(len(keys)), whole.Total())
		require.LessOrEqual(t, whole.Error(), uint64(float64(len(keys))/(0.4*sketch.DefaultCapacity)), "%d parts", parts)
		requireBounds(t, &whole, truth)
	}
}

func TestTopKTiesAreOrderedByKey(t *testing.T) {
	var forth, back sketch.TopK[uint32]
	for i := range uint32(100) {
		forth.Add(hash(i), i, 7)
		back.Add(hash(99-i), 99-i, 7)
	}
	require.Equal(t, []uint32{0, 1, 2, 3, 4}, topKeys(&forth, 5))
	require.Equal(t, forth.Top(100, cmp.Compare[uint32]), back.Top(100, cmp.Compare[uint32]))
	require.Empty(t, forth.Top(0, cmp.Compare[uint32]))
	require.Empty(t, forth.Top(-1, cmp.Compare[uint32]))
}

func TestTopKHashZero(t *testing.T) {
	var list sketch.TopK[uint32]
	list.Add(0, 5, 2)
	list.Add(0, 5, 3)
	list.Add(9, 6, 0)
	require.Equal(t, []sketch.Entry[uint32]{{Key: 5, Lower: 5, Upper: 5}}, list.Top(10, cmp.Compare[uint32]))
}

func TestTopKSmallCapacity(t *testing.T) {
	for _, capacity := range []int{1, 2, 3, 10} {
		list := sketch.NewTopK[uint32](capacity)
		keys, truth := zipf(1000, 10_000, 1)
		addAll(list, keys)
		require.LessOrEqual(t, list.Len(), capacity)
		requireBounds(t, list, truth)
	}
}

func TestTopKReset(t *testing.T) {
	keys, truth := zipf(100_000, 50_000, 1)
	var list, fresh sketch.TopK[uint32]
	addAll(&list, keys)
	list.Reset()
	require.Zero(t, list.Len())
	require.Zero(t, list.Total())
	require.Zero(t, list.Error())
	addAll(&list, keys)
	addAll(&fresh, keys)
	require.Equal(t, fresh.Top(100, cmp.Compare[uint32]), list.Top(100, cmp.Compare[uint32]))
	requireBounds(t, &list, truth)
}

func TestTopKBinary(t *testing.T) {
	for _, n := range []int{0, 1, 1000, 100_000} {
		keys, truth := zipf(50_000, n, 1)
		list := sketch.NewTopK[uint32](2000)
		addAll(list, keys)
		data, err := list.MarshalBinary()
		require.NoError(t, err)
		var back sketch.TopK[uint32]
		require.NoError(t, back.UnmarshalBinary(data))
		require.Equal(t, list.Top(3000, cmp.Compare[uint32]), back.Top(3000, cmp.Compare[uint32]))
		require.Equal(t, list.Total(), back.Total())
		back.Merge(list)
		for k := range truth {
			truth[k] *= 2
		}
		requireBounds(t, &back, truth)
		if len(data) > 6 {
			require.ErrorContains(t, new(sketch.TopK[uint32]).UnmarshalBinary(data[:len(data)-1]), "not a list")
			require.ErrorContains(t, new(sketch.TopK[uint32]).UnmarshalBinary(append(data, 0)), "not a list")
		}
	}
}

func TestTopNames(t *testing.T) {
	var list sketch.TopNames
	keys, truth := zipf(200_000, 500_000, 1.1)
	name := make([]byte, 0, 64)
	for _, k := range keys {
		name = strconv.AppendInt(append(name[:0], "host-"...), int64(k), 10)
		list.Add(fixed.Sum(name), name, 1)
	}
	clear(name[:cap(name)]) // the list has copies
	var got []uint32
	for _, e := range list.Top(10) {
		n, err := strconv.Atoi(string(bytes.TrimPrefix(e.Key, []byte("host-"))))
		require.NoError(t, err)
		got = append(got, uint32(n))
		require.LessOrEqual(t, e.Lower, truth[uint32(n)])
		require.GreaterOrEqual(t, e.Upper, truth[uint32(n)])
	}
	require.Equal(t, trueTop(truth, 10), got)

	data, err := list.MarshalBinary()
	require.NoError(t, err)
	var back, sum sketch.TopNames
	require.NoError(t, back.UnmarshalBinary(data))
	require.Equal(t, list.Top(10_000), back.Top(10_000))
	sum.Merge(&list)
	sum.Merge(&back)
	require.Equal(t, 2*list.Total(), sum.Total())
	require.Equal(t, list.Top(1)[0].Key, sum.Top(1)[0].Key)
	require.Equal(t, 2*list.Top(1)[0].Lower, sum.Top(1)[0].Lower)

	list.Reset()
	require.Empty(t, list.Top(10))
	list.Add(1, []byte("a"), 4)
	list.Add(2, nil, 4)
	require.Equal(t, []sketch.Entry[[]byte]{{Key: []byte{}, Lower: 4, Upper: 4}, {Key: []byte("a"), Lower: 4, Upper: 4}}, list.Top(10))
}

func TestTopCounts(t *testing.T) {
	var a, b sketch.TopCounts[uint16]
	for i := range 1 << 16 {
		a.Add(uint16(i), uint64(i%10))
	}
	a.Add(443, 1e12)
	require.Equal(t, []sketch.Entry[uint16]{{443, 1e12 + 3, 1e12 + 3}, {9, 9, 9}, {19, 9, 9}}, a.Top(3))
	data, err := a.MarshalBinary()
	require.NoError(t, err)
	require.NoError(t, b.UnmarshalBinary(data))
	require.Equal(t, a.Top(1<<16), b.Top(1<<16))
	require.Equal(t, a.Total(), b.Total())
	b.Merge(&a)
	require.Equal(t, 2*a.Total(), b.Total())
	require.Equal(t, a.Len(), b.Len())
	b.Reset()
	require.Empty(t, b.Top(10))
	for _, bad := range [][]byte{nil, {0}, {1, 5}, {1, 5, 0}, {1, 5, 1, 0, 1}, {1, 0xFF, 0xFF, 0x03, 1, 1, 1}, {1, 0x80}} {
		require.ErrorContains(t, b.UnmarshalBinary(bad), "not a list", "% x", bad)
	}
}

func TestListsDoNotAllocate(t *testing.T) {
	keys, _ := zipf(100_000, 200_000, 1)
	var list sketch.TopK[uint32]
	var names sketch.TopNames
	var counts sketch.TopCounts[uint16]
	name := make([]byte, 4)
	add := func() {
		for _, k := range keys {
			list.Add(hash(k), k, 1)
			counts.Add(uint16(k), 1)
			name[0], name[1], name[2], name[3] = byte(k), byte(k>>8), byte(k>>16), 'x'
			names.Add(hash(k), name, 1)
		}
	}
	add()
	require.Zero(t, testing.AllocsPerRun(3, add))
	require.Zero(t, testing.AllocsPerRun(3, func() {
		list.Reset()
		names.Reset()
		counts.Reset()
		add()
	}))
}

func FuzzLists(f *testing.F) {
	var list sketch.TopK[uint32]
	var names sketch.TopNames
	var counts sketch.TopCounts[uint16]
	for i := range uint32(20) {
		list.Add(hash(i), i, uint64(i+1))
		names.Add(hash(i), []byte(strconv.Itoa(int(i))), uint64(i+1))
		counts.Add(uint16(i*999), uint64(i+1))
	}
	for _, m := range []interface{ MarshalBinary() ([]byte, error) }{&list, &names, &counts} {
		data, err := m.MarshalBinary()
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var list sketch.TopK[uint32]
		if list.UnmarshalBinary(data) == nil {
			require.LessOrEqual(t, uint64(list.Len()), list.Total())
			list.Add(7, 7, 1)
		}
		var names sketch.TopNames
		if names.UnmarshalBinary(data) == nil {
			require.LessOrEqual(t, len(names.Top(1)), 1)
			names.Add(7, []byte("seven"), 1)
		}
		var counts sketch.TopCounts[uint16]
		if counts.UnmarshalBinary(data) == nil {
			again, err := counts.MarshalBinary()
			require.NoError(t, err)
			var back sketch.TopCounts[uint16]
			require.NoError(t, back.UnmarshalBinary(again))
			require.Equal(t, counts.Top(100), back.Top(100))
		}
	})
}

func BenchmarkTopK(b *testing.B) {
	keys, _ := zipf(100_000, 1<<16, 1.1)
	b.Run("zipf", func(b *testing.B) {
		var list sketch.TopK[uint32]
		i := 0
		for b.Loop() {
			k := keys[i&(1<<16-1)]
			list.Add(hash(k), k, 1)
			i++
		}
	})
	b.Run("all-distinct", func(b *testing.B) {
		var list sketch.TopK[uint32]
		k := uint32(0)
		for b.Loop() {
			list.Add(hash(k), k, 1)
			k++
		}
	})
}

func BenchmarkTopNames(b *testing.B) {
	keys, _ := zipf(100_000, 1<<16, 1.1)
	var list sketch.TopNames
	name := []byte("....www.example.com")
	i := 0
	for b.Loop() {
		k := keys[i&(1<<16-1)]
		name[0], name[1], name[2] = byte(k), byte(k>>8), byte(k>>16)
		list.Add(hash(k), name, 1)
		i++
	}
}

func BenchmarkTopCounts(b *testing.B) {
	var list sketch.TopCounts[uint16]
	i := uint64(0)
	for b.Loop() {
		list.Add(uint16(hash64.Mix(i)), 1)
		i++
	}
}

// TestAddAll: a batch of any length counts like its parts, also in a list that is full.
func TestAddAll(t *testing.T) {
	keys, _ := zipf(30_000, 100_000, 1)
	var one, all sketch.TopNames
	var batch []sketch.NameCount
	for i, k := range keys {
		n := sketch.NameCount{Hash: hash(k), Name: strconv.AppendUint(nil, uint64(k), 10), Count: uint64(i % 3)}
		one.Add(n.Hash, n.Name, n.Count)
		if batch = append(batch, n); i%777 == 0 || i == len(keys)-1 {
			all.AddAll(batch)
			batch = batch[:0]
		}
	}
	require.Equal(t, one.Top(100), all.Top(100))
	require.Equal(t, one.Total(), all.Total())
	require.Equal(t, one.Error(), all.Error())
}

// TestTopCountsHigh counts to the end of a counter's parts.
func TestTopCountsHigh(t *testing.T) {
	var a, b sketch.TopCounts[uint16]
	want := uint64(0)
	for _, n := range []uint64{1, 0xFFFE, 1, 1, 0xFFFF, 0xFFFF, 0x1_0000, 1 << 40, 1<<63 - 1, 5} {
		a.Add(9, n)
		want += n
		require.Equal(t, []sketch.Entry[uint16]{{Key: 9, Lower: want, Upper: want}}, a.Top(2))
		require.Equal(t, want, a.Total())
	}
	b.CopyFrom(&a)
	a.Add(9, 1<<63)
	require.Equal(t, uint64(math.MaxUint64), a.Total())
	require.Equal(t, want, b.Total())
	b.Reset()
	b.Add(9, 1)
	require.Equal(t, uint64(1), b.Total())
}
