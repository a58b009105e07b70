package protobuf_test

import (
	"bufio"
	"bytes"
	"io"
	"math"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protodelim"

	"visor/capture"
	"visor/export"
	"visor/export/prom"
	"visor/export/prom/protobuf"
	"visor/handler"
	"visor/handler/dns"
	"visor/handler/handlertest"
	"visor/internal/trafficgen"
)

func pipeline(t testing.TB) *handler.Pipeline {
	frames, _ := trafficgen.Frames(trafficgen.Mixed(3000))
	h, err := dns.New(dns.Config{Settings: handler.Settings{Enable: []string{"all"}}})
	require.NoError(t, err)
	return handlertest.Analyse(t, h, capture.NewMemory(frames))
}

func TestAccepted(t *testing.T) {
	const ours = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
	for accept, want := range map[string]bool{
		"":                              false,
		"*/*":                           false,
		"text/plain":                    false,
		ours:                            true,
		ours + ";q=0":                   false,
		"text/plain, " + ours:           true,
		"text/plain, " + ours + ";q=.5": false,
		// of Prometheus 2.42 and 3.0, with native histograms
		ours + ",application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1": true,
		ours + ";q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2":                        true,
		"application/vnd.google.protobuf;proto=other;encoding=delimited":                                                                                      false,
		"\xff;;,=": false,
	} {
		require.Equal(t, want, protobuf.Accepted(accept), accept)
	}
}

// read returns the families in the output of Write.
func read(t testing.TB, r io.Reader) map[string]*dto.MetricFamily {
	in, out := bufio.NewReader(r), make(map[string]*dto.MetricFamily)
	for {
		f := &dto.MetricFamily{}
		err := protodelim.UnmarshalFrom(in, f)
		if err == io.EOF {
			return out
		}
		require.NoError(t, err)
		out[f.GetName()] = f
	}
}

// TestSameAsText compares both formats: of the totals, and of a period. The times of the start are
// in protobuf alone, and so are the native buckets, which must have all values.
func TestSameAsText(t *testing.T) {
	p := pipeline(t)
	s, err := p.Latest()
	require.NoError(t, err)
	for _, families := range [][]export.Family{export.Totals(p.Totals(), prom.Config{}), export.Families(s, prom.Config{})} {
		var text, binary bytes.Buffer
		require.NoError(t, prom.WriteText(&text, families))
		require.NoError(t, protobuf.Write(&binary, families))
		parser := expfmt.NewTextParser(model.LegacyValidation)
		want, err := parser.TextToMetricFamilies(&text)
		require.NoError(t, err)
		got := read(t, &binary)
		require.Len(t, got, len(want))
		for name, f := range got {
			for _, m := range f.Metric {
				switch {
				case m.Histogram != nil:
					if m.Histogram.Schema != nil {
						requireNative(t, m.Histogram)
					}
					m.Histogram = &dto.Histogram{SampleCount: m.Histogram.SampleCount, SampleSum: m.Histogram.SampleSum, Bucket: m.Histogram.Bucket}
				case m.Counter != nil:
					m.Counter.CreatedTimestamp = nil
				case m.Summary != nil:
					for i, q := range m.Summary.Quantile { // text has fewer digits
						require.InEpsilon(t, 1+q.GetValue(), 1+want[name].Metric[0].Summary.Quantile[i].GetValue(), 2)
					}
					continue
				}
			}
			if f.GetType() != dto.MetricType_SUMMARY {
				require.Equal(t, want[name].String(), f.String())
			}
		}
	}
}

// requireNative adds up the native buckets and compares their sums with the fixed ones.
func requireNative(t testing.TB, h *dto.Histogram) {
	index, n, all := 0, int64(0), h.GetZeroCount()
	below := make(map[int]uint64) // by index
	k := 0
	for i, span := range h.PositiveSpan {
		if index += int(span.GetOffset()); i == 0 {
			index = int(span.GetOffset())
		}
		for range span.GetLength() {
			n += h.PositiveDelta[k]
			require.Positive(t, n)
			all += uint64(n)
			below[index] = all
			k++
			index++
		}
	}
	require.Len(t, h.PositiveDelta, k)
	require.Equal(t, h.GetSampleCount(), all)
	for _, b := range h.Bucket { // each bound lies between two of the native ones
		low, high := uint64(0), h.GetSampleCount()
		for i, n := range below {
			upper := math.Exp2(float64(i) / 8)
			if upper <= b.GetUpperBound() {
				low = max(low, n)
			}
			if upper >= b.GetUpperBound() {
				high = min(high, n)
			}
		}
		require.LessOrEqual(t, low, b.GetCumulativeCount())
		require.GreaterOrEqual(t, high, b.GetCumulativeCount())
	}
}

func TestCountersHandler(t *testing.T) {
	p := pipeline(t)
	h := protobuf.CountersHandler(p, prom.Config{})
	for accept, typ := range map[string]string{"": "text/plain; version=0.0.4; charset=utf-8", protobuf.ContentType: protobuf.ContentType} {
		r := httptest.NewRequest("GET", "/metrics/counters", nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Equal(t, typ, w.Header().Get("Content-Type"))
		if accept != "" {
			f := read(t, w.Body)["visor_dns_transaction_duration_seconds"]
			require.Equal(t, dto.MetricType_HISTOGRAM, f.GetType())
			require.WithinDuration(t, time.Now(), f.Metric[0].Histogram.CreatedTimestamp.AsTime(), time.Minute)
			continue
		}
		require.True(t, strings.Contains(w.Body.String(), "# TYPE visor_dns_transaction_duration_seconds histogram\n"))
	}
}
