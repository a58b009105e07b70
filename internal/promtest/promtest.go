// Package promtest runs a real Prometheus in tests.
package promtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// Server is a running Prometheus.
type Server struct {
	t       testing.TB
	address string
	cmd     *exec.Cmd
	log     bytes.Buffer
	stopped bool
}

// Start runs Prometheus with a configuration and more arguments until the test ends. Without
// Prometheus the test is skipped.
func Start(t testing.TB, config string, args ...string) *Server {
	Need(t, "prometheus")
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
	s := &Server{t: t, address: FreeAddress(t)}
	s.cmd = exec.Command("prometheus", append([]string{
		"--config.file", file, "--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", s.address, "--log.level", "debug",
	}, args...)...)
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	require.NoError(t, s.cmd.Start())
	t.Cleanup(func() { s.Stop() })
	return s
}

// Need skips the test if a program of Debian's package prometheus is missing.
func Need(t testing.TB, program string) {
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("skipped: %s is not installed (Debian: prometheus)", program)
	}
}

// FreeAddress returns an address of this host with a free port.
func FreeAddress(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// Jobs returns a configuration that scrapes a path of a target at intervals, as "quick: 200ms".
func Jobs(target, path string, intervals map[string]string) string {
	config := "global: {scrape_timeout: 200ms}\nscrape_configs:\n"
	for job, interval := range intervals {
		config += fmt.Sprintf("  - {job_name: %s, scrape_interval: %s, metrics_path: %s, static_configs: [{targets: [%q]}]}\n", job, interval, path, target)
	}
	return config
}

// Get returns the body of an answer of the API, such as "targets", or "" without an answer.
func (s *Server) Get(query string) string {
	resp, err := http.Get("http://" + s.address + "/api/v1/" + query)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	return string(body)
}

// Query returns the single value of an expression now, or -1 without one.
func (s *Server) Query(expr string) float64 {
	var answer struct {
		Data struct {
			Result []struct{ Value [2]any }
		}
	}
	body := s.Get("query?query=" + url.QueryEscape(expr))
	if json.Unmarshal([]byte(body), &answer) != nil || len(answer.Data.Result) != 1 {
		return -1
	}
	v, err := strconv.ParseFloat(fmt.Sprint(answer.Data.Result[0].Value[1]), 64)
	require.NoError(s.t, err)
	return v
}

// Stop ends Prometheus, and returns its log.
func (s *Server) Stop() string {
	if !s.stopped {
		s.stopped = true
		require.NoError(s.t, s.cmd.Process.Signal(os.Interrupt))
		require.NoError(s.t, s.cmd.Wait())
	}
	return s.log.String()
}
