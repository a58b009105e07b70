package otlp_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/slim/otlp/collector/metrics/v1"
	metrics "go.opentelemetry.io/proto/slim/otlp/metrics/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"visor/capture"
	"visor/decode"
	"visor/export/otlp"
	"visor/handler"
	"visor/handler/dns"
	"visor/internal/golden"
	"visor/internal/packettest"
	"visor/internal/wait"
)

const minute = int64(time.Minute)

// stream is a pipeline whose recording advances under control of the test.
type stream struct {
	*handler.Pipeline
	frames chan []capture.Frame
	end    context.CancelFunc
}

// newStream returns a stream of a host with own networks.
func newStream(t testing.TB, s handler.Settings, own ...string) *stream {
	hosts, err := decode.ParseNetSet(strings.Join(own, ","))
	require.NoError(t, err)
	h, err := dns.New(dns.Config{Settings: s})
	require.NoError(t, err)
	out := &stream{frames: make(chan []capture.Frame)}
	out.Pipeline, err = handler.NewPipeline(handler.Config{Sources: []capture.Source{out}, Handlers: []handler.Handler{h}, Hosts: hosts})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- out.Run(ctx) }()
	var once sync.Once
	out.end = func() {
		once.Do(func() {
			cancel()
			close(out.frames)
			require.NoError(t, <-done)
		})
	}
	t.Cleanup(out.end)
	return out
}

func (s *stream) ReadBatch(b *capture.Batch) error {
	frames, ok := <-s.frames
	if !ok {
		return io.EOF
	}
	b.Frames = frames
	return nil
}

func (s *stream) Close() error { return nil }

// minute sends n queries in the i-th minute, and returns when they are counted.
func (s *stream) minute(i, n int) {
	var frames []capture.Frame
	for range n {
		f := packettest.UDP(0, "198.51.100.9:5000", "192.0.2.1:53", packettest.Query(1, "www.example.com", 1))
		f.TimeNS += int64(i) * minute
		frames = append(frames, f)
	}
	s.frames <- frames
	s.frames <- nil
}

// receiver counts the queries that it receives, by policy and start.
type receiver struct {
	mu      sync.Mutex
	got     map[string]int64
	times   map[string]int // number of times each period was received
	headers http.Header
	answers []int // statuses of the next answers, before it accepts anything
}

func newReceiver() *receiver {
	return &receiver{got: make(map[string]int64), times: make(map[string]int)}
}

func (r *receiver) take(req *collector.ExportMetricsServiceRequest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rm := range req.ResourceMetrics {
		for _, sm := range rm.ScopeMetrics {
			for _, m := range sm.Metrics {
				if m.Name != "dns_wire_packets_events" {
					continue
				}
				p := m.GetGauge().DataPoints[0]
				key := fmt.Sprintf("%s %d", sm.Scope.Attributes[0].Value.GetStringValue(), int64(p.StartTimeUnixNano)/minute%1000)
				r.times[key]++
				r.got[key] = p.GetAsInt()
			}
		}
	}
}

// refuse returns the status of the next answer, or 0 to accept the request.
func (r *receiver) refuse() (status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.answers) > 0 {
		status, r.answers = r.answers[0], r.answers[1:]
	}
	return status
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	msg := &collector.ExportMetricsServiceRequest{}
	if err != nil || req.URL.Path != "/v1/metrics" || req.Header.Get("Content-Type") != "application/x-protobuf" || proto.Unmarshal(body, msg) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	r.headers = req.Header
	r.mu.Unlock()
	if status := r.refuse(); status != 0 {
		w.WriteHeader(status)
		return
	}
	r.take(msg)
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// refusedAll reports whether it has given all its answers.
func (r *receiver) refusedAll() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.answers) == 0
}

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.times)
}

// once fails if a period was received twice, or with another count than want.
func (r *receiver) once(t testing.TB, want map[string]int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, n := range r.times {
		require.Equal(t, 1, n, key)
	}
	require.Equal(t, want, r.got)
}

