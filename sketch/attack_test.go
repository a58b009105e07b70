package sketch_test

import (
	"bytes"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/sketch"
)

// TestOneHash: names with the same hash are distinguished. A list holds four of them and counts the
// others as refused.
func TestOneHash(t *testing.T) {
	const h = 77
	var list, other sketch.TopNames
	list.Add(h, []byte("www.google.com"), 1000)
	for i := range 100_000 {
		list.Add(h, fmt.Appendf(nil, "%d.attacker.example", i), 1)
	}
	other.Add(h, []byte("www.google.com"), 10)
	other.Add(h, []byte("another.example"), 5)
	list.Merge(&other)
	top := list.Top(math.MaxInt)
	require.Len(t, top, 4)
	require.Equal(t, "www.google.com", string(top[0].Key))
	require.Equal(t, []uint64{1010, 1010}, []uint64{top[0].Lower, top[0].Upper})
	require.Equal(t, uint64(101_015), list.Total())
	require.Equal(t, uint64(100_000-3+5), list.Refused())

	var numbers sketch.TopK[uint32]
	for i := range uint32(100) {
		numbers.Add(h, i, uint64(i)+1)
		numbers.Add(h, i, 1)
	}
	require.Equal(t, 4, numbers.Len())
	for _, e := range numbers.Top(4, func(a, b uint32) int { return int(a) - int(b) }) {
		require.Equal(t, uint64(e.Key)+2, e.Lower)
	}
	data, err := list.MarshalBinary()
	require.NoError(t, err)
	var back sketch.TopNames
	require.NoError(t, back.UnmarshalBinary(data))
	require.Len(t, back.Top(math.MaxInt), 4)
}

// cost returns the shortest time that f takes.
func cost(f func()) time.Duration {
	least := time.Duration(math.MaxInt64)
	for range 7 {
		start := time.Now()
		f()
		least = min(least, time.Since(start))
	}
	return least
}

// TestSharedSlots: hashes that differ only in the highest or only in the lowest bits cost as much
// as others. Without a secret they shared one slot, and cost hundreds of times as much.
func TestSharedSlots(t *testing.T) {
	const n = sketch.DefaultCapacity - 1
	add := func(hash func(i uint64) uint64) func() {
		return func() {
			var list sketch.TopK[uint64]
			var card sketch.Cardinality
			for i := range uint64(n) {
				list.Add(hash(i), i, 1)
				if i < 2000 {
					card.Add(hash(i))
				}
			}
		}
	}
	ordinary := cost(add(func(i uint64) uint64 { return hash(uint32(i)) }))
	for name, shape := range map[string]func(i uint64) uint64{
		"low bits alike":  func(i uint64) uint64 { return (i+1)<<40 | 77 },
		"high bits alike": func(i uint64) uint64 { return 77<<40 | i },
		"few bits":        func(i uint64) uint64 { return (i+1)<<20 | 77<<50 },
	} {
		require.Less(t, cost(add(shape)), 10*ordinary, name)
	}
}

// TestEqualBytes: lists of the same keys and counts marshal to the same bytes, whatever their
// slots.
func TestEqualBytes(t *testing.T) {
	list := func(first, step int) []byte {
		var l sketch.TopNames
		for i := range 1000 {
			k := (first + i*step) % 1000
			l.Add(hash(uint32(k)), fmt.Appendf(nil, "name-%d", k), uint64(k+1))
		}
		b, err := l.MarshalBinary()
		require.NoError(t, err)
		return b
	}
	require.True(t, bytes.Equal(list(0, 1), list(500, 7)))
}

// TestMergeOrder: lists that overflow have the same merged result in each run, though their slots
// differ.
func TestMergeOrder(t *testing.T) {
	merged := func() []byte {
		keys, _ := zipf(100_000, 200_000, 1.1)
		var whole sketch.TopK[uint32]
		for i := range 4 {
			var part sketch.TopK[uint32]
			addAll(&part, keys[i*50_000:(i+1)*50_000])
			whole.Merge(&part)
		}
		require.Positive(t, whole.Error())
		b, err := whole.MarshalBinary()
		require.NoError(t, err)
		return b
	}
	require.True(t, bytes.Equal(merged(), merged()))
}
