package prom_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/export/prom"
	"visor/handler"
	"visor/internal/packettest"
)

// exchanges returns n queries and their replies. Queries are a second apart; after returns the
// delay of each reply.
func exchanges(n int, after func(i int) time.Duration) (frames []capture.Frame) {
	for i := range n {
		at := time.Duration(i) * time.Second
		q := packettest.Query(uint16(i), "www.example.com", 1)
		frames = append(frames,
			packettest.UDP(at, "198.51.100.9:5000", "192.0.2.1:53", q),
			packettest.UDP(at+after(i), "192.0.2.1:53", "198.51.100.9:5000", packettest.Reply(q, 0, 1)))
	}
	return frames
}

// scraped returns the families as parsed by Prometheus.
func scraped(t *testing.T, frames []capture.Frame, cfg prom.Config) map[string]*dto.MetricFamily {
	p := pipeline(t, handler.Settings{Enable: []string{"all"}}, frames)
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text(t, p, cfg)))
	require.NoError(t, err)
	return families
}

// TestSum checks the sum of transaction times and of a rate, or with the option the greatest value.
// HELP describes which.
func TestSum(t *testing.T) {
	frames := exchanges(40, func(i int) time.Duration { return time.Duration(i+1) * time.Millisecond })
	for _, tt := range []struct {
		cfg        prom.Config
		time, rate float64
		help       []string
	}{
		{prom.Config{}, 820_000, 80, []string{"; _sum is the sum of all values", "; _sum is the sum of all seconds"}},
		{prom.Config{GreatestAsSum: true}, 40_000, 2, []string{"; _sum is the greatest value", "; _sum is the greatest value"}},
	} {
		families := scraped(t, frames, tt.cfg)
		times, rate := families["dns_xact_in_quantiles_us"], families["dns_rates_total"]
		require.Equal(t, tt.time, times.Metric[0].Summary.GetSampleSum())
		require.Equal(t, uint64(40), times.Metric[0].Summary.GetSampleCount())
		require.Equal(t, tt.rate, rate.Metric[0].Summary.GetSampleSum())
		require.True(t, strings.HasSuffix(times.GetHelp(), tt.help[0]), times.GetHelp())
		require.True(t, strings.HasSuffix(rate.GetHelp(), tt.help[1]), rate.GetHelp())
	}
}

// TestBuckets checks that buckets do not depend on the values, so that the histograms of two hosts
// can be added up.
func TestBuckets(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var bounds [][]float64
	for _, most := range []time.Duration{50 * time.Microsecond, time.Second} {
		var late []time.Duration
		frames := exchanges(50, func(int) time.Duration {
			late = append(late, time.Duration(random.Int64N(int64(most))).Truncate(time.Microsecond))
			return late[len(late)-1]
		})
		h := scraped(t, frames, prom.Config{})["dns_xact_in_histogram_us"].Metric[0].Histogram
		var own []float64
		for _, b := range h.Bucket {
			own = append(own, b.GetUpperBound())
			want := uint64(0)
			for _, d := range late {
				if float64(d.Microseconds()) <= b.GetUpperBound() {
					want++
				}
			}
			require.Equal(t, want, b.GetCumulativeCount(), "at most %v µs", b.GetUpperBound())
		}
		bounds = append(bounds, own)
	}
	require.Equal(t, bounds[0], bounds[1])
	require.Len(t, bounds[0], 23)
}

// TestRatesOfNothing has no DNS messages for 30 seconds. The rates must be present and 0.
func TestRatesOfNothing(t *testing.T) {
	var frames []capture.Frame
	for i := range 30 {
		frames = append(frames, packettest.UDP(time.Duration(i)*time.Second, "198.51.100.9:5000", "192.0.2.1:9", []byte("discarded")))
	}
	for _, name := range []string{"dns_rates_events", "dns_rates_total"} {
		f := scraped(t, frames, prom.Config{})[name]
		require.NotNil(t, f, name)
		require.Equal(t, uint64(30), f.Metric[0].Summary.GetSampleCount())
		require.Zero(t, f.Metric[0].Summary.GetSampleSum())
		require.Len(t, f.Metric[0].Summary.Quantile, 4)
	}
}