// listen serves h on the same address each time, with the protocol of the scheme.
func listen(t testing.TB, address string, h http.Handler) (at string, stop func()) {
	l, err := net.Listen("tcp", address)
	require.NoError(t, err)
	srv := &http.Server{Handler: h, Protocols: &http.Protocols{}}
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetUnencryptedHTTP2(true)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l)
	}()
	return l.Addr().String(), func() {
		_ = srv.Close()
		<-done
	}
}

func (r *receiver) grpc() http.Handler {
	return overGRPC(func(req *collector.ExportMetricsServiceRequest) error {
		if r.refuse() != 0 {
			return connect.NewError(connect.CodeUnavailable, io.EOF)
		}
		r.take(req)
		return nil
	})
}

// overGRPC serves the service of receivers with the answers of a function.
func overGRPC(answer func(*collector.ExportMetricsServiceRequest) error) http.Handler {
	const method = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
	mux := http.NewServeMux()
	mux.Handle(method, connect.NewUnaryHandler(method,
		func(_ context.Context, req *connect.Request[collector.ExportMetricsServiceRequest]) (*connect.Response[collector.ExportMetricsServiceResponse], error) {
			if err := answer(req.Msg); err != nil {
				return nil, err
			}
			return connect.NewResponse(&collector.ExportMetricsServiceResponse{}), nil
		}))
	return mux
}

// running runs a Pusher until stop is called.
func running(t testing.TB, cfg otlp.Config) (p *otlp.Pusher, stop func() error) {
	p, err := otlp.New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	return p, func() error {
		cancel()
		return <-done
	}
}

// TestExactlyOnce checks that every period arrives exactly once, although the receiver is busy,
// goes away and comes back.
func TestExactlyOnce(t *testing.T) {
	for _, scheme := range []string{"http", "grpc"} {
		t.Run(scheme, func(t *testing.T) {
			r := newReceiver()
			serve := http.Handler(r)
			if scheme == "grpc" {
				serve = r.grpc()
			}
			address, stopServer := listen(t, "127.0.0.1:0", serve)
			r.answers = []int{503, 429, 504}
			a, b := newStream(t, handler.Settings{Periods: 10}), newStream(t, handler.Settings{Periods: 5})
			p, stop := running(t, otlp.Config{
				Endpoint: scheme + "://" + address, Interval: time.Millisecond, Backoff: time.Millisecond, Timeout: 10 * time.Second,
				Sources: func() []otlp.Source { return []otlp.Source{{"a", a.Pipeline}, {"b", b.Pipeline}} },
			})
			want := make(map[string]int64)
			first := int(packettest.UDP(0, "198.51.100.9:5000", "192.0.2.1:53", nil).TimeNS / minute % 1000)
			for i := range 40 {
				switch i {
				// not while it answers, because then the sender cannot find out whether it accepted
				// the request
				case 10, 25:
					wait.Until(t, func() bool { return p.Stats().Pending == 0 })
					stopServer()
				case 20, 35:
					_, stopServer = listen(t, address, serve)
				}
				before := p.Stats()
				a.minute(i, i+1)
				b.minute(i, 2)
				want[fmt.Sprint("a ", (first+i)%1000)], want[fmt.Sprint("b ", (first+i)%1000)] = int64(i+1), 2
				if i > 0 { // the previous minute has ended
					wait.Until(t, func() bool {
						now := p.Stats()
						return now.Sent+uint64(now.Pending) > before.Sent+uint64(before.Pending)
					})
				}
			}
			wait.Until(t, func() bool { return r.count() == 2*39 && p.Stats().Pending == 0 }, func() string { return fmt.Sprint(r.count(), p.Stats(), r.times) })
			require.NoError(t, stop())
			stopServer()
			r.once(t, want)
			require.NotZero(t, p.Stats().Retries)
			require.Zero(t, p.Stats().Lost())
		})
	}
}

