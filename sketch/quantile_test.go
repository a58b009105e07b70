package sketch_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/sketch"
)

// samplers are distributions of what analyzers measure: microseconds, bytes or ratios.
var samplers = map[string]func(*rand.Rand) float64{
	"uniform":     func(r *rand.Rand) float64 { return 1e6 * r.Float64() },
	"whole":       func(r *rand.Rand) float64 { return float64(r.IntN(1500)) },
	"exponential": func(r *rand.Rand) float64 { return 2e4 * r.ExpFloat64() },
	"log-normal":  func(r *rand.Rand) float64 { return math.Exp(8 + 2*r.NormFloat64()) },
	"narrow":      func(r *rand.Rand) float64 { return 1e6 + 1e4*r.NormFloat64() },
	"ratio":       func(r *rand.Rand) float64 { return float64(40+r.IntN(4000)) / float64(40+r.IntN(60)) },
	"bimodal": func(r *rand.Rand) float64 {
		if r.IntN(10) < 7 {
			return math.Abs(300 + 40*r.NormFloat64())
		}
		return math.Abs(90_000 + 9000*r.NormFloat64())
	},
}

func draw(name string, n int) []float64 {
	rnd := rand.New(rand.NewPCG(3, 4))
	out := make([]float64, n)
	for i := range out {
		out[i] = samplers[name](rnd)
	}
	return out
}

func quantileOf(samples []float64) *sketch.Quantile {
	q := new(sketch.Quantile)
	for _, v := range samples {
		q.Add(v)
	}
	return q
}

// rankError returns the distance of v from rank p among sorted samples. If v equals several
// samples, it has all their ranks.
func rankError(sorted []float64, v, p float64) float64 {
	below, _ := slices.BinarySearch(sorted, v)
	upTo, _ := slices.BinarySearch(sorted, math.Nextafter(v, math.Inf(1)))
	n := float64(len(sorted))
	return max(0, float64(below)/n-p, p-float64(upTo)/n)
}

// The rank is within 1 per cent at the median and 0.2 at the 99th percentile, and the value within
// 0.2 per cent. That holds for one sketch, for 64 merged ones, and for 64 that were marshaled.
func TestQuantileError(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out long streams")
	}
	const n = 200_000
	for name := range samplers {
		samples := draw(name, n)
		sketches := map[string]*sketch.Quantile{"one": quantileOf(samples), "merged": {}, "from bytes": {}}
		for i := range 64 {
			part := quantileOf(samples[n*i/64 : n*(i+1)/64])
			sketches["merged"].Merge(part)
			data, err := part.MarshalBinary()
			require.NoError(t, err)
			var back sketch.Quantile
			require.NoError(t, back.UnmarshalBinary(data))
			sketches["from bytes"].Merge(&back)
		}
		sorted := slices.Sorted(slices.Values(samples))
		for what, q := range sketches {
			require.Equal(t, uint64(n), q.Count())
			require.Equal(t, sorted[n-1], q.Max(), name)
			require.Equal(t, sorted[0], q.Min(), name)
			require.Less(t, rankError(sorted, q.Quantile(0.5), 0.5), 0.01, "%s, %s: p50", name, what)
			require.Less(t, rankError(sorted, q.Quantile(0.99), 0.99), 0.002, "%s, %s: p99", name, what)
			for _, p := range []float64{0.01, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999} {
				require.InEpsilon(t, 1+sorted[int(math.Ceil(p*n))-1], 1+q.Quantile(p), 0.0021, "%s, %s: value at %v", name, what, p)
				require.Equal(t, sketches["one"].Quantile(p), q.Quantile(p), "%s, %s: merging loses nothing", name, what)
			}
		}
	}
}

