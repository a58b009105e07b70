package collector_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/export"
	"visor/export/prom"
	"visor/export/prom/collector"
	"visor/handler"
	"visor/handler/dns"
	"visor/handler/handlertest"
	"visor/internal/trafficgen"
)

func pipeline(t testing.TB, s handler.Settings) *handler.Pipeline {
	frames, _ := trafficgen.Frames(trafficgen.Mixed(3000))
	h, err := dns.New(dns.Config{Settings: s})
	require.NoError(t, err)
	return handlertest.Analyse(t, h, capture.NewMemory(frames))
}

// TestSameAsText compares the metrics of a registry with the text: families, series and values must
// be equal. Only the sums of histograms differ, which client_golang always has.
func TestSameAsText(t *testing.T) {
	p := pipeline(t, handler.Settings{Enable: []string{"all"}})
	cfg := prom.Config{Labels: map[string]string{"server": "ns1"}, Handler: true}
	registry := prometheus.NewPedanticRegistry()
	require.NoError(t, registry.Register(collector.New(p, cfg)))
	gathered, err := registry.Gather()
	require.NoError(t, err)

	s, err := p.Latest()
	require.NoError(t, err)
	var text bytes.Buffer
	require.NoError(t, prom.WriteText(&text, export.Families(s, cfg)))
	parser := expfmt.NewTextParser(model.LegacyValidation)
	parsed, err := parser.TextToMetricFamilies(&text)
	require.NoError(t, err)
	require.Len(t, gathered, len(parsed))
	for _, got := range gathered {
		want := parsed[got.GetName()]
		require.NotNil(t, want, got.GetName())
		require.Equal(t, want.GetType(), got.GetType())
		require.Equal(t, want.GetHelp(), got.GetHelp())
		require.Equal(t, series(want), series(got), got.GetName())
	}
}

// series returns the series of a family as text.
func series(f *dto.MetricFamily) map[string]int {
	out := make(map[string]int)
	for _, s := range f.GetMetric() {
		labels := map[string]string{}
		for _, l := range s.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		text := fmt.Sprint(labels, s.GetGauge().GetValue(), s.GetSummary().GetSampleCount(), s.GetHistogram().GetSampleCount())
		for _, q := range s.GetSummary().GetQuantile() {
			text += fmt.Sprintf(" %g=%.4g", q.GetQuantile(), q.GetValue())
		}
		for _, b := range s.GetHistogram().GetBucket() {
			if b.GetUpperBound() < 1e300 { // only one of the two writes the last bin
				text += fmt.Sprintf(" %g:%d", b.GetUpperBound(), b.GetCumulativeCount())
			}
		}
		out[text]++
	}
	return out
}

// TestCounters compares the totals of a registry, which checks them, with the text.
func TestCounters(t *testing.T) {
	p := pipeline(t, handler.Settings{Enable: []string{"all"}})
	cfg := prom.Config{Labels: map[string]string{"server": "ns1"}}
	registry := prometheus.NewPedanticRegistry()
	require.NoError(t, registry.Register(collector.NewCounters(p, cfg)))
	require.NoError(t, registry.Register(collector.New(p, cfg)), "beside the last period")
	gathered, err := registry.Gather()
	require.NoError(t, err)
	var text bytes.Buffer
	require.NoError(t, prom.WriteText(&text, export.Totals(p.Totals(), cfg)))
	parser := expfmt.NewTextParser(model.LegacyValidation)
	parsed, err := parser.TextToMetricFamilies(&text)
	require.NoError(t, err)
	require.Greater(t, len(parsed), 15)
	for _, got := range gathered {
		want := parsed[got.GetName()]
		if want == nil {
			continue
		}
		require.Equal(t, want.GetType(), got.GetType())
		require.Len(t, got.Metric, len(want.Metric))
		for i := range got.Metric {
			require.InDelta(t, sumOf(want), sumOf(got), 1e-9, got.GetName())
			require.Equal(t, want.Metric[i].Histogram.GetSampleCount() > 0, got.Metric[i].Histogram.GetSchema() != 0 && got.Metric[i].Histogram.GetSampleCount() > 0)
		}
		delete(parsed, got.GetName())
	}
	require.Empty(t, parsed)
}

// sumOf adds up the values of a family.
func sumOf(f *dto.MetricFamily) (sum float64) {
	for _, m := range f.Metric {
		sum += m.Counter.GetValue() + m.Histogram.GetSampleSum() + float64(m.Histogram.GetSampleCount())
	}
	return sum
}

// TestRegistryOfHost registers the Collector together with metrics of the host program.
func TestRegistryOfHost(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "queries_total"}))
	registry.MustRegister(collector.New(pipeline(t, handler.Settings{}), prom.Config{}))
	gathered, err := registry.Gather()
	require.NoError(t, err)
	require.Greater(t, len(gathered), 20)
}

func Example() {
	h, _ := dns.New(dns.Config{})
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{capture.NewFeed()}, Handlers: []handler.Handler{h}})
	if err != nil {
		fmt.Println(err)
		return
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector.New(p, prom.Config{Labels: map[string]string{"server": "ns1"}}))
	families, err := registry.Gather() // promhttp does this in a real program
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(families[0].GetName(), families[0].GetMetric()[0].GetGauge().GetValue())
	// Output: dns_cardinality_clients 0
}