// TestBudget checks that requests which cannot be delivered in time are lost, counted and logged.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStream(t, handler.Settings{})
		var log bytes.Buffer
		p, stop := running(t, otlp.Config{
			Endpoint: "http://127.0.0.1:1", Interval: time.Minute, Budget: 5 * time.Minute, Logger: slog.New(slog.NewTextHandler(&log, nil)),
			Sources: func() []otlp.Source { return []otlp.Source{{"a", s.Pipeline}} },
		})
		s.minute(0, 1)
		s.minute(1, 1)
		time.Sleep(4 * time.Minute)
		synctest.Wait()
		require.EqualValues(t, 1, p.Stats().Pending)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		require.Equal(t, uint64(1), p.Stats().Expired)
		require.Zero(t, p.Stats().Pending)
		require.ErrorContains(t, stop(), "did not take all before the end", "the running minute")
		require.Contains(t, log.String(), "metrics are lost")
		require.Contains(t, log.String(), "the receiver was away for too long")
		s.end()
	})
}

// TestDrain checks that an unreachable receiver delays the end by a second, and that the loss is
// reported.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStream(t, handler.Settings{})
		p, stop := running(t, otlp.Config{
			Endpoint: "http://127.0.0.1:1", Interval: time.Minute, Sources: func() []otlp.Source { return []otlp.Source{{"a", s.Pipeline}} },
		})
		s.minute(0, 1)
		before := time.Now()
		require.ErrorContains(t, stop(), "1 requests with")
		require.Equal(t, time.Second, time.Since(before))
		require.EqualValues(t, 1, p.Stats().Pending)
		s.end()
	})
}

// TestEndAfterOutage checks that the end does not wait for the time of the next attempt, since the
// receiver may be back.
func TestEndAfterOutage(t *testing.T) {
	r := newReceiver()
	r.answers = []int{503}
	address, stopServer := listen(t, "127.0.0.1:0", r)
	defer stopServer()
	s := newStream(t, handler.Settings{})
	_, stop := running(t, otlp.Config{
		Endpoint: "http://" + address, Interval: time.Millisecond, Backoff: time.Hour, Drain: time.Minute,
		Sources: func() []otlp.Source { return []otlp.Source{{"a", s.Pipeline}} },
	})
	s.minute(0, 1)
	s.minute(1, 1)
	wait.Until(t, r.refusedAll)
	require.NoError(t, stop())
	require.Equal(t, 2, r.count())
	s.end()
}

// TestRarePushes checks that no period is lost at long intervals, even if the policy keeps few
// periods.
func TestRarePushes(t *testing.T) {
	metrics := make(map[time.Duration]int)
	for _, interval := range []time.Duration{30 * time.Second, 20 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			s := newStream(t, handler.Settings{Periods: 2})
			_, stop := running(t, otlp.Config{
				Endpoint: "http://127.0.0.1:1", Interval: interval, Backoff: time.Hour,
				Sources: func() []otlp.Source { return []otlp.Source{{"a", s.Pipeline}} },
			})
			for i := range 10 {
				s.minute(i, 1)
				time.Sleep(time.Minute)
				synctest.Wait()
			}
			_, counts, _ := strings.Cut(stop().Error(), "end: ")
			var requests, n int
			_, err := fmt.Sscanf(counts, "%d requests with %d metrics are lost", &requests, &n)
			require.NoError(t, err, counts)
			metrics[interval] = n
			s.end()
		})
	}
	require.Positive(t, metrics[20*time.Minute])
	require.Equal(t, metrics[30*time.Second], metrics[20*time.Minute])
}

// TestPending checks that the oldest requests are dropped if too many wait.
func TestPending(t *testing.T) {
	s := newStream(t, handler.Settings{})
	p, stop := running(t, otlp.Config{
		Endpoint: "http://127.0.0.1:1", Interval: time.Millisecond, Pending: 10_000, Backoff: time.Hour, Timeout: time.Millisecond,
		Sources: func() []otlp.Source { return []otlp.Source{{"a", s.Pipeline}} },
	})
	for i := range 8 {
		s.minute(i, 1)
		wait.Until(t, func() bool {
			now := p.Stats()
			return now.Pending+now.Lost() == uint64(i)
		})
	}
	require.Positive(t, p.Stats().Overflowed)
	require.Positive(t, p.Stats().Pending)
	require.Error(t, stop())
}

