package protobuf_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
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
	if _, err := exec.LookPath("prometheus"); err != nil {
		t.Skip("skipped: there is no prometheus (Debian: prometheus)")
	}
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
	query, stop := prometheus(t, strings.TrimPrefix(srv.URL, "http://"), native)
	defer stop()

	const queries = "visor_dns_queries_total"
	wait.Until(t, func() bool { return query(`min(count_over_time(`+queries+`[1m]))`) >= 5 })
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
}

// prometheus runs Prometheus with three jobs that scrape target. query returns the single value of
// an expression, or NaN-like -1 without one.
func prometheus(t *testing.T, target string, native bool) (query func(string) float64, stop func()) {
	dir := t.TempDir()
	config := "global: {scrape_timeout: 200ms}\nscrape_configs:\n"
	for job, interval := range map[string]string{"quick": "200ms", "second": "1s", "slow": "2700ms"} {
		config += fmt.Sprintf("  - {job_name: %s, scrape_interval: %s, metrics_path: /metrics/counters, static_configs: [{targets: [%q]}]}\n", job, interval, target)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	args := []string{"--config.file", filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", address}
	if native {
		args = append(args, "--enable-feature=native-histograms")
	}
	cmd := exec.Command("prometheus", args...)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	require.NoError(t, cmd.Start())
	query = func(expr string) float64 {
		resp, err := http.Get("http://" + address + "/api/v1/query?query=" + url.QueryEscape(expr))
		if err != nil {
			return -1
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		var answer struct {
			Data struct {
				Result []struct{ Value [2]any }
			}
		}
		if json.Unmarshal(body, &answer) != nil || len(answer.Data.Result) != 1 {
			return -1
		}
		v, err := strconv.ParseFloat(fmt.Sprint(answer.Data.Result[0].Value[1]), 64)
		require.NoError(t, err)
		return v
	}
	return query, func() {
		require.NoError(t, cmd.Process.Signal(os.Interrupt))
		require.NoError(t, cmd.Wait())
		require.NotContains(t, log.String(), "level=warn component=\"scrape", log.String())
	}
}
