package httpapi_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/export/httpapi"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
	"visor/internal/certtest"
	"visor/internal/wait"
)

// write writes p with a modification time that differs from earlier ones.
func write(t testing.TB, p *certtest.Pair, dir string, stamp time.Time) {
	cert, key := p.Write(t, dir)
	require.NoError(t, os.Chtimes(cert, stamp, stamp))
	require.NoError(t, os.Chtimes(key, stamp, stamp))
}

// serve serves an empty agent on a free port.
func serve(t testing.TB, change func(*http.Server)) (address string) {
	m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog()})
	api, err := httpapi.New(httpapi.Config{Policies: m, Admin: true})
	require.NoError(t, err)
	srv := httpapi.NewServer(api)
	require.Equal(t, "localhost:10853", srv.Addr, "only this host can reach it, unless the caller decides otherwise")
	change(srv)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	if srv.TLSConfig != nil {
		l = tls.NewListener(l, srv.TLSConfig)
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() {
		require.NoError(t, srv.Close())
		require.ErrorIs(t, <-done, http.ErrServerClosed)
		require.NoError(t, m.Close())
	})
	return l.Addr().String()
}

// TestTLS checks that a new certificate is used without a restart, and a broken one is not. Clients
// need a certificate if an authority for clients is set.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	files := httpapi.TLSFiles{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem"), ClientCA: filepath.Join(dir, "ca.pem")}
	ca := certtest.Sign(t, "authority", nil)
	require.NoError(t, os.WriteFile(files.ClientCA, ca.CertPEM, 0o600))
	now := time.Now().Truncate(time.Second)
	write(t, certtest.Sign(t, "first", ca), dir, now)
	var log bytes.Buffer
	certs, err := httpapi.NewCertificates(files, nil, slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	address := serve(t, func(s *http.Server) { s.TLSConfig = certs.Config() })

	roots := ca.Pool()
	mine := certtest.Sign(t, "client", ca)
	certificate := mine.TLS()
	subject := func(certs ...tls.Certificate) (string, error) {
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost", Certificates: certs}}}
		resp, err := client.Get("https://" + address + "/healthz")
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return resp.TLS.PeerCertificates[0].Subject.CommonName, err
	}
	_, err = subject()
	require.Error(t, err, "without a certificate")
	name, err := subject(certificate)
	require.NoError(t, err)
	require.Equal(t, "first", name)

	write(t, certtest.Sign(t, "second", ca), dir, now.Add(time.Minute))
	name, err = subject(certificate)
	require.NoError(t, err)
	require.Equal(t, "second", name)

	write(t, &certtest.Pair{CertPEM: []byte("half a fi"), KeyPEM: mine.KeyPEM}, dir, now.Add(2*time.Minute))
	name, err = subject(certificate)
	require.NoError(t, err)
	require.Equal(t, "second", name, "what is there now cannot be used")
	require.Equal(t, uint64(1), certs.Failures())
	require.NoError(t, os.Remove(files.Key))
	_, err = subject(certificate)
	require.NoError(t, err)
	_, err = subject(certificate)
	require.NoError(t, err)
	require.Equal(t, uint64(2), certs.Failures(), "the same failure is one")
	require.Equal(t, 2, strings.Count(log.String(), "file cannot be renewed"))

	write(t, certtest.Sign(t, "third", ca), dir, now.Add(3*time.Minute))
	other := certtest.Sign(t, "other authority", nil)
	require.NoError(t, os.WriteFile(files.ClientCA, other.CertPEM, 0o600))
	_, err = subject(certificate)
	require.Error(t, err, "clients need a certificate of the new authority")
	name, err = subject(certtest.Sign(t, "client", other).TLS())
	require.NoError(t, err)
	require.Equal(t, "third", name)
}