// TestPendingInTransit has too many requests wait while the oldest is being sent, which then
// arrives. The count of lost requests is a counter of the agent: it must not fall.
func TestPendingInTransit(t *testing.T) {
	r, asked, answer := newReceiver(), make(chan bool, 1), make(chan bool)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		select {
		case asked <- true:
			<-answer
		default:
		}
		r.ServeHTTP(w, req)
	}))
	defer srv.Close()
	release := sync.OnceFunc(func() { close(answer) })
	defer release()
	s := newStream(t, handler.Settings{})
	p, stop := running(t, otlp.Config{
		Endpoint: srv.URL, Interval: time.Millisecond, Pending: 1, Drain: time.Minute,
		Sources: func() []otlp.Source { return []otlp.Source{{"a", s.Pipeline}} },
	})
	for i := range 5 { // minute 4 is live
		s.minute(i, 1)
		wait.Until(t, func() bool {
			now := p.Stats()
			return now.Pending+now.Lost() == uint64(i)
		})
		if i == 1 {
			wait.Until(t, func() bool { return len(asked) == 1 })
		}
	}
	require.Equal(t, otlp.Stats{Overflowed: 2, Pending: 2}, p.Stats(), "the oldest and the newest wait")
	release()
	wait.Until(t, func() bool { return p.Stats().Sent == 2 })
	require.NoError(t, stop())
	require.Equal(t, otlp.Stats{Overflowed: 2, Sent: 3}, p.Stats())
	require.Equal(t, 3, r.count())
}

// TestRefused checks that a rejected request is not retried.
func TestRefused(t *testing.T) {
	r := newReceiver()
	r.answers = []int{400}
	srv := httptest.NewServer(r)
	defer srv.Close()
	s := newStream(t, handler.Settings{})
	p, stop := running(t, otlp.Config{
		Endpoint: srv.URL, Interval: time.Millisecond, Headers: map[string]string{"X-Scope-OrgID": "7"},
		Sources: func() []otlp.Source { return []otlp.Source{{"a", s.Pipeline}} },
	})
	for i := range 3 {
		s.minute(i, 1)
		if i > 0 {
			wait.Until(t, func() bool { return p.Stats().Sent+p.Stats().Lost() == uint64(i) })
		}
	}
	require.NoError(t, stop())
	require.Equal(t, otlp.Stats{Sent: 2, Refused: 1}, p.Stats())
	require.Equal(t, "7", r.headers.Get("X-Scope-OrgID"))
}

// TestSinglePeriod checks that a single period is pushed each time, because it never ends.
func TestSinglePeriod(t *testing.T) {
	r := newReceiver()
	srv := httptest.NewServer(r)
	defer srv.Close()
	s := newStream(t, handler.Settings{Periods: 1})
	s.minute(0, 5)
	p, stop := running(t, otlp.Config{
		Endpoint: srv.URL, Interval: time.Millisecond, Sources: func() []otlp.Source { return []otlp.Source{{"a", s.Pipeline}} },
	})
	wait.Until(t, func() bool { return p.Stats().Sent > 2 })
	require.NoError(t, stop())
	require.Equal(t, 1, r.count())
}

