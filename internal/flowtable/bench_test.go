package flowtable_test

import (
	"strconv"
	"testing"

	"visor/internal/flowtable"
	"visor/sketch/hash64"
)

// A query and its reply, with others in between.
func BenchmarkPutTake(b *testing.B) {
	for _, inFlight := range []uint64{64, 4096, 60000} {
		b.Run(strconv.FormatUint(inFlight, 10), func(b *testing.B) {
			tab := flowtable.New[value](flowtable.Config{TTL: 5e9})
			b.ReportAllocs()
			i := uint64(0)
			for b.Loop() {
				v := tab.Put(hash64.Mix(i), int64(i))
				v.a = i
				tab.Take(hash64.Mix(i - inFlight))
				i++
			}
		})
	}
}

func BenchmarkPutFull(b *testing.B) {
	tab := flowtable.New[value](flowtable.Config{Capacity: 1 << 14, TTL: 5e9})
	b.ReportAllocs()
	i := uint64(0)
	for b.Loop() {
		tab.Put(hash64.Mix(i), int64(i))
		i++
	}
}

func BenchmarkGet(b *testing.B) {
	tab := flowtable.New[value](flowtable.Config{})
	for i := range uint64(4096) {
		tab.Put(hash64.Mix(i), 0)
	}
	i := uint64(0)
	for b.Loop() {
		tab.Get(hash64.Mix(i & 4095))
		i++
	}
}

func BenchmarkExpireSlot(b *testing.B) {
	tab := flowtable.New[value](flowtable.Config{TTL: 1 << 40})
	for i := range uint64(40000) {
		tab.Put(hash64.Mix(i), 0)
	}
	for b.Loop() {
		tab.Expire(1<<40 - 1)
		tab.Put(0, -1) // expires at once: no call is answered without a look
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(tab.Slots()), "ns/slot")
}
