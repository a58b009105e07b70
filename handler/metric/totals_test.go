package metric

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/decode/dnsmsg"
	"visor/sketch"
)

type totalsDirection struct {
	Packets sketch.Counter  `metric:"packets" total:"packets" help:"packets"`
	Time    sketch.Quantile `metric:"time_us" help:"time, microseconds"`
}

type totalsMetrics struct {
	Camel sketch.Counter          `metric:"theCount" help:"counted"`
	UDP   sketch.Counter          `metric:"udp" total:"by_transport transport=udp" sparse:"true" help:"over UDP"`
	TCP   sketch.Counter          `metric:"tcp" total:"by_transport transport=tcp" help:"over TCP"`
	Types TopNumbers[dnsmsg.Type] `metric:"types" total:"by_type" label:"qtype" help:"types"`
	Ports TopNumbers[Port]        `metric:"ports" label:"port" help:"ports"`
	Names TopNames                `metric:"names" label:"name" help:"names"`
	Bytes sketch.Rate             `metric:"bytes_rate" total:"bytes" help:"bytes per second"`
	Rate  sketch.Rate             `metric:"rate" help:"events per second"`
	Size  sketch.Histogram        `metric:"size_bytes" help:"sizes, bytes"`
	Wait  sketch.Quantile         `metric:"waits_us,waits" total:"wait_seconds" help:"waits, microseconds"`
	Waits sketch.Histogram        `metric:"waits.all_us" total:"wait_seconds" help:"waits, microseconds"`
	Quiet sketch.Counter          `metric:"quiet" total:"-" help:"left out"`
	Gauge Gauge                   `metric:"gauge" help:"gauge"`

	Ways    Map[totalsDirection] `metric:"ways" total:"direction" label:"direction"`
	Devices Map[struct {
		Records sketch.Counter `metric:"records" help:"records"`
	}] `metric:"devices" label:"device"`
}

func keys(sums []Sum) (out []string) {
	for _, s := range sums {
		text := fmt.Sprint(s.Name, s.Labels, s.Count)
		if s.Distribution != nil {
			text = fmt.Sprint(s.Name, s.Labels, s.Distribution.Count, " ", s.Distribution.Sum)
		}
		out = append(out, text)
	}
	return out
}

// Exporters of flows choose the numbers that are added up: totals of two periods, of two workers
// and of a replaced policy stay at the highest number like the counters, and do not begin again.
func TestTotalsSaturate(t *testing.T) {
	s, err := NewSchema[totalsMetrics]("x", GroupNames{"waits"})
	require.NoError(t, err)
	totals := func(n uint64) *Totals {
		set, sum := s.New(), s.NewTotals()
		set.Metrics.TCP.Add(n)
		set.Metrics.Bytes.Add(7, n)
		set.Metrics.Types.Add(dnsmsg.TypeA, n)
		set.AddTo(sum)
		return sum
	}
	most, merged := totals(math.MaxUint64), totals(5)
	merged.Merge(most)
	for _, sums := range [][]Sum{merged.Sums(0), AddSums(totals(5).Sums(0), most.Sums(0))} {
		require.Contains(t, keys(sums), "by_transport_total[{transport tcp}] 18446744073709551615")
		require.Contains(t, keys(sums), "bytes_total[] 18446744073709551615")
		require.Contains(t, keys(sums), "by_type_total[{qtype A}] 18446744073709551615")
	}
}

// TestTotals checks names, units, labels, and which metrics have totals. The subjects of a map add
// up unless the map is a closed set.
func TestTotals(t *testing.T) {
	s, err := NewSchema[totalsMetrics]("x", GroupNames{"waits"})
	require.NoError(t, err)
	sum := s.NewTotals()
	for range 2 { // periods
		set := s.New()
		m := &set.Metrics
		m.Camel.Add(1)
		m.TCP.Add(2)
		m.Types.Add(dnsmsg.TypeA, 3)
		m.Types.Add(4711, 1)
		m.Types.Add(4712, 1)
		m.Ports.Add(53, 1)
		m.Bytes.Add(7, 100)
		m.Bytes.Add(8, 50)
		m.Size.Add(512)
		m.Wait.Add(1500)
		m.Waits.Add(1600)
		m.Ways.At("in").Packets.Add(4)
		m.Ways.At("in").Time.Add(2_000_000)
		m.Devices.At("a").Records.Add(5)
		m.Devices.At("b").Records.Add(6)
		m.Devices.Fold("b", "a")
		set.AddTo(sum)
	}
	require.Equal(t, []string{
		"the_count_total[] 2",
		"by_transport_total[{transport udp}] 0", "by_transport_total[{transport tcp}] 4",
		"by_type_total[{qtype A}] 6", "by_type_total[{qtype other}] 4",
		"bytes_total[] 300", "size_bytes[] 2 1024", "wait_seconds[] 2 0.003",
		"packets_total[{direction in}] 8", "time_seconds[{direction in}] 2 4",
		"records_total[] 22",
	}, keys(sum.Sums(1)))
	require.Contains(t, keys(sum.Sums(0)), "wait_seconds[] 2 0.0032", "the other form counts")
	require.Equal(t, []string{"bytes", "time, seconds"}, []string{sum.Sums(1)[5].Help, sum.Sums(1)[9].Help})

	twice := AddSums(sum.Sums(1), sum.Sums(1)[:3])
	require.Equal(t, append([]string{"the_count_total[] 4", "by_transport_total[{transport udp}] 0", "by_transport_total[{transport tcp}] 8"}, keys(sum.Sums(1))[3:]...), keys(twice))
}