// TestLast checks that the last counts of a removed source are pushed once.
func TestLast(t *testing.T) {
	r := newReceiver()
	srv := httptest.NewServer(r)
	defer srv.Close()
	stays, goes := newStream(t, handler.Settings{}), newStream(t, handler.Settings{})
	var mu sync.Mutex
	sources := []otlp.Source{{"stays", stays.Pipeline}, {"goes", goes.Pipeline}}
	p, stop := running(t, otlp.Config{Endpoint: srv.URL, Interval: time.Millisecond, Sources: func() []otlp.Source {
		mu.Lock()
		defer mu.Unlock()
		return sources
	}})
	for i := range 3 {
		stays.minute(i, 1)
		goes.minute(i, 2)
	}
	wait.Until(t, func() bool { return r.count() == 4 }, func() string { return "two minutes have ended" })
	mu.Lock()
	sources = sources[:1]
	mu.Unlock()
	p.Last(otlp.Source{Policy: "goes", Of: goes.Pipeline})
	wait.Until(t, func() bool { return r.count() == 5 }, func() string { return "its third minute" })
	require.NoError(t, stop())
	p.Last(otlp.Source{Policy: "stays", Of: stays.Pipeline}) // too late, and without effect
	first := int(packettest.UDP(0, "198.51.100.9:5000", "192.0.2.1:53", nil).TimeNS / minute % 1000)
	want := make(map[string]int64)
	for i := range 3 {
		want[fmt.Sprint("stays ", (first+i)%1000)], want[fmt.Sprint("goes ", (first+i)%1000)] = 1, 2
	}
	r.once(t, want)
}

// TestGolden compares a request with a file that was reviewed.
func TestGolden(t *testing.T) {
	s := newStream(t, handler.Settings{Enable: []string{"histograms"}, Tap: "wired", Name: "a-wired-dns"})
	query := packettest.UDP(0, "198.51.100.9:5000", "192.0.2.1:53", packettest.Query(1, "www.example.com", 1))
	answer := packettest.UDP(1_500_000, "192.0.2.1:53", "198.51.100.9:5000", packettest.Reply(packettest.Query(1, "www.example.com", 1), 0, 1))
	root := packettest.UDP(2_000_000, "198.51.100.9:5001", "192.0.2.1:53", packettest.Query(2, "", 2))
	s.frames <- []capture.Frame{query, answer, root}
	s.minute(1, 1)
	var mu sync.Mutex
	var sent []byte
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if body, err := io.ReadAll(req.Body); err == nil && sent == nil {
			sent = body
		}
	}))
	defer srv.Close()
	p, stop := running(t, otlp.Config{
		Endpoint: srv.URL + "/v1/metrics", Interval: time.Millisecond, Sources: func() []otlp.Source { return []otlp.Source{{"a", s.Pipeline}} },
	})
	wait.Until(t, func() bool { return p.Stats().Sent > 0 })
	require.NoError(t, stop())
	msg := &collector.ExportMetricsServiceRequest{}
	require.NoError(t, proto.Unmarshal(sent, msg))
	for _, m := range msg.ResourceMetrics[0].ScopeMetrics[0].Metrics {
		if h := m.GetHistogram(); h != nil {
			requireHistogram(t, h)
		}
	}
	text := protojson.Format(msg)
	// protojson varies spaces on purpose
	golden.Equal(t, "testdata/request.json", []byte(strings.ReplaceAll(text, ":  ", ": ")+"\n"))
}

func requireHistogram(t testing.TB, h *metrics.Histogram) {
	for _, p := range h.DataPoints {
		require.Len(t, p.BucketCounts, len(p.ExplicitBounds)+1)
		sum := uint64(0)
		for _, n := range p.BucketCounts {
			sum += n
		}
		require.Equal(t, p.Count, sum)
		require.NotZero(t, sum)
	}
}

func TestConfig(t *testing.T) {
	sources := func() []otlp.Source { return nil }
	for want, cfg := range map[string]otlp.Config{
		"Config.Sources is required":                             {Endpoint: "http://localhost"},
		`endpoint "localhost:4318" must be a URL`:                {Endpoint: "localhost:4318", Sources: sources},
		"the scheme must be http, https, grpc or grpcs":          {Endpoint: "ftp://localhost", Sources: sources},
		`endpoint "" must be a URL, as http://localhost:4318 or`: {Sources: sources},
	} {
		_, err := otlp.New(cfg)
		require.ErrorContains(t, err, want)
	}
}