// Coarse bytes are within 0.8 per cent, also when they are merged with others. They travel on
// without further loss.
func TestQuantileCoarse(t *testing.T) {
	const n = 100_000
	for name := range samplers {
		samples := draw(name, n)
		one, fine, merged := quantileOf(samples), quantileOf(samples[:n/2]), new(sketch.Quantile)
		merged.Merge(fine)
		for _, part := range [][]float64{samples[n/2 : n/4*3], samples[n/4*3:]} {
			data := quantileOf(part).AppendCoarse(nil)
			var back sketch.Quantile
			require.NoError(t, back.UnmarshalBinary(data))
			again, err := back.MarshalBinary()
			require.NoError(t, err)
			require.Equal(t, data, again)
			merged.Merge(&back)
		}
		require.Equal(t, one.Count(), merged.Count())
		require.Equal(t, one.Sum(), merged.Sum())
		sorted := slices.Sorted(slices.Values(samples))
		for _, p := range []float64{0, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 1} {
			require.InEpsilon(t, 1+sorted[max(int(math.Ceil(p*n)), 1)-1], 1+merged.Quantile(p), 0.0081, "%s: value at %v", name, p)
		}
		total := uint64(0)
		for _, n := range merged.Bins {
			total += n
		}
		require.Equal(t, one.Count(), total)
	}
	few := quantileOf([]float64{1, 2, 3})
	exact, err := few.MarshalBinary()
	require.NoError(t, err)
	require.Equal(t, exact, few.AppendCoarse(nil))
}

func TestQuantileIsExactForFewSamples(t *testing.T) {
	samples := draw("log-normal", 256)
	q := quantileOf(samples)
	slices.Sort(samples)
	for i := range samples {
		require.Equal(t, samples[i], q.Quantile(float64(i+1)/256))
	}
	require.Equal(t, samples[0], q.Quantile(0))
	require.Equal(t, samples[255], q.Quantile(1))
	require.Zero(t, new(sketch.Quantile).Quantile(0.5))
}

func TestQuantileWholeNumbers(t *testing.T) {
	q := new(sketch.Quantile)
	for v := range 1024 {
		q.Add(float64(v))
	}
	for v := range 1024 {
		require.Equal(t, float64(v), q.Quantile(float64(v+1)/1024))
	}
	q.Add(5000)
	q.Add(5001)
	require.Equal(t, math.Trunc(q.Quantile(0.9995)), q.Quantile(0.9995))
}

// TestQuantileAddN adds samples one by one, and with their number, around the capacity of the exact
// form.
func TestQuantileAddN(t *testing.T) {
	for _, n := range []uint64{0, 1, 255, 256, 257, 10_000} {
		for _, v := range []float64{7, 0.5, -3, 1 << 50, math.NaN()} {
			for _, before := range []int{0, 1, 255, 256, 300} {
				var one, many sketch.Quantile
				for i := range before {
					one.Add(float64(i))
					many.Add(float64(i))
				}
				for range n {
					one.Add(v)
				}
				many.AddN(v, n)
				require.Equal(t, bytesOf(t, &one), bytesOf(t, &many), "%d samples %v after %d", n, v, before)
			}
		}
	}
	var q sketch.Quantile
	q.AddN(math.MaxFloat64, math.MaxUint64)
	q.AddN(1, math.MaxUint64)
	require.Equal(t, uint64(math.MaxUint64), q.Count(), "the greatest count stays")
}

func bytesOf(t *testing.T, q *sketch.Quantile) []byte {
	data, err := q.MarshalBinary()
	require.NoError(t, err)
	return data
}

func TestQuantileEnds(t *testing.T) {
	q := new(sketch.Quantile)
	for range 200 {
		for _, v := range []float64{-5, 0, 1e-9, 1, 1e300, math.Inf(1), math.NaN()} {
			q.Add(v)
		}
	}
	require.Equal(t, uint64(1200), q.Count())
	require.Equal(t, -5.0, q.Quantile(0.2))
	require.Equal(t, -5.0, q.Quantile(0.5), "below the bins: the least")
	require.InEpsilon(t, 1.0, q.Quantile(0.6), 0.002)
	require.Equal(t, math.Inf(1), q.Quantile(0.7), "above the bins: the greatest")
	data, err := q.MarshalBinary()
	require.NoError(t, err)
	var back sketch.Quantile
	require.NoError(t, back.UnmarshalBinary(data))
	require.Equal(t, q.Quantile(0.6), back.Quantile(0.6))
	require.Equal(t, q.Count(), back.Count())
}

