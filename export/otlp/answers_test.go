package otlp_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/slim/otlp/collector/metrics/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"visor/export/otlp"
	"visor/handler"
	"visor/internal/wait"
)

// TestAnswers checks what the first answers of a receiver cause: the counts after it, and the log.
func TestAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		answer http.HandlerFunc // to the first request; others are accepted
		want   otlp.Stats
		log    string
	}{
		"accepted, but the answer breaks off": {
			func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/x-protobuf")
				w.Header().Set("Content-Length", "10")
				_, _ = w.Write([]byte("ab"))
			}, otlp.Stats{Sent: 2}, "",
		},
		"accepted, with a message that cannot be read": {
			func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/x-protobuf")
				_, _ = w.Write([]byte{0xff})
			}, otlp.Stats{Sent: 2}, "",
		},
		"a redirect to a page": {
			func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) },
			otlp.Stats{Sent: 1, Refused: 1}, "302 Found",
		},
		"a redirect that repeats the request": {
			func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
			}, otlp.Stats{Sent: 2}, "",
		},
		"the reason of a refusal": {
			func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, "out of order sample", http.StatusBadRequest)
			},
			otlp.Stats{Sent: 1, Refused: 1}, "out of order sample",
		},
		"busy": {
			func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "over quota", http.StatusTooManyRequests) },
			otlp.Stats{Sent: 2, Retries: 1}, "over quota",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver()
			first := true
			stats, log := answered(t, "http", http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if req.Method != http.MethodPost {
					return // a page
				}
				if first {
					first = false
					test.answer(w, req)
					return
				}
				r.ServeHTTP(w, req)
			}))
			require.Equal(t, test.want, stats)
			require.Contains(t, log, test.log)
			require.Equal(t, test.log == "", log == "", log)
		})
	}
}

// TestRetryAfter checks that a request over HTTP is not repeated before the receiver asks for it,
// in seconds or as a date.
func TestRetryAfter(t *testing.T) {
	const date = "Sun, 06 Nov 1994 08:49:37 GMT"
	for _, later := range []string{"1", "Sun, 06 Nov 1994 08:49:38 GMT"} {
		var times []time.Time
		stats, _ := answered(t, "http", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if times = append(times, time.Now()); len(times) == 1 {
				w.Header().Set("Retry-After", later)
				w.Header().Set("Date", date)
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
		require.Equal(t, otlp.Stats{Sent: 2, Retries: 1}, stats)
		require.GreaterOrEqual(t, times[1].Sub(times[0]), time.Second, later)
	}
}

// TestRejectedSaturates checks that the count of rejected points, which the receiver states, does
// not begin again at 0.
func TestRejectedSaturates(t *testing.T) {
	body, err := proto.Marshal(&collector.ExportMetricsServiceResponse{
		PartialSuccess: &collector.ExportMetricsPartialSuccess{RejectedDataPoints: math.MaxInt64},
	})
	require.NoError(t, err)
	address, stopServer := listen(t, "127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-protobuf")
		_, _ = w.Write(body)
	}))
	defer stopServer()
	s := newStream(t, handler.Settings{Periods: 1}) // the single period is pushed each time
	s.minute(0, 1)
	p, stop := running(t, otlp.Config{
		Endpoint: "http://" + address, Interval: time.Millisecond, Sources: func() []otlp.Source { return []otlp.Source{{"a", s.Pipeline}} },
	})
	wait.Until(t, func() bool { return p.Stats().Sent > 2 })
	require.NoError(t, stop())
	require.Equal(t, uint64(math.MaxUint64), p.Stats().Rejected)
}

// answered returns the counts and the log after two requests to a receiver.
func answered(t *testing.T, scheme string, h http.Handler) (otlp.Stats, string) {
	address, stopServer := listen(t, "127.0.0.1:0", h)
	defer stopServer()
	s := newStream(t, handler.Settings{})
	var log bytes.Buffer
	p, stop := running(t, otlp.Config{
		Endpoint: scheme + "://" + address, Interval: time.Millisecond, Backoff: time.Millisecond, Drain: time.Minute,
		Logger:  slog.New(slog.NewTextHandler(&log, nil)),
		Sources: func() []otlp.Source { return []otlp.Source{{"a", s.Pipeline}} },
	})
	s.minute(0, 1)
	s.minute(1, 1)
	wait.Until(t, func() bool { return p.Stats().Sent+p.Stats().Lost() == 1 })
	require.NoError(t, stop()) // sends the second minute
	s.end()
	return p.Stats(), log.String()
}