func TestTotalDeclarations(t *testing.T) {
	for want, declare := range map[string]func() error{
		`label "transport": must be name=value`: declares[struct {
			N sketch.Counter `metric:"n" total:"n transport"`
		}],
		"lacks a name": declares[struct {
			N sketch.Counter `metric:"n" total:" "`
		}],
		"invalid name of totals": declares[struct {
			N sketch.Counter `metric:"n" total:"a-b"`
		}],
		"metric.Gauge has no totals": declares[struct {
			N Gauge `metric:"n" total:"n"`
		}],
		"needs numbers with the method Known": declares[struct {
			N TopNumbers[Port] `metric:"n" total:"n" label:"port"`
		}],
		"two metrics have the totals n_total": declares[struct {
			N sketch.Counter `metric:"n"`
			M sketch.Counter `metric:"n_total"`
		}],
	} {
		require.ErrorContains(t, declare(), want)
	}
}

func declares[M any]() error {
	_, err := NewSchema[M]("x", nil)
	return err
}

// TestTotalsSplit splits samples over workers and periods in any way, and reads at any time. The
// totals must not depend on it, and no bin may ever fall.
func TestTotalsSplit(t *testing.T) {
	s, err := NewSchema[totalsDirection]("x", nil)
	require.NoError(t, err)
	for seed := range uint64(5) {
		random := rand.New(rand.NewPCG(seed, 1))
		one, past := s.New(), []*Totals{s.NewTotals(), s.NewTotals(), s.NewTotals()}
		live := []*Set[totalsDirection]{s.New(), s.New(), s.New()}
		var last *Distribution
		for i := range 20_000 {
			v := math.Floor(math.Exp(random.Float64() * 17))
			one.Metrics.Time.Add(v)
			w := random.IntN(3)
			live[w].Metrics.Time.Add(v)
			if random.IntN(1500) == 0 { // a period ends
				live[w].AddTo(past[w])
				live[w].Reset()
			}
			if i%997 != 0 && i != 19_999 {
				continue
			}
			sum := s.NewTotals()
			for w := range live {
				sum.Merge(past[w])
				live[w].AddTo(sum)
			}
			d := sum.Sums(0)[1].Distribution
			require.False(t, last != nil && falls(last, d))
			last = d
		}
		whole := s.NewTotals()
		one.AddTo(whole)
		want := whole.Sums(0)[1].Distribution
		require.InEpsilon(t, want.Sum, last.Sum, 1e-12)
		last.Sum = want.Sum
		require.Equal(t, want, last)
	}
}

// falls reports whether any number of b is below its number in a.
func falls(a, b *Distribution) bool {
	if b.Count < a.Count || b.Sum < a.Sum || b.Zero < a.Zero {
		return true
	}
	for i, n := range a.Buckets {
		if b.Buckets[a.First+i-b.First] < n {
			return true
		}
	}
	for i, n := range a.classic {
		if b.classic[i] < n {
			return true
		}
	}
	return false
}

// TestNative checks the index of a bucket at and around its bounds.
func TestNative(t *testing.T) {
	for i := -200; i <= 200; i++ {
		upper := math.Exp2(float64(i) / (1 << NativeSchema))
		require.Equal(t, i+1, native(upper*(1+1e-12)))
		require.Equal(t, i, native(upper*(1-1e-12)))
	}
	for e := -20; e < 40; e++ {
		require.Equal(t, e<<NativeSchema, native(math.Exp2(float64(e))), "a bound is in its bucket")
	}
}