func TestTLSErrors(t *testing.T) {
	dir := t.TempDir()
	good := httpapi.TLSFiles{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	certtest.Sign(t, "first", nil).Write(t, dir)
	for want, files := range map[string]httpapi.TLSFiles{
		"no such file":         {Cert: filepath.Join(dir, "none"), Key: good.Key},
		"failed to find":       {Cert: good.Key, Key: good.Key},
		"holds no certificate": {Cert: good.Cert, Key: good.Key, ClientCA: good.Key},
		"none":                 {Cert: good.Cert, Key: good.Key, ClientCA: filepath.Join(dir, "none")},
	} {
		_, err := httpapi.NewCertificates(files, nil, nil)
		require.ErrorContains(t, err, "invalid TLS configuration")
		require.ErrorContains(t, err, want)
	}
}

// TestSlowClients checks that clients that send single bytes or nothing are disconnected in time.
func TestSlowClients(t *testing.T) {
	address := serve(t, func(s *http.Server) {
		require.NotZero(t, s.ReadHeaderTimeout)
		require.NotZero(t, s.WriteTimeout)
		s.ReadHeaderTimeout, s.ReadTimeout = 200*time.Millisecond, 300*time.Millisecond
	})
	before := runtime.NumGoroutine()
	var conns []net.Conn
	for i := range 100 {
		conn, err := net.Dial("tcp", address)
		require.NoError(t, err)
		conns = append(conns, conn)
		switch i % 3 {
		case 0:
			_, err = conn.Write([]byte("GET /api/v1/t"))
		case 1:
			_, err = conn.Write([]byte("POST /api/v1/taps HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"))
		}
		require.NoError(t, err)
	}
	for _, conn := range conns {
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(2*time.Minute)))
		_, err := io.Copy(io.Discard, conn)
		require.NoError(t, err, "the server closes")
		require.NoError(t, conn.Close())
	}
	wait.Until(t, func() bool { return runtime.NumGoroutine() <= before+1 })
	resp, err := http.Get(fmt.Sprintf("http://%s/healthz", address))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 200, resp.StatusCode)
}

// TestGarbage checks that input that is not HTTP, or not valid for the API, leaves no resources
// behind.
func TestGarbage(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out servers")
	}
	address := serve(t, func(s *http.Server) {
		s.ReadHeaderTimeout, s.ReadTimeout = 200*time.Millisecond, 300*time.Millisecond
		s.ErrorLog = log.New(io.Discard, "", 0)
	})
	post := "POST /api/v1/policies HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-yaml\r\nConnection: close\r\n"
	body := func(text string) string { return fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", post, len(text), text) }
	requests := []string{
		"\x16\x03\x01\x02\x00\x01\x00", strings.Repeat("\x00", 4096), "GET\r\n\r\n", "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"GET /" + strings.Repeat("a", 200<<10) + " HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X: y\r\n", 20_000) + "\r\n",
		"GET /../../../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "GET http://other/healthz HTTP/1.0\r\n\r\n",
		body("visor: {policies: {p: &a {kind: *a}}}"), body(strings.Repeat("[", 100_000)), body(strings.Repeat("a: &a\n", 1000)), body("visor: !!binary x"),
		body("{\"visor\":" + strings.Repeat("{\"a\":", 50_000)), body(strings.Repeat("x", 2<<20)), body("visor:\n\tpolicies:"), body("\xff\xfe\x00v"),
		post + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", post + "Content-Length: -1\r\n\r\n", post + "Content-Length: 10\r\nContent-Length: 20\r\n\r\n",
	}
	send := func(request string) {
		conn, err := net.Dial("tcp", address)
		require.NoError(t, err)
		defer conn.Close()
		require.NoError(t, conn.SetDeadline(time.Now().Add(2*time.Minute)))
		_, _ = io.WriteString(conn, request) // the server may close before it has read everything
		_, err = io.Copy(io.Discard, conn)
		require.False(t, errors.Is(err, os.ErrDeadlineExceeded), "it hangs: %.80q", request)
	}
	round := func() {
		var all sync.WaitGroup
		for _, request := range requests {
			all.Go(func() { send(request) })
		}
		all.Wait()
	}
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	round()
	goroutines, before := runtime.NumGoroutine(), heap()
	for range 20 {
		round()
	}
	wait.Until(t, func() bool { return runtime.NumGoroutine() <= goroutines+1 && heap()-before < 4<<20 })
	resp, err := http.Get("http://" + address + "/api/v1/policies")
	require.NoError(t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "{}", string(answer))
}
