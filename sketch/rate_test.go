package sketch_test

import (
	"encoding"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/sketch"
)

// requireRates compares r with events by second.
func requireRates(t *testing.T, events map[int64]uint64, r *sketch.Rate) {
	t.Helper()
	first, last := int64(math.MaxInt64), int64(math.MinInt64)
	for sec := range events {
		first, last = min(first, sec), max(last, sec)
	}
	var all []uint64
	for sec := first; sec <= last; sec++ {
		all = append(all, events[sec])
		require.Equal(t, events[sec], r.At(sec), "second %d", sec)
	}
	require.Equal(t, len(all), r.Len())
	slices.Sort(all)
	d := r.Over(uint64(len(all)), math.MaxInt64)
	require.Equal(t, uint64(len(all)), d.Count())
	for _, p := range []float64{0.1, 0.5, 0.95, 1} {
		require.Equal(t, all[int(math.Ceil(p*float64(len(all))))-1], d.Quantile(p))
	}
	require.Equal(t, all[len(all)-1], r.Max())
	require.Zero(t, r.At(first-1))
	require.Zero(t, r.At(last+1))
}

func TestRateInAnyOrder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for _, base := range []int64{1_700_000_000, 0, -500} {
		events, r, a, b := make(map[int64]uint64), new(sketch.Rate), new(sketch.Rate), new(sketch.Rate)
		for i := range 3000 {
			sec, n := base+int64(rnd.IntN(2000)), uint64(rnd.IntN(50))
			events[sec] += n
			r.Add(sec, n)
			[]*sketch.Rate{a, b}[i%2].Add(sec, n)
		}
		requireRates(t, events, r)
		a.Merge(b)
		requireRates(t, events, a)
		data, err := r.MarshalBinary()
		require.NoError(t, err)
		var back sketch.Rate
		require.NoError(t, back.UnmarshalBinary(data))
		requireRates(t, events, &back)
		back.Reset()
		require.Zero(t, back.Len())
		require.Zero(t, back.Max())
		back.Add(7, 3)
		requireRates(t, map[int64]uint64{7: 3}, &back)
	}
}

// Beyond 16,384 seconds a rate is an average over wider slots. No event is lost, whichever end the
// rate grows at and however it is merged.
func TestRateWidens(t *testing.T) {
	const day = 86_400
	var forth, back, evens, odds sketch.Rate
	for sec := range int64(day) {
		forth.Add(1001+sec, 8)
		back.Add(1000+day-sec, 8)
		if sec%2 == 0 {
			evens.Add(1001+sec, 8)
		} else {
			odds.Add(1001+sec, 8)
		}
	}
	evens.Merge(&odds)
	short := new(sketch.Rate)
	short.Add(1001, 8)
	short.Merge(&forth)
	for _, r := range []*sketch.Rate{&forth, &back, &evens} {
		require.LessOrEqual(t, r.Len(), 16_384)
		require.Greater(t, r.Len(), 16_384/2)
		require.Equal(t, uint64(8), r.Over(day, 1001+day).Quantile(0.5))
		require.InDelta(t, day, r.Over(day, 1001+day).Count(), 16)
		require.Equal(t, uint64(8), r.Max())
		require.Equal(t, uint64(8), r.At(1000+day/2))
	}
	require.Equal(t, uint64(8), short.Over(day, 1001+day).Quantile(0.5), "a rate with narrow slots takes one with wide ones")
}

func TestRateFarApart(t *testing.T) {
	var r sketch.Rate
	r.Add(math.MaxInt64, 1)
	r.Add(math.MinInt64, 1)
	r.Add(0, 1<<40)
	require.LessOrEqual(t, r.Len(), 16_384)
	require.NotZero(t, r.At(0))
}

// Every second counts, including the silent ones at both ends.
func TestRateOver(t *testing.T) {
	var r sketch.Rate
	r.Add(120, 140)
	r.Add(150, 280)
	r.Add(180, 1000) // the current second
	d := r.Over(60, 180)
	require.Equal(t, []uint64{60, 420}, []uint64{d.Count(), d.Total()})
	for p, want := range map[float64]uint64{0: 0, 0.5: 0, 0.95: 0, 58.0 / 60: 0, 59.0 / 60: 140, 0.99: 280, 1: 280} {
		require.Equal(t, want, d.Quantile(p), "%v", p)
	}
	require.Equal(t, uint64(3), r.Over(1, 200).Count(), "never fewer seconds than there are with events")

	var none sketch.Rate
	require.Equal(t, uint64(60), none.Over(60, 180).Count())
	require.Zero(t, none.Over(60, 180).Quantile(0.99))
	require.Zero(t, none.Over(0, 0).Count())
	require.Zero(t, none.Over(0, 0).Quantile(0.5))
}

