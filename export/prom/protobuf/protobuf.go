// Package protobuf writes metrics in the protobuf exposition of Prometheus
// (https://prometheus.io/docs/instrumenting/exposition_formats), which has native histograms. A
// scraper requests it with the header Accept. Prometheus does so when native histograms are
// enabled:
//
//	http.Handle("/metrics/counters", protobuf.CountersHandler(pipeline, prom.Config{}))
//
// A histogram of totals has both forms: fixed bounds, and native buckets of schema
// [metric.NativeSchema]. Counters and histograms also have the time at which they began.
package protobuf

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"visor/export"
	"visor/export/prom"
	"visor/handler"
	"visor/handler/metric"
)

// ContentType is the Content-Type of the output of Write.
const ContentType = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"

// Accepted reports whether a client with the header Accept prefers this format to text.
func Accepted(accept string) bool {
	best, text := 0.0, 0.0
	for part := range strings.SplitSeq(accept, ",") {
		typ, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if given, err := strconv.ParseFloat(params["q"], 64); err == nil {
			q = given
		}
		switch {
		case typ == "application/vnd.google.protobuf" && params["proto"] == "io.prometheus.client.MetricFamily" && params["encoding"] == "delimited":
			best = max(best, q)
		case typ == "text/plain":
			text = max(text, q)
		}
	}
	return best > 0 && best >= text
}

// Write writes families, each after its length.
func Write(w io.Writer, families []export.Family) error {
	for i := range families {
		if _, err := protodelim.MarshalTo(w, Family(&families[i])); err != nil {
			return err
		}
	}
	return nil
}

// Family returns a family with its series.
func Family(f *export.Family) *dto.MetricFamily {
	out := &dto.MetricFamily{Name: &f.Name, Help: proto.String(prom.Help(f)), Type: typeOf(f).Enum()}
	for i := range f.Series {
		out.Metric = append(out.Metric, Metric(f, &f.Series[i]))
	}
	return out
}

func typeOf(f *export.Family) dto.MetricType {
	switch f.Type {
	case export.Counter:
		return dto.MetricType_COUNTER
	case export.Summary:
		return dto.MetricType_SUMMARY
	case export.Histogram:
		return dto.MetricType_HISTOGRAM
	}
	return dto.MetricType_GAUGE
}

// Metric returns a series of f.
func Metric(f *export.Family, s *export.Series) *dto.Metric {
	m := &dto.Metric{}
	for _, l := range s.Labels {
		m.Label = append(m.Label, &dto.LabelPair{Name: proto.String(l.Name), Value: proto.String(l.Value)})
	}
	switch f.Type {
	case export.Counter:
		m.Counter = &dto.Counter{Value: proto.Float64(float64(s.Value)), CreatedTimestamp: since(s)}
	case export.Summary:
		m.Summary = summary(s)
	case export.Histogram:
		if s.Distribution != nil {
			m.Histogram = distribution(s)
		} else {
			m.Histogram = histogram(s)
		}
	default:
		m.Gauge = &dto.Gauge{Value: proto.Float64(float64(s.Value))}
	}
	return m
}

func since(s *export.Series) *timestamppb.Timestamp {
	if s.Since.IsZero() {
		return nil
	}
	return timestamppb.New(s.Since)
}

func summary(s *export.Series) *dto.Summary {
	q := &s.Quantiles
	out := &dto.Summary{SampleCount: &q.N, SampleSum: proto.Float64(s.Sum)}
	for _, at := range []struct{ rank, value float64 }{{0.5, q.P50}, {0.9, q.P90}, {0.95, q.P95}, {0.99, q.P99}} {
		out.Quantile = append(out.Quantile, &dto.Quantile{Quantile: proto.Float64(at.rank), Value: proto.Float64(at.value)})
	}
	return out
}

// histogram returns a histogram of one period, which has no sum.
func histogram(s *export.Series) *dto.Histogram {
	out := &dto.Histogram{SampleCount: proto.Uint64(s.Bins[len(s.Bins)-1].Count)}
	for _, bin := range s.Bins {
		if upper, err := strconv.ParseFloat(bin.Le, 64); err == nil {
			out.Bucket = append(out.Bucket, &dto.Bucket{UpperBound: &upper, CumulativeCount: proto.Uint64(bin.Count)})
		}
	}
	return out
}

// zeroThreshold is client_golang's: the bucket of 0 is this wide. It marks a histogram without
// values as native.
const zeroThreshold = 2.938735877055719e-39

// distribution returns a histogram of totals, in both forms.
func distribution(s *export.Series) *dto.Histogram {
	d := s.Distribution
	out := &dto.Histogram{
		SampleCount: &d.Count, SampleSum: &d.Sum, CreatedTimestamp: since(s), Schema: proto.Int32(metric.NativeSchema),
		ZeroThreshold: proto.Float64(zeroThreshold), ZeroCount: &d.Zero,
	}
	for upper, n := range d.Bins() {
		out.Bucket = append(out.Bucket, &dto.Bucket{UpperBound: &upper, CumulativeCount: &n})
	}
	last, next := int64(0), d.First
	for i, n := range d.Buckets {
		if n == 0 {
			continue
		}
		index := d.First + i
		if spans := len(out.PositiveSpan); spans == 0 || index != next {
			// the first span counts from 0, the others from the end of the previous one
			offset := index
			if spans > 0 {
				offset -= next
			}
			out.PositiveSpan = append(out.PositiveSpan, &dto.BucketSpan{Offset: proto.Int32(int32(offset)), Length: proto.Uint32(0)})
		}
		*out.PositiveSpan[len(out.PositiveSpan)-1].Length++
		out.PositiveDelta = append(out.PositiveDelta, int64(n)-last)
		last, next = int64(n), index+1
	}
	return out
}

// CountersHandler returns an HTTP handler that answers with the totals of p, in this format if the
// client prefers it, and otherwise as text.
func CountersHandler(p *handler.Pipeline, cfg prom.Config) http.Handler {
	text := prom.CountersHandler(p, cfg)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !Accepted(r.Header.Get("Accept")) {
			text.ServeHTTP(w, r)
			return
		}
		var b bytes.Buffer
		if err := Write(&b, export.Totals(p.Totals(), cfg)); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", ContentType)
		_, _ = w.Write(b.Bytes()) // the client has disconnected
	})
}
