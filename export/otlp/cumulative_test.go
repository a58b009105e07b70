package otlp_test

import (
	"math"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metrics "go.opentelemetry.io/proto/slim/otlp/metrics/v1"

	"visor/capture"
	"visor/export"
	"visor/export/otlp"
	"visor/handler"
	"visor/internal/otlptest"
	"visor/internal/packettest"
	"visor/internal/wait"
)

const aQueries = "visor/a visor_dns_queries_total{handler=dns,policy=a}"

// exchange returns a query and its reply 1.5 ms later, in the i-th minute.
func exchange(i int) []capture.Frame {
	q := packettest.Query(7, "www.example.com", 1)
	query := packettest.UDP(0, "198.51.100.9:5000", "192.0.2.1:53", q)
	reply := packettest.UDP(1_500_000, "192.0.2.1:53", "198.51.100.9:5000", packettest.Reply(q, 0, 1))
	query.TimeNS += int64(i) * minute
	reply.TimeNS += int64(i) * minute
	return []capture.Frame{query, reply}
}

// TestCumulative pushes totals while queries are counted and the receiver is away for a time. The
// receiver must see the exact totals, sums that only grow, and a stable start.
func TestCumulative(t *testing.T) {
	r := otlptest.New()
	srv := httptest.NewServer(r)
	defer srv.Close()
	s := newStream(t, handler.Settings{Name: "dns"}, "192.0.2.0/24")
	p, stop := running(t, otlp.Config{
		// a busy machine must deliver totals as fast as they are pushed
		Endpoint: srv.URL, Interval: 20 * time.Millisecond, Backoff: time.Millisecond, Drain: time.Minute, Form: otlp.Cumulative,
		Resource: map[string]string{"service.instance.id": "ns1"},
		Sources:  func() []otlp.Source { return []otlp.Source{{"a", s.Pipeline}} },
	})
	for i := range 20 {
		r.Refuse(i >= 5 && i < 10)
		s.frames <- exchange(i)
		s.frames <- nil
		if i < 5 || i >= 10 {
			wait.Until(t, func() bool { return r.Value(aQueries) == i+1 })
		} else {
			wait.Until(t, func() bool { return p.Stats().Retries > 0 })
		}
	}
	require.NoError(t, stop())
	require.NotZero(t, p.Stats().Retries)
	r.Look(func(got *otlptest.State) {
		require.Empty(t, got.Faults)
		require.Zero(t, got.Periods)
		require.Zero(t, got.Starts)
		require.Equal(t, map[string]string{"service.instance.id": "ns1"}, got.Resource)
		requireTotals(t, got.Metrics, export.Totals(s.Totals(), export.FamilyConfig{Labels: map[string]string{"policy": "a"}}))
	})
}

// requireTotals compares received metrics with families of totals.
func requireTotals(t testing.TB, got map[string]*metrics.Metric, families []export.Family) {
	require.Len(t, got, len(families))
	histograms := 0
	for _, f := range families {
		m := got["visor/a "+f.Name]
		require.NotNil(t, m, f.Name)
		require.Equal(t, f.Help, m.Description)
		for i, s := range f.Series {
			if f.Type == export.Counter {
				p := m.GetSum().DataPoints[i]
				require.Equal(t, s.Value, uint64(p.GetAsInt()), f.Name)
				require.EqualValues(t, s.Since.UnixNano(), p.StartTimeUnixNano)
				continue
			}
			p := m.GetExponentialHistogram().DataPoints[i]
			require.Equal(t, s.Distribution.Count, p.Count, f.Name)
			require.InDelta(t, s.Distribution.Sum, p.GetSum(), 1e-9, f.Name)
			if p.Count > 0 {
				histograms++
			}
		}
	}
	require.NotZero(t, histograms)
	times := got["visor/a visor_dns_transaction_duration_seconds"]
	require.Equal(t, "s", times.Unit)
	counted := uint64(0)
	for _, p := range times.GetExponentialHistogram().DataPoints {
		counted += requireBuckets(t, p, 0.0015)
	}
	require.EqualValues(t, 20, counted)
}

// requireBuckets checks that all values are in the bucket of value. By the specification, index i
// has values in (base^i, base^(i+1)], base = 2^(2^-scale).
func requireBuckets(t testing.TB, p *metrics.ExponentialHistogramDataPoint, value float64) uint64 {
	n := p.ZeroCount
	for i, c := range p.Positive.BucketCounts {
		if n += c; c == 0 {
			continue
		}
		base := math.Exp2(math.Exp2(-float64(p.Scale)))
		index := float64(int(p.Positive.Offset) + i)
		require.Less(t, math.Pow(base, index), value)
		require.GreaterOrEqual(t, math.Pow(base, index+1), value*0.998) // the bins of times
	}
	require.Equal(t, p.Count, n)
	require.InDelta(t, value*float64(p.Count), p.GetSum(), 0.01*value*float64(p.Count))
	return n
}

// TestForms checks which forms are pushed.
func TestForms(t *testing.T) {
	for form, want := range map[otlp.Form][2]bool{
		otlp.Periods: {true, false}, otlp.Cumulative: {false, true}, otlp.Both: {true, true},
	} {
		r := otlptest.New()
		srv := httptest.NewServer(r)
		s := newStream(t, handler.Settings{})
		s.minute(0, 5)
		_, stop := running(t, otlp.Config{
			Endpoint: srv.URL, Interval: time.Hour, Form: form, Drain: 10 * time.Second,
			Sources: func() []otlp.Source { return []otlp.Source{{"a", s.Pipeline}} },
		})
		require.NoError(t, stop())
		srv.Close()
		r.Look(func(got *otlptest.State) {
			require.Equal(t, want, [2]bool{got.Periods > 0, len(got.Points) > 0})
			require.Equal(t, 1, got.Requests)
		})
	}
}

// successor is a source that another one may replace.
type successor struct {
	*handler.Pipeline
	replaced bool
}

func (s *successor) Replaced() bool { return s.replaced }

// TestLastTotals checks that the last totals of a removed source are pushed. A replaced source has
// a successor that continues its totals and pushes them.
func TestLastTotals(t *testing.T) {
	r := otlptest.New()
	srv := httptest.NewServer(r)
	defer srv.Close()
	s := newStream(t, handler.Settings{Name: "dns"})
	s.minute(0, 5)
	p, stop := running(t, otlp.Config{
		Endpoint: srv.URL, Interval: time.Millisecond, Form: otlp.Cumulative, Sources: func() []otlp.Source { return nil },
	})
	p.Last(otlp.Source{Policy: "b", Of: &successor{s.Pipeline, true}})
	p.Last(otlp.Source{Policy: "a", Of: &successor{s.Pipeline, false}})
	wait.Until(t, func() bool { return r.Value(aQueries) == 5 })
	require.NoError(t, stop())
	r.Look(func(got *otlptest.State) {
		require.Empty(t, got.Faults)
		for series := range got.Points {
			require.True(t, strings.HasPrefix(series, "visor/a "), series)
		}
	})
}
