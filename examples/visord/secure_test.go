package main

import (
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/internal/certtest"
	"visor/internal/wait"
)

// ask sends a request with a token to the address of a host name. It returns the status and the
// body.
func (p *process) ask(path, host, token string) (int, string) {
	req, err := http.NewRequest("GET", p.url+path, nil)
	require.NoError(p.t, err)
	req.Host = host
	if token != "" {
		req.Header.Set("Authorization", "bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(p.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(p.t, err)
	return resp.StatusCode, string(body)
}

// TestUserRenewal checks that a token file that only root may read is read again after visord
// became another user.
func TestUserRenewal(t *testing.T) {
	if runtime.GOOS == "windows" || os.Getuid() != 0 {
		t.Skip("skipped: only root can become another user")
	}
	path := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(path, []byte("first\n"), 0o600))
	p := start(t, nil, "--admin-api", "--user", "nobody", "--api-token-file", path)
	p.logged("became user nobody")
	status := func(token string) int {
		code, _ := p.ask("/api/v1/taps", "evil.example", token)
		return code
	}
	require.Equal(t, []int{401, 200}, []int{status("second"), status("first")})
	require.NoError(t, os.WriteFile(path+".new", []byte("second\n"), 0o600))
	require.NoError(t, os.Rename(path+".new", path))
	require.Equal(t, []int{401, 200}, []int{status("first"), status("second")})
	require.NoError(t, os.Remove(path))
	require.Equal(t, 200, status("second"), "what it held stays in use")
	p.logged("file cannot be renewed")
	require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
	require.Equal(t, exitDone, p.end())
}

// TestFileHelper checks that the helper answers numbers of files and nothing else.
func TestFileHelper(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(path, []byte("s3cret"), 0o600))
	t.Setenv(helperMark, `["`+filepath.ToSlash(path)+`","/nonexistent"]`)
	require.True(t, isFileHelper())
	var out strings.Builder
	require.Equal(t, exitDone, serveFiles(strings.NewReader("0\n1\n"), &out))
	require.Contains(t, out.String(), `{"Data":"czNjcmV0","Error":""}`)
	require.Contains(t, out.String(), "/nonexistent")
	for _, wrong := range []string{"2\n", "-1\n", "/etc/shadow\n"} {
		require.Equal(t, exitFailed, serveFiles(strings.NewReader(wrong), io.Discard))
	}
	require.NoError(t, os.WriteFile(path, make([]byte, maxFile+1), 0o600))
	out.Reset()
	require.Equal(t, exitDone, serveFiles(strings.NewReader("0\n"), &out))
	require.Contains(t, out.String(), "larger than a token")
}

// TestAllowHost checks that a page with a foreign host name is rejected, by default and with
// --allow-host.
func TestAllowHost(t *testing.T) {
	p := start(t, nil, "--admin-api", "--allow-host", "ns1.example,ns2.example")
	name, err := os.Hostname()
	require.NoError(t, err)
	for host, want := range map[string]int{"localhost": 200, "127.0.0.1:1": 200, name: 200, "ns1.example": 200, "ns2.example:10853": 200, "evil.example": 403} {
		status, body := p.ask("/api/v1/taps", host, "")
		require.Equal(t, want, status, "%s: %s", host, body)
	}
}

// TestRisks checks that risks cause warnings: a token that every user can read, or that crosses the
// network unencrypted. Requests are logged with their client at debug level.
func TestRisks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(path, []byte("s3cret"), 0o644))
	p := start(t, nil, "--admin-api", "-v", "--api-token-file", path, "-l", "0.0.0.0")
	p.logged("all users of this machine can read " + path)
	p.logged("the token crosses the network to 0.0.0.0 in the clear: add --tls")
	status, _ := p.ask("/api/v1/taps", "localhost", "s3cret")
	require.Equal(t, 200, status)
	p.logged("[debug] REQUEST: GET /api/v1/taps 200 client=127.0.0.1:")

	quiet := start(t, nil, "--admin-api")
	status, _ = quiet.ask("/api/v1/taps", "localhost", "")
	require.Equal(t, 200, status)
	require.NotContains(t, quiet.lines(), "REQUEST")
}

// TestRenewalFails checks that HTTP on the HTTPS port is answered with a hint. A certificate that
// cannot be renewed causes an error in the log, and a metric.
func TestRenewalFails(t *testing.T) {
	dir := t.TempDir()
	ca := certtest.Sign(t, "authority", nil)
	cert, key := certtest.Sign(t, "localhost", ca).Write(t, dir)
	p := start(t, nil, "--config", configFile(t, document(capture(t), "second")), "--tls", "--tls-cert", cert, "--tls-key", key)
	status, body := p.ask("/api/v1/taps", "localhost", "")
	require.Equal(t, 400, status)
	require.Contains(t, body, "Client sent an HTTP request to an HTTPS server.")

	require.NoError(t, os.WriteFile(cert, []byte("half"), 0o600))
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost"}}}
	defer client.CloseIdleConnections()
	wait.Until(t, func() bool {
		resp, err := client.Get(strings.Replace(p.url, "http:", "https:", 1) + "/metrics")
		require.NoError(t, err)
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return strings.Contains(string(text), "visor_http_renewals_failed_total{} 1\n")
	})
	p.logged("file cannot be renewed; what it held stays in use")
}
