package benchmarks

import (
	"math"
	"math/rand/v2"
	"sort"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/handler"
	"visor/sketch"
	"visor/sketch/hash64"
)

// TestMergeError measures a day that is merged from lists cut to 256 entries: 60 minutes to an
// hour, and 24 hours to the day. The counts of all entries must be within their bounds. -v prints
// the errors; they are in results/merge-error.txt.
func TestMergeError(t *testing.T) {
	if testing.Short() {
		t.Skip("counts 43 million names")
	}
	for _, s := range []float64{1.0, 0.8} {
		day, exact := mergedDay(s)
		truth := func(e sketch.Entry[[]byte]) uint64 { n, _ := strconv.Atoi(string(e.Key)); return exact[n] }
		top := day.Top(256)
		most := uint64(0)
		for _, e := range top {
			require.LessOrEqual(t, e.Lower, truth(e))
			require.GreaterOrEqual(t, e.Upper, truth(e))
		}
		for _, e := range top[:10] {
			most = max(most, truth(e)-e.Lower)
		}
		order := append([]uint64(nil), exact...)
		sort.Slice(order, func(i, k int) bool { return order[i] > order[k] })
		found := func(n int) (hits int) {
			for _, e := range top[:n] {
				if truth(e) >= order[n-1] {
					hits++
				}
			}
			return hits
		}
		total := float64(day.Total())
		t.Logf("Zipf %.1f: error %.3f %% of the total; heaviest name %.3f %%, 10th %.3f %%, 100th %.3f %%; Lower of the first ten is short by %.4f %% at most; found %d of 10, %d of 100",
			s, 100*float64(day.Error())/total, 100*float64(order[0])/total, 100*float64(order[9])/total, 100*float64(order[99])/total,
			100*float64(most)/total, found(10), found(100))
		require.Equal(t, 10, found(10))
	}
}

const (
	mergedNames = 100_000
	perMinute   = 30_000
)

// mergedDay returns the merged list of a day and the exact counts. Names follow Zipf's law with
// exponent s.
func mergedDay(s float64) (day *sketch.TopNames, exact []uint64) {
	draw, hash := zipf(s), hash64.Fixed()
	day, exact = new(sketch.TopNames), make([]uint64, mergedNames)
	cut := func(from *sketch.TopNames) *sketch.TopNames {
		out := new(sketch.TopNames)
		out.SetHead(from.Head(handler.DefaultEntries), hash.Sum)
		return out
	}
	for range 24 {
		hour := new(sketch.TopNames)
		for range 60 {
			minute := new(sketch.TopNames)
			for range perMinute {
				n := draw()
				exact[n]++
				name := strconv.AppendInt(nil, int64(n), 10)
				minute.Add(hash.Sum(name), name, 1)
			}
			hour.Merge(cut(minute))
		}
		day.Merge(cut(hour))
	}
	return day, exact
}

// zipf returns a function that draws names by Zipf's law, by bisection of the distribution.
func zipf(s float64) func() int {
	sums, sum := make([]float64, mergedNames), 0.0
	for i := range sums {
		sum += 1 / math.Pow(float64(i+1), s)
		sums[i] = sum
	}
	r := rand.New(rand.NewPCG(1, 2))
	return func() int { return sort.SearchFloat64s(sums, r.Float64()*sum) }
}
