package httpapi_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/export/httpapi"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
)

// FuzzAPI sends requests with any method, path and body. Each gets an answer, JSON errors have a
// message, and no policy remains.
func FuzzAPI(f *testing.F) {
	f.Add("GET", "/api/v1/policies/__all/metrics/bucket/0", "", "")
	f.Add("GET", "/api/v1/../../etc/passwd", "", "")
	f.Add("GET", "/api/v1/policies/%2e%2e/metrics/window/2", "", "")
	f.Add("POST", "/api/v1/policies", "application/x-yaml", all("p"))
	f.Add("PUT", "/api/v1/policies/p", "application/json", `{"visor":{"policies":{"p":{"kind":"collection","input":{"tap":"wired","input_type":"pcap"},"handlers":{"modules":[{"net":{"type":"net"}}]}}}}}`)
	f.Add("POST", "/api/v1/taps", "application/x-yaml", "visor: &a {taps: *a}")
	f.Add("POST", "/api/v1/taps", "application/x-yaml", strings.Repeat("[", 10000))
	empty := func(string, policy.Options, policy.Options) (policy.Opened, error) {
		return policy.Opened{Sources: []capture.Source{capture.NewMemory(nil)}}, nil
	}
	m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog(), Open: empty})
	api, err := httpapi.New(httpapi.Config{Policies: m, Admin: true})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, method, target, typ, body string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || !validMethod(method) {
			t.Skip("no server would read that")
		}
		require.NoError(t, m.AddTap(policy.Tap{Name: "wired", InputType: "pcap"}))
		req := httptest.NewRequest("GET", "http://localhost/", strings.NewReader(body))
		req.Method, req.URL = method, u
		req.Header.Set("Content-Type", typ)
		w := httptest.NewRecorder()
		api.ServeHTTP(w, req)
		if w.Code >= 400 && w.Header().Get("Content-Type") == "text/json" {
			var answer struct {
				Error string `json:"error"`
			}
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
			require.NotEmpty(t, answer.Error)
		}
		require.LessOrEqual(t, len(m.Taps()), 2)
		require.LessOrEqual(t, len(m.Policies()), 2)
		if w.Code >= 400 {
			require.Empty(t, m.Policies(), "it failed, and leaves nothing")
		}
		require.NoError(t, m.Close())
		require.Empty(t, m.Policies())
		for _, tap := range m.Taps() {
			require.NoError(t, m.RemoveTap(tap.Name))
		}
	})
}

func validMethod(m string) bool {
	_, err := http.NewRequest(m, "http://localhost/", nil)
	return err == nil && m != "CONNECT"
}