// TestAnswersGRPC checks that only requests are repeated that a receiver may accept later, and not
// before it asks for them.
func TestAnswersGRPC(t *testing.T) {
	// message RetryInfo { google.protobuf.Duration retry_delay = 1; }
	delay, err := proto.Marshal(durationpb.New(300 * time.Millisecond))
	require.NoError(t, err)
	info := &anypb.Any{
		TypeUrl: "type.googleapis.com/google.rpc.RetryInfo", Value: protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), delay),
	}
	broken := &anypb.Any{TypeUrl: info.TypeUrl, Value: []byte{0xff}}
	for name, test := range map[string]struct {
		code   connect.Code
		detail *anypb.Any
		want   otlp.Stats
		delay  time.Duration
	}{
		"too large":         {connect.CodeResourceExhausted, nil, otlp.Stats{Sent: 1, Refused: 1}, 0},
		"over quota":        {connect.CodeResourceExhausted, info, otlp.Stats{Sent: 2, Retries: 1}, 300 * time.Millisecond},
		"busy":              {connect.CodeUnavailable, info, otlp.Stats{Sent: 2, Retries: 1}, 300 * time.Millisecond},
		"away":              {connect.CodeUnavailable, nil, otlp.Stats{Sent: 2, Retries: 1}, 0},
		"broken RetryInfo":  {connect.CodeResourceExhausted, broken, otlp.Stats{Sent: 2, Retries: 1}, 0},
		"not authenticated": {connect.CodeUnauthenticated, nil, otlp.Stats{Sent: 1, Refused: 1}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var times []time.Time
			stats, log := answered(t, "grpc", overGRPC(func(*collector.ExportMetricsServiceRequest) error {
				times = append(times, time.Now())
				if len(times) > 1 {
					return nil
				}
				err := connect.NewError(test.code, errors.New("the reason"))
				if test.detail != nil {
					detail, err2 := connect.NewErrorDetail(test.detail)
					require.NoError(t, err2)
					err.AddDetail(detail)
				}
				return err
			}))
			require.Equal(t, test.want, stats)
			require.Contains(t, log, "the reason")
			require.GreaterOrEqual(t, times[1].Sub(times[0]), test.delay)
		})
	}
}

// TestOutageLog checks that an outage is logged once, whatever number of attempts fail, and its end
// too.
func TestOutageLog(t *testing.T) {
	attempts := 0
	stats, log := answered(t, "http", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if attempts++; attempts <= 5 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	require.Equal(t, otlp.Stats{Sent: 2, Retries: 5}, stats)
	require.Equal(t, 1, strings.Count(log, "does not take metrics"), log)
	require.Equal(t, 1, strings.Count(log, "answers again"), log)
}

// TestSizes checks that requests stay below 1 MiB, and that nothing is left out or sent twice where
// one ends.
func TestSizes(t *testing.T) {
	const policies = 100
	var requests, metrics int
	seen := make(map[string]int)
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		msg := &collector.ExportMetricsServiceRequest{}
		if err != nil || len(body) > 1<<20 || proto.Unmarshal(body, msg) != nil {
			t.Error("a request of ", len(body), err)
		}
		requests++
		for _, s := range msg.ResourceMetrics[0].ScopeMetrics {
			for _, m := range s.Metrics {
				seen[s.Scope.Name+" "+m.Name]++
				metrics++
			}
		}
	})
	address, stopServer := listen(t, "127.0.0.1:0", h)
	defer stopServer()
	s := newStream(t, handler.Settings{Tap: strings.Repeat("long", 30)})
	s.minute(0, 1)
	_, stop := running(t, otlp.Config{
		Endpoint: "http://" + address, Form: otlp.Cumulative, Drain: time.Minute,
		Sources: func() (out []otlp.Source) {
			for i := range policies {
				out = append(out, otlp.Source{Policy: fmt.Sprint(i), Of: s.Pipeline})
			}
			return out
		},
	})
	require.NoError(t, stop())
	s.end()
	require.Greater(t, requests, 1)
	require.Len(t, seen, metrics, "once each")
	require.Zero(t, metrics%policies, "as many of each policy")
}