// TestQuantileBeyond asks for ranks that do not exist.
func TestQuantileBeyond(t *testing.T) {
	var few, many sketch.Quantile
	var rate sketch.Rate
	for i := range 1000 {
		many.Add(float64(i))
		rate.Add(int64(i), uint64(i+1))
	}
	few.Add(3)
	few.Add(5)
	for _, q := range []*sketch.Quantile{&few, &many} {
		require.Equal(t, q.Min(), q.Quantile(-1))
		require.Equal(t, q.Max(), q.Quantile(99))
		require.Zero(t, q.Quantile(math.NaN()))
	}
	seconds := rate.Over(1000, math.MaxInt64)
	require.EqualValues(t, 1, seconds.Quantile(-1))
	require.EqualValues(t, 1000, seconds.Quantile(99))
}

func TestQuantileResetAndAllocations(t *testing.T) {
	samples := draw("exponential", 5000)
	q := quantileOf(samples)
	want := q.Quantile(0.9)
	require.Zero(t, testing.AllocsPerRun(5, func() {
		q.Reset()
		for _, v := range samples {
			q.Add(v)
		}
	}))
	require.Equal(t, want, q.Quantile(0.9))
	q.Reset()
	require.Zero(t, q.Count())
	require.Zero(t, q.Max())
	q.Add(7)
	require.Equal(t, 7.0, q.Quantile(0.5))
	require.Equal(t, 7.0, q.Min())
}

func TestQuantileBadBytes(t *testing.T) {
	for _, data := range [][]byte{nil, {2}, {1, 0}, {2, 3}, {2, 0, 1, 2}, {2, 1, 0}, make([]byte, 40)} {
		q := quantileOf([]float64{3})
		require.ErrorContains(t, q.UnmarshalBinary(data), "not quantiles", "% x", data)
		require.Equal(t, 3.0, q.Quantile(0.5))
	}
}

func FuzzQuantile(f *testing.F) {
	for _, n := range []int{0, 3, 300} {
		data, err := quantileOf(draw("log-normal", n)).MarshalBinary()
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var q, sum sketch.Quantile
		if q.UnmarshalBinary(data) != nil {
			return
		}
		v := q.Quantile(0.5)
		require.True(t, q.Count() == 0 || q.Min() <= v && v <= q.Max(), "%v from %v to %v", v, q.Min(), q.Max())
		sum.Merge(&q)
		sum.Add(1)
		require.Equal(t, q.Count()+1, sum.Count())
	})
}

func BenchmarkQuantile(b *testing.B) {
	samples := draw("log-normal", 1<<16)
	q := quantileOf(samples)
	i := 0
	for b.Loop() {
		q.Add(samples[i&(1<<16-1)])
		i++
	}
}

func ExampleQuantile() {
	var times sketch.Quantile
	for us := range 10_000 {
		times.Add(float64(us))
	}
	fmt.Println(times.Quantile(0.5), times.Quantile(0.99), times.Max())
	// Output: 4999 9899 9999
}

// A sketch as it was read, its copy in used memory, and one that more samples were added to equal
// the sketches that never travelled.
func TestQuantileAfterBytes(t *testing.T) {
	samples := draw("log-normal", 20_000)
	first, all := quantileOf(samples[:10_000]), quantileOf(samples)
	for name, data := range map[string][]byte{"fine": must(first.MarshalBinary()), "coarse": first.AppendCoarse(nil)} {
		var read, added sketch.Quantile
		require.NoError(t, read.UnmarshalBinary(data))
		require.NoError(t, added.UnmarshalBinary(data))
		copied := quantileOf(samples)
		copied.CopyFrom(&read)
		require.Equal(t, read.Size(), added.Size())
		require.Equal(t, data, must(copied.MarshalBinary()))
		for _, v := range samples[10_000:] {
			added.Add(v)
			copied.Add(v)
		}
		require.Equal(t, all.Count(), added.Count())
		require.Equal(t, must(added.MarshalBinary()), must(copied.MarshalBinary()), name)
		if name == "fine" {
			require.Equal(t, must(all.MarshalBinary()), must(added.MarshalBinary()))
		}
		last := -1.0
		for v := range added.Bins {
			require.Greater(t, v, last, "in ascending order")
			last = v
		}
	}
}

func must(data []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return data
}
