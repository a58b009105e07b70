package httpapi_test

import (
	"bytes"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/export/httpapi"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
)

// TestRebinding checks that a page that uses a foreign name (DNS rebinding) can neither change nor
// read anything.
func TestRebinding(t *testing.T) {
	ask := func(cfg httpapi.Config, host, origin string) int {
		cfg.Policies = policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog()})
		defer cfg.Policies.Close()
		api, err := httpapi.New(cfg)
		require.NoError(t, err)
		req := httptest.NewRequest("GET", "/api/v1/taps", nil)
		req.Host = host
		if origin != "" {
			req.Header.Set("Origin", origin)
		}
		req.Header.Set("Authorization", "Bearer s3cret")
		w := httptest.NewRecorder()
		api.ServeHTTP(w, req)
		return w.Code
	}
	admin := httpapi.Config{Admin: true, Hosts: []string{"ns1.example", "ns1"}}
	for _, tt := range []struct {
		host, origin string
		status       int
	}{
		{"localhost:10853", "", 200},
		{"LOCALHOST", "", 200},
		{"127.0.0.1:10853", "", 200},
		{"[::1]:10853", "", 200},
		{"[2001:db8::1]", "", 200},
		{"192.0.2.1", "http://192.0.2.1:3000", 200},
		{"ns1.example:10853", "", 200},
		{"NS1.example.:10853", "https://ns1", 200},
		{"evil.example", "", 403},
		{"evil.example:10853", "", 403},
		{"localhost.evil.example", "", 403},
		{"", "", 403},
		{"localhost:10853", "http://evil.example", 403},
		{"localhost:10853", "null", 403},
		{"localhost:10853", "http://localhost:3000", 200},
	} {
		require.Equal(t, tt.status, ask(admin, tt.host, tt.origin), "%q %q", tt.host, tt.origin)
	}
	require.Equal(t, 200, ask(httpapi.Config{}, "evil.example", ""), "nothing can be changed")
	require.Equal(t, 200, ask(httpapi.Config{Admin: true, Token: "s3cret"}, "evil.example", "http://evil.example"), "a page has no token")
}

// TestTokenFile checks that a new token replaces the old one. If the file cannot be read, the old
// token stays valid and an error is logged.
func TestTokenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	put := func(text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o600)) }
	put("first\n")
	var log bytes.Buffer
	a := newAgent(t, httpapi.Config{Admin: true, TokenFile: path, Logger: slog.New(slog.NewTextHandler(&log, nil))}, "first")
	ask := func(token string) int {
		req := httptest.NewRequest("GET", "/api/v1/taps", nil)
		req.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		a.api.ServeHTTP(w, req)
		return w.Code
	}
	require.Equal(t, []int{200, 401}, []int{ask("first"), ask("second")})
	put("second")
	require.Equal(t, []int{401, 200}, []int{ask("first"), ask("second")})
	put(" ")
	require.Equal(t, []int{200, 401}, []int{ask("second"), ask("")})
	require.NoError(t, os.Remove(path))
	require.Equal(t, 200, ask("second"))
	require.Contains(t, log.String(), "the file holds no token")
	require.Contains(t, log.String(), "no such file")
	_, err := httpapi.New(httpapi.Config{Policies: a.manager, TokenFile: path})
	require.ErrorContains(t, err, path)
}