// An event outside the time of the rate counts in the current second and does not extend the rate.
func TestRateWithin(t *testing.T) {
	var r, other sketch.Rate
	minute := sketch.Seconds{First: 60, End: 120, Now: 90}
	r.Within(&minute)
	for _, sec := range []int64{1, 59, 120, 4_000_000_000, math.MinInt64, math.MaxInt64} {
		r.Add(sec, 1)
	}
	require.Equal(t, uint64(6), r.At(90))
	require.Equal(t, 1, r.Len())
	minute.Now = 130 // a clock that is ahead
	r.Add(1, 1)
	require.Equal(t, uint64(1), r.At(119))

	other.CopyFrom(&r)
	other.Merge(&r)
	other.Add(1, 5)
	require.Equal(t, uint64(5), other.At(1), "the bound is not copied")
	r.Reset()
	r.Add(1, 1)
	require.Equal(t, uint64(1), r.At(119), "and survives a reset")
	minute = sketch.Seconds{}
	r.Add(1, 1)
	require.Equal(t, uint64(1), r.At(1), "the zero Seconds is all of time")
}

func TestRateHistogramBadBytes(t *testing.T) {
	for _, data := range [][]byte{nil, {0, 0, 0}, {1, 41, 0}, {1, 0, 0x80}, {1, 0, 0, 0x80}, {1, 2, 0}} {
		r := new(sketch.Rate)
		r.Add(5, 5)
		if r.UnmarshalBinary(data) == nil {
			require.Equal(t, byte(2), data[1], "% x", data)
			continue
		}
		require.Equal(t, uint64(5), r.At(5))
	}
	for _, data := range [][]byte{nil, {0, 0}, {1, 2}, {1, 0, 5}, {1, 0, 0xFF, 0x7F, 1}, {1, 0, 1, 0}} {
		require.ErrorContains(t, new(sketch.Histogram).UnmarshalBinary(data), "not a histogram", "% x", data)
	}
}

func FuzzRate(f *testing.F) {
	var r sketch.Rate
	r.Add(100, 3)
	r.Add(90_000, 3)
	data, err := r.MarshalBinary()
	require.NoError(f, err)
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		var r, sum sketch.Rate
		if r.UnmarshalBinary(data) != nil {
			return
		}
		sum.Add(50, 1)
		sum.Merge(&r)
		require.LessOrEqual(t, sum.Len(), 16_384)
	})
}

func BenchmarkRate(b *testing.B) {
	var r sketch.Rate
	i := int64(0)
	for b.Loop() {
		r.Add(i>>10, 1)
		i++
	}
}

func ExampleRate() {
	var r sketch.Rate
	for _, sec := range []int64{10, 10, 10, 11, 13} {
		r.Add(sec, 1)
	}
	minute := r.Over(60, -1)
	fmt.Println(r.Max(), r.At(12), minute.Quantile(0.5), minute.Quantile(0.99), minute.Count(), minute.Total())
	// Output: 3 0 0 3 60 5
}

// The methods that all sketches share, so that a bucket of them can be marshaled.
var _ = []interface {
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
	Reset()
}{
	new(sketch.Counter), new(sketch.Rate), new(sketch.Cardinality), new(sketch.Quantile), new(sketch.Histogram),
	new(sketch.TopK[uint32]), new(sketch.TopNames), new(sketch.TopCounts[uint16]),
}

// Slots has every event once, in order, also after the slots became wider.
func TestRateSlots(t *testing.T) {
	for _, seconds := range []int64{1, 100, 100_000} {
		var r sketch.Rate
		for sec := range seconds {
			r.Add(1_000+sec, 2)
		}
		sum, next := uint64(0), int64(0)
		for sec, n := range r.Slots() {
			require.GreaterOrEqual(t, sec, next)
			require.Zero(t, sec%r.Width())
			sum, next = sum+n, sec+r.Width()
		}
		require.Equal(t, uint64(2*seconds), sum)
	}
}
