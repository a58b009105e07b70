package protobuf_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/export/prom"
	"visor/export/prom/protobuf"
	"visor/handler"
	"visor/handler/dns"
	"visor/internal/packettest"
	"visor/internal/promtest"
	"visor/internal/wait"
)

// steady is a live source with two queries and their replies every 10 ms.
type steady struct {
	stop chan struct{}
	sent atomic.Uint64
}

func (s *steady) ReadBatch(b *capture.Batch) error {
	b.Frames = b.Frames[:0]
	select {
	case <-s.stop:
		return capture.ErrClosed
	case <-time.After(10 * time.Millisecond):
	}
	now := time.Now().UnixNano()
	for i := range 2 {
		q := packettest.Query(uint16(s.sent.Load()), "www.example.com", 1)
		for k, f := range []capture.Frame{
			packettest.UDP(0, "198.51.100.9:5000", "192.0.2.1:53", q),
			packettest.UDP(0, "192.0.2.1:53", "198.51.100.9:5000", packettest.Reply(q, 0, 1)),
		} {
			f.TimeNS = now - int64(2-i)*int64(5*time.Millisecond) + int64(k)*int64(3*time.Millisecond)
			b.Frames = append(b.Frames, f)
		}
		s.sent.Add(1)
	}
	return nil
}

func (s *steady) Live() bool   { return true }
func (s *steady) Close() error { return nil }

// TestPrometheus has Prometheus scrape totals at three intervals, over periods of one second. Each
// rate must be the true one, no counter may fall, and with native histograms the quantiles must be
// within their buckets.
func TestPrometheus(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: it takes 30 s")
	}
	promtest.Need(t, "prometheus")
	for _, native := range []bool{false, true} {
		t.Run(fmt.Sprintf("native %v", native), func(t *testing.T) { scrape(t, native) })
	}
}

func scrape(t *testing.T, native bool) {
	src := &steady{stop: make(chan struct{})}
	h, err := dns.New(dns.Config{Settings: handler.Settings{Periods: 2}})
	require.NoError(t, err)
	own, err := decode.ParseNetSet("192.0.2.0/24") // the server's side: transactions are ingress
	require.NoError(t, err)
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{src}, Handlers: []handler.Handler{h}, Period: time.Second, Hosts: own})
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- p.Run(context.Background()) }()
	srv := httptest.NewServer(protobuf.CountersHandler(p, prom.Config{Labels: map[string]string{"policy": "p"}}))
	defer srv.Close()
	jobs := promtest.Jobs(strings.TrimPrefix(srv.URL, "http://"), "/metrics/counters", map[string]string{"quick": "200ms", "second": "1s", "slow": "2700ms"})
	var features []string
	if native {
		features = append(features, "--enable-feature=native-histograms")
	}
	server := promtest.Start(t, jobs, features...)
	query := server.Query

	const queries = "visor_dns_queries_total"
	// a job whose first scrape was too early has no series yet
	wait.Until(t, func() bool { return query(`count(count_over_time(`+queries+`[1m]) >= 5)`) == 3 })
	close(src.stop)
	require.NoError(t, <-done)
	sent := float64(src.sent.Load())
	// the scrapes after the end see all
	wait.Until(t, func() bool { return query(`min(`+queries+`)`) == sent }, func() string { return fmt.Sprint(sent, query(`min(`+queries+`)`)) })
	require.Equal(t, 3.0, query(`count(`+queries+` == `+strconv.FormatFloat(sent, 'f', -1, 64)+`)`), "all three intervals")
	for _, name := range []string{queries, "visor_dns_replies_by_rcode_total", "visor_dns_transactions_total", "visor_dns_messages_by_qtype_total"} {
		require.Zero(t, query(`max(resets(`+name+`[5m]))`), "no counter fell: %s", name)
	}
	for _, job := range []string{"quick", "second", "slow"} {
		growth := query(fmt.Sprintf(`max_over_time(%[1]s{job=%[2]q}[5m]) - min_over_time(%[1]s{job=%[2]q}[5m])`, queries, job))
		require.Positive(t, growth, job)
		require.LessOrEqual(t, growth, sent, job)
	}
	count := `sum(visor_dns_transaction_duration_seconds_count{job="quick"})`
	if native {
		count = `sum(histogram_count(visor_dns_transaction_duration_seconds{job="quick"}))`
		middle := query(`histogram_quantile(0.5, sum(visor_dns_transaction_duration_seconds{job="quick"}))`)
		require.InEpsilon(t, 0.003, middle, 0.1)
	}
	require.Equal(t, sent, query(count))
	require.NotContains(t, server.Stop(), "level=warn component=\"scrape")
}
