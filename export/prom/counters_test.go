package prom_test

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"visor/export/prom"
	"visor/handler"
	"visor/internal/golden"
)

// counters returns the totals of frames as parsed by Prometheus.
func counters(t *testing.T, text string) map[string]*dto.MetricFamily {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	require.NoError(t, err)
	return families
}

func countersOf(t *testing.T, p *handler.Pipeline) string {
	w := httptest.NewRecorder()
	prom.CountersHandler(p, prom.Config{Labels: map[string]string{"policy": "default", "tap": "eth0"}}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics/counters", nil))
	require.Equal(t, 200, w.Code)
	return w.Body.String()
}

// TestCountersGolden compares the totals with a file that was reviewed, and has promtool check it.
func TestCountersGolden(t *testing.T) {
	p := pipeline(t, handler.Settings{Enable: []string{"all"}}, traffic())
	text := countersOf(t, p)
	golden.Equal(t, "testdata/counters.prom", []byte(text))
	for name, f := range counters(t, text) {
		require.Contains(t, []dto.MetricType{dto.MetricType_COUNTER, dto.MetricType_HISTOGRAM}, f.GetType(), name)
		require.True(t, strings.HasPrefix(name, "visor_dns_"), name)
	}
	if _, err := exec.LookPath("promtool"); err != nil {
		t.Skip("skipped: there is no promtool (Debian: prometheus)")
	}
	cmd := exec.Command("promtool", "check", "metrics")
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Empty(t, string(out))
}

// TestCountersOfAllPeriods has more periods than the pipeline keeps. The totals must count all.
func TestCountersOfAllPeriods(t *testing.T) {
	const n = 10 * 60 // a query each second for 10 minutes
	frames := exchanges(n, func(i int) time.Duration { return time.Duration(1+i%100) * time.Millisecond })
	for _, periods := range []int{1, 2, 5} {
		f := counters(t, countersOf(t, pipeline(t, handler.Settings{Enable: []string{"all"}, Periods: periods}, frames)))
		require.EqualValues(t, n, f["visor_dns_queries_total"].Metric[0].Counter.GetValue(), periods)
		require.EqualValues(t, n, f["visor_dns_replies_total"].Metric[0].Counter.GetValue(), periods)
		for _, m := range f["visor_dns_transaction_duration_seconds"].Metric {
			h := m.Histogram
			if h.GetSampleCount() == 0 {
				continue
			}
			require.EqualValues(t, n, h.GetSampleCount())
			require.InDelta(t, n*0.0505, h.GetSampleSum(), 1e-9)
			for _, b := range h.Bucket {
				want := 0
				for i := range n {
					if float64(1+i%100)/1000 <= b.GetUpperBound() {
						want++
					}
				}
				require.EqualValues(t, want, b.GetCumulativeCount(), "at most %v s", b.GetUpperBound())
			}
		}
	}
}

func ExampleCountersHandler() {
	var t testing.T
	p := pipeline(&t, handler.Settings{}, exchanges(3, func(int) time.Duration { return time.Millisecond }))
	w := httptest.NewRecorder()
	prom.CountersHandler(p, prom.Config{Labels: map[string]string{"server": "ns1"}}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics/counters", nil))
	for line := range bytes.Lines(w.Body.Bytes()) {
		if bytes.HasPrefix(line, []byte("visor_dns_queries_total")) {
			fmt.Print(string(line))
		}
	}
	// Output: visor_dns_queries_total{handler="dns",server="ns1"} 3
}
