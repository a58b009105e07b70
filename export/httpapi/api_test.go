package httpapi_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/export/httpapi"
	"visor/export/prom/protobuf"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
	"visor/internal/golden"
	"visor/internal/schematest"
	"visor/internal/trafficgen"
)

const taps = `
visor:
  taps:
    wired: {input_type: pcap, config: {iface: eth0, host_spec: 192.0.2.0/24}, tags: {site: north, virtual: true}}
    router: {input_type: flow, config: {bind: 127.0.0.1, port: 2055}}
`

// all returns the document of a policy with many handlers.
func all(name string) string {
	return fmt.Sprintf(`
version: "1.0"
visor:
  policies:
    %s:
      kind: collection
      input: {tap: wired, input_type: pcap}
      handlers:
        window_config: {num_periods: 3}
        modules:
          net: {type: net}
          net2: {type: net, require_version: "2.0"}
          dns: {type: dns, metric_groups: {enable: [all]}}
          dns2: {type: dns, require_version: "2.0", filter: {only_rcode: [NXDOMAIN]}}
          dhcp: {type: dhcp}
          bgp: {type: bgp}
          pcap: {type: pcap}
`, name)
}

// opens makes a Manager open recordings of four minutes.
func opens(typ string, config, _ policy.Options) (policy.Opened, error) {
	if config["iface"] == "missing0" {
		return policy.Opened{}, errors.New(`Couldn't find interface by provided name: "missing0"`)
	}
	cfg := trafficgen.Mixed(2000)
	cfg.Names = 1000
	frames, _ := trafficgen.Frames(cfg)
	start := frames[0].TimeNS
	for i := range frames {
		frames[i].TimeNS = start + int64(i)*int64(4*time.Minute)/int64(len(frames))
	}
	if config["iface"] == "odd0" {
		frames[0].Link, frames[1].Link = 9999, 9999
		left := 0
		return policy.Opened{Sources: []capture.Source{capture.Filter(capture.NewMemory(frames), func(*capture.Frame) (bool, error) {
			left++
			return left <= 1500, nil
		})}}, nil
	}
	return policy.Opened{Sources: []capture.Source{capture.NewMemory(frames)}}, nil
}

// agent is an API with its Manager.
type agent struct {
	t       testing.TB
	api     *httpapi.API
	manager *policy.Manager

	description *schematest.Description
}

// newAgent returns an agent. Its OpenAPI document requires the token, if there is one.
func newAgent(t testing.TB, cfg httpapi.Config, token ...string) *agent {
	m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog(), Open: opens})
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	doc, err := builtin.Catalog().Parse([]byte(taps))
	require.NoError(t, err)
	require.NoError(t, m.Load(doc))
	cfg.Policies, cfg.Hosts = m, append(cfg.Hosts, "example.com") // the name that httptest uses
	api, err := httpapi.New(cfg)
	require.NoError(t, err)
	a := &agent{t: t, api: api, manager: m}
	a.describe(strings.Join(append(token, cfg.Token), ""))
	return a
}

// describe reads the OpenAPI document.
func (a *agent) describe(token string) {
	req := httptest.NewRequest("GET", "/openapi.json", nil)
	req.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	a.api.ServeHTTP(w, req)
	require.Equal(a.t, http.StatusOK, w.Code)
	a.description = schematest.Describe(a.t, w.Body.Bytes())
}

func (a *agent) validate(method, path string, w *httptest.ResponseRecorder) {
	a.description.Validate(a.t, method, path, w.Code, w.Header().Get("Content-Type"), w.Body.Bytes())
}

// do sends a request and validates the answer.
func (a *agent) do(method, path, typ, body string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	if typ != "" {
		req.Header.Set("Content-Type", typ)
	}
	w := httptest.NewRecorder()
	a.api.ServeHTTP(w, req)
	// unknown paths are not described
	if !strings.Contains(w.Body.String(), " is not there") {
		a.validate(method, req.URL.EscapedPath(), w)
	}
	return w
}

// create creates a policy.
func (a *agent) create(name string) {
	w := a.do("POST", "/api/v1/policies", "application/x-yaml", all(name))
	require.Equal(a.t, http.StatusCreated, w.Code, w.Body)
}

// TestGreatestAsSum compares the sums of Prometheus' summaries with and without the option.
func TestGreatestAsSum(t *testing.T) {
	for greatest, help := range map[bool]string{false: "; _sum is the sum of all values", true: "; _sum is the greatest value"} {
		a := newAgent(t, httpapi.Config{Admin: true, GreatestAsSum: greatest})
		a.create("p")
		w := a.do("GET", "/api/v1/policies/p/metrics/prometheus", "", "")
		require.Equal(t, http.StatusOK, w.Code)
		require.Contains(t, w.Body.String(), "# HELP packets_payload_size captured length of packets, bytes"+help+"\n")
	}
}

// TestAnswers checks that paths, status codes and bodies match pktvisor.
func TestAnswers(t *testing.T) {
	a := newAgent(t, httpapi.Config{Admin: true, Version: "4.5.0", Stop: func() {}})
	const yaml, js = "application/x-yaml", "application/json"
	policyOf := func(section string) string { return `{"visor":{"policies":{"p":` + section + `}}}` }
	for _, tt := range []struct {
		method, path, typ, body string
		status                  int
		answer                  string // part of the body; "" for an empty body
	}{
		{"GET", "/api/v1/metrics/rates", "", "", 200, `"warning":"deprecated: use 'live' data from /api/v1/metrics/bucket/0 instead"`},
		{"GET", "/api/v1/metrics/app", "", "", 200, `"version":"4.5.0"`},
		{"GET", "/api/v1/metrics/bucket/0", "", "", 404, `{"error":"no \"default\" policy exists"}`},
		{"GET", "/api/v1/metrics/window/5", "", "", 404, `{"error":"no \"default\" policy exists"}`},
		{"GET", "/metrics", "", "", 404, `no "default" policy exists, and nothing else runs`},
		{"GET", "/api/v1/policies", "", "", 200, `{}`},
		{"GET", "/api/v1/policies/__all/metrics/window/2", "", "", 200, `{}`},
		{"GET", "/api/v1/policies/__all", "", "", 404, `{"error":"policy does not exists"}`},
		{"GET", "/api/v1/taps", "", "", 200, `"wired":{"config":{"host_spec":"192.0.2.0/24","iface":"eth0"},"input_type":"pcap","interface":"visor.module.input/1.0","tags":{"site":"north","virtual":true}}`},
		{"GET", "/api/v1/taps/router", "", "", 200, `{"router":{"config":{"bind":"127.0.0.1","port":2055},"input_type":"flow","interface":"visor.module.input/1.0","tags":null}}`},
		{"GET", "/api/v1/taps/none", "", "", 404, `{"error":"tap does not exists"}`},
		{"DELETE", "/api/v1/taps/none", "", "", 404, `{"error":"tap does not exists"}`},
		{"GET", "/api/v1/policies/none", "", "", 404, `{"error":"policy does not exists"}`},
		{"DELETE", "/api/v1/policies/none", "", "", 404, `{"error":"policy does not exists"}`},
		{"GET", "/api/v1/policies/none/metrics/bucket/0", "", "", 404, `{"error":"policy does not exist"}`},
		{"GET", "/api/v1/policies/none/metrics/window/2", "", "", 404, `{"error":"policy does not exist"}`},
		{"GET", "/api/v1/policies/none/metrics/prometheus", "", "", 404, `policy does not exists`},
		{"HEAD", "/api/v1/taps", "", "", 200, `{`},

		{"GET", "/", "", "", 404, `is not there`},
		{"GET", "/api/v1/taps/", "", "", 404, `is not there`},
		{"GET", "/api/v1//taps", "", "", 404, `is not there`},
		{"GET", "/api/v1/x/../taps", "", "", 404, `is not there`},
		{"GET", "/api/v1/taps/9lives", "", "", 404, `is not there`},
		{"GET", "/api/v1/taps/a%2Fb", "", "", 404, `is not there`},
		{"GET", "/api/v1/policies/none/metrics/bucket/-1", "", "", 404, `is not there`},
		{"GET", "/api/v1/policies/none/metrics/bucket/one", "", "", 404, `is not there`},
		{"PATCH", "/api/v1/taps", "", "", 404, `is not there`},
		{"POST", "/api/v1/taps/wired", "", "", 404, `is not there`},
		{"GET", "/debug/pprof/", "", "", 404, `is not there`},

		{"POST", "/api/v1/taps", "", "x", 400, `must include Content-Type header`},
		{"POST", "/api/v1/policies", "text/yaml", "x", 400, `Content-Type not supported`},
		{"POST", "/api/v1/policies", ";", "x", 400, `Content-Type not supported`},
		{"POST", "/api/v1/taps", yaml, "", 400, `empty data`},
		{"POST", "/api/v1/taps", yaml, "a: [", 400, `line 1`},
		{"POST", "/api/v1/taps", yaml, "a", 400, `invalid schema`},
		{"POST", "/api/v1/taps", js, `{"visor":{}}`, 400, `no taps found in schema`},
		{"POST", "/api/v1/taps", js, `{"visor":{"taps":{"a":{"input_type":"mock"},"b":{"input_type":"mock"}}}}`, 400, `only a single tap expected but got 2`},
		{"POST", "/api/v1/taps", js, `{"visor":{"taps":{"wired":{"input_type":"mock"}}}}`, 409, `{"error":"module name 'wired' already exists"}`},
		{"POST", "/api/v1/taps", js, `{"visor":{"taps":{"x":{"input_type":"tun"}}}}`, 400, `Tap 'x' requires input stream type 'tun' which is not available`},
		{"POST", "/api/v1/taps", "application/json; charset=utf-8", `{"visor":{"taps":{"new":{"input_type":"mock"}}}}`, 201, `{"new":{"config":{},"input_type":"mock","interface":"visor.module.input/1.0","tags":null}}`},
		{"DELETE", "/api/v1/taps/new", "", "", 200, `{}`},
		{"POST", "/api/v1/policies", yaml, strings.Repeat("#", 1<<20+1), 413, `a body may have 1048576 bytes`},
		{"POST", "/api/v1/policies", js, `{"visor":{"policies":{"a/b":{"kind":"collection","input":{"tap":"wired","input_type":"pcap"},"handlers":{"modules":{}}}}}}`, 400, `invalid module name: a/b`},
		{"POST", "/api/v1/policies", js, `{"visor":{"policies":{"__all":{"kind":"collection","input":{"tap":"wired","input_type":"pcap"},"handlers":{"modules":{}}}}}}`, 400, `invalid module name: __all`},
		{"POST", "/api/v1/policies", js, policyOf(`{"kind":"x"}`), 400, `unknown policy kind: x`},
		{"POST", "/api/v1/policies", js, policyOf(`{"kind":"collection","input":{"tap":"none","input_type":"pcap"},"handlers":{"modules":{}}}`), 500, `tap 'none' does not exist`},
		{"POST", "/api/v1/policies", js, policyOf(`{"kind":"collection","input":{"tap_selector":{"any":[{"site":"south"}]},"input_type":"pcap"},"handlers":{"modules":{}}}`), 422, `{"error":"no tap match found for specified 'input.tap_selector' tags"}`},
		{"POST", "/api/v1/policies", js, policyOf(`{"kind":"collection","input":{"tap":"wired","input_type":"pcap","config":{"iface":"missing0"}},"handlers":{"modules":{}}}`), 500, `policy [p] failed to start: Couldn't find interface`},
		{"PUT", "/api/v1/policies/q", js, policyOf(`{"kind":"collection","input":{"tap":"wired","input_type":"pcap"},"handlers":{"modules":{}}}`), 400, `the path names policy 'q', the body 'p'`},
		{"PUT", "/api/v1/policies/p", js, policyOf(`{"kind":"collection","input":{"tap":"wired","input_type":"pcap"},"handlers":{"modules":{}}}`), 200, `"modules":{}`},
		{"PUT", "/api/v1/policies/p", js, policyOf(`{"kind":"collection","input":{"tap":"wired","input_type":"pcap"},"handlers":{"modules":{"net":{"type":"net"}}}}`), 200, `"p-wired-net"`},
		{"POST", "/api/v1/policies", js, strings.Replace(policyOf(`{"kind":"collection","config":{"original":"none"},"input":{"tap":"wired","input_type":"pcap"},"handlers":{"modules":{}}}`), `"p"`, `"drill"`, 1), 409, `the original policy has changed: policy 'none' does not exist`},
		{"POST", "/api/v1/policies", js, policyOf(`{"kind":"collection","input":{"tap":"wired","input_type":"pcap"},"handlers":{"modules":{}}}`), 409, `{"error":"policy with name 'p' already defined"}`},
		{"DELETE", "/api/v1/policies/p", "", "", 200, `{}`},

		{"POST", "/api/v1/taps?strict=1", js, `{"visor":{"taps":{"new":{"input_type":"mock","filter":{}}}}}`, 400, `{"error":"tap 'new' has no key 'filter'. Its keys are: input_type, config, tags, anonymize (line 1, column 46)","errors":[{"column":46,"line":1,"nearest":"","severity":"error","text":"tap 'new' has no key`},
		{"POST", "/api/v1/taps", js, `{"visor":{"taps":{"new":{"input_type":"mock","filter":{}}}},"orb":1}`, 201, `"tags":null,"warnings":["the document has no key 'orb'. Its keys are: version, visor (line 1, column 61)","tap 'new' has no key 'filter'.`},
		{"GET", "/api/v1/taps/new", "", "", 200, `{"new":{"config":{},"input_type":"mock","interface":"visor.module.input/1.0","tags":null}}`},
		{"DELETE", "/api/v1/taps/new", "", "", 200, `{}`},
		{"POST", "/api/v1/taps", js, `{"new":{"config":{},"input_type":"mock","interface":"visor.module.input/1.0","tags":null}}`, 201, `"new":{`},
		{"POST", "/api/v1/taps", js, `{"visor":{"taps":{"secret":{"input_type":"mock","config":{"token":"<redacted>"}}}}}`, 400, `<redacted>`},
		{"POST", "/api/v1/policies", js, policyOf(`{"kind":"collection","input":{"tap":"wired","input_type":"pcap"},"handlers":{"config":{},"modules":{}}}`), 201, `"warnings":["'handlers' has no key 'config'. Its keys are: window_config, modules (line 1,`},
		{"DELETE", "/api/v1/policies/p", "", "", 200, `{}`},
		{"POST", "/api/v1/policies", js, policyOf(`{"kind":"collection","input":{"tap":"wired","input_type":"pcap"},"handlers":{"modules":{"n":{"type":"net","config":{"x":1}}}}}`), 400, `policy [p] failed to start: x is an invalid/unsupported config or filter`},

		{"GET", "/healthz", "", "", 200, "ok"},
		{"GET", "/readyz", "", "", 200, "ready"},
		{"GET", "/api/v1/schemas", "", "", 200, `"dns-2.0"`},
		{"GET", "/api/v1/schemas/dns-2.0", "", "", 200, `"title": "dns 2.0"`},
		{"GET", "/api/v1/schemas/dns-3.0", "", "", 404, `is not there`},
		{"DELETE", "/api/v1/server", "", "", 200, ""},
	} {
		w := a.do(tt.method, tt.path, tt.typ, tt.body)
		require.Equal(t, tt.status, w.Code, "%s %s: %s", tt.method, tt.path, w.Body)
		if tt.answer == "" {
			require.Empty(t, w.Body.String(), "%s %s", tt.method, tt.path)
		}
		require.Contains(t, w.Body.String(), tt.answer, "%s %s", tt.method, tt.path)
	}
	require.Empty(t, a.manager.Policies())
}

func TestMetrics(t *testing.T) {
	a := newAgent(t, httpapi.Config{Admin: true, Instance: "edge-1"})
	a.create("default")
	a.create("other")
	w := a.do("GET", "/api/v1/metrics/bucket/1", "", "")
	require.Equal(t, 200, w.Code)
	var summary map[string]map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &summary))
	require.Contains(t, summary["1m"], "period", "a copy of the first module's")
	require.Contains(t, summary["1m"], "packets")
	w = a.do("GET", "/api/v1/metrics/window/3", "", "")
	require.Contains(t, w.Body.String(), `{"3m":{"bgp":`)
	require.NotContains(t, w.Body.String(), "\n")
	for path, want := range map[string]string{
		"/api/v1/metrics/window/9":                                               `{"error":"invalid metrics period, specify [2, 3]"}`,
		"/api/v1/policies/other/metrics/bucket/3":                                `{"error":"invalid metrics period, specify [0, 2]"}`,
		"/api/v1/policies/other/metrics/window/1":                                `{"error":"invalid metrics period, specify [2, 3]"}`,
		"/api/v1/policies/other/metrics/bucket/99999999999999999999999999999999": `{"error":"invalid metrics period, specify [0, 2]"}`,
	} {
		w := a.do("GET", path, "", "")
		require.Equal(t, want, w.Body.String())
		require.Equal(t, map[bool]int{true: 500, false: 425}[strings.Contains(path, "v1/metrics")], w.Code)
	}
	w = a.do("GET", "/api/v1/policies/__all/metrics/bucket/0", "", "")
	var policies map[string]map[string]any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &policies))
	require.Len(t, policies, 3, "the input's own")
	require.Len(t, policies["other"], 7)

	text := a.do("GET", "/metrics", "", "").Body.String()
	require.Contains(t, text, `packets_total{instance="edge-1",policy="default",tap="wired"}`)
	text = a.do("GET", "/api/v1/policies/__all/metrics/prometheus", "", "").Body.String()
	for _, want := range []string{`handler="other-wired-net",policy="other",tap="wired"}`, `handler="default-wired-net",policy="default",tap="wired"}`, "base_total{"} {
		require.Contains(t, text, want)
	}
	require.Equal(t, 1, strings.Count(text, "# TYPE packets_total gauge"))
	require.True(t, strings.HasSuffix(text, "}\n") || strings.HasSuffix(text, "\n"))
	require.NotContains(t, text, "\n\n")

	w = a.do("GET", "/api/v1/policies", "", "")
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &policies))
	require.Len(t, policies, 3)
	require.Contains(t, w.Body.String(), `"consumers":1,"running":false`)
	require.Contains(t, w.Body.String(), `"read_only":true`)
	require.Regexp(t, `"dns":\{"xact":\{"open":[1-9]\d*\}\}`, w.Body.String(), "queries that nobody answered")
	require.Equal(t, 200, a.do("DELETE", "/api/v1/taps/wired", "", "").Code)
	require.Contains(t, a.do("GET", "/api/v1/policies/other", "", "").Body.String(), `"taps":{}`, "it runs on")
}

// TestSecrets checks that no answer contains the headers and bodies of probes.
func TestSecrets(t *testing.T) {
	a := newAgent(t, httpapi.Config{Admin: true})
	tap := `{"visor":{"taps":{"web":{"input_type":"netprobe","config":{"test_type":"http","http_method":"POST","body":"secret","proxy":"http://secret@p",
		"targets":{"one":{"target":"https://me:secret@example.com/","headers":{"Authorization":"secret"}}}}}}}}`
	pol := `{"visor":{"policies":{"p":{"kind":"collection","input":{"tap":"web","input_type":"netprobe","config":{"expected_body":"secret"}},"handlers":{"modules":{"n":{"type":"netprobe"}}}}}}}`
	for _, tt := range []struct {
		method, path, body string
		status             int
		shown              string
	}{
		{"POST", "/api/v1/taps", tap, 201, `"headers":{"Authorization":"<redacted>"}`},
		{"GET", "/api/v1/taps/web", "", 200, `"target":"https://<redacted>@example.com/"`},
		{"GET", "/api/v1/taps", "", 200, `"proxy":"<redacted>"`},
		{"POST", "/api/v1/policies", pol, 201, `"header_names":["Authorization"]`},
		{"GET", "/api/v1/policies", "", 200, `"expected_body":"<redacted>"`},
		{"GET", "/api/v1/policies/p", "", 200, `"body":"<redacted>"`},
	} {
		w := a.do(tt.method, tt.path, "application/json", tt.body)
		require.Equal(t, tt.status, w.Code, w.Body)
		body := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(w.Body.String())
		require.Contains(t, body, tt.shown)
		require.NotContains(t, body, "secret")
	}
}

// TestStrict checks that an agent can reject all documents with warnings.
func TestStrict(t *testing.T) {
	a := newAgent(t, httpapi.Config{Admin: true, Strict: true})
	w := a.do("POST", "/api/v1/taps", "application/json", `{"visor":{"taps":{"new":{"input_type":"mock","tag":{}}}}}`)
	require.Equal(t, 400, w.Code)
	require.Contains(t, w.Body.String(), "did you mean 'tags'?")
	require.Equal(t, 201, a.do("POST", "/api/v1/taps", "application/json", `{"visor":{"taps":{"new":{"input_type":"mock","tags":{}}}}}`).Code)
}

// TestAllowedOnTap: a policy on a tap that hides addresses gets the warnings that a configuration
// file with both would get.
func TestAllowedOnTap(t *testing.T) {
	a := newAgent(t, httpapi.Config{Admin: true})
	require.Equal(t, 201, a.do("POST", "/api/v1/taps", "application/json", `{"visor":{"taps":{"hiding":{"input_type":"mock","anonymize":{"v4":24}}}}}`).Code)
	doc := `{"visor":{"policies":{"p":{"kind":"collection","input":{"tap":"hiding","input_type":"mock"},"findings":{"allow_clients":["192.0.2.1"]},"handlers":{"modules":{"net":{"type":"net"}}}}}}}`
	w := a.do("POST", "/api/v1/policies?strict=1", "application/json", doc)
	require.Equal(t, 400, w.Code)
	require.Contains(t, w.Body.String(), "matches no client: anonymize shows its clients as 192.0.2.0 (line 1, column")
	w = a.do("POST", "/api/v1/policies", "application/json", doc)
	require.Equal(t, 201, w.Code)
	require.Contains(t, w.Body.String(), "matches no client")
}

// TestReadOnly checks the answers for clients without permission to change.
func TestReadOnly(t *testing.T) {
	a := newAgent(t, httpapi.Config{})
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH"} {
		for _, path := range []string{"/api/v1/taps", "/api/v1/taps/wired", "/api/v1/policies", "/api/v1/policies/p", "/api/v1/server", "/metrics"} {
			w := a.do(method, path, "application/x-yaml", all("p"))
			require.Equal(t, 404, w.Code)
			require.Contains(t, w.Body.String(), " is not there")
			require.Equal(t, method != "PATCH", strings.Contains(w.Body.String(), "changes need the admin API"))
		}
	}
	require.Empty(t, a.manager.Policies())
	require.Len(t, a.manager.Taps(), 2)
}

func TestToken(t *testing.T) {
	a := newAgent(t, httpapi.Config{Token: "s3cret", Profile: true})
	for _, tt := range []struct {
		path, header string
		status       int
	}{
		{"/api/v1/taps", "", 401},
		{"/api/v1/taps", "Bearer s3cre", 401},
		{"/api/v1/taps", "Basic s3cret", 401},
		{"/api/v1/taps", "Bearer s3cret", 200},
		{"/api/v1/taps", "bearer s3cret", 200},
		{"/api/v1/taps", "BEARER  s3cret ", 200},
		{"/api/v1/taps", "s3cret", 401},
		{"/debug/pprof/cmdline", "", 401},
		{"/debug/pprof/cmdline", "Bearer s3cret", 200},
		{"/nothing", "", 404},
		{"/healthz", "", 200},
		{"/readyz", "", 200},
	} {
		req := httptest.NewRequest("GET", tt.path, nil)
		req.Header.Set("Authorization", tt.header)
		w := httptest.NewRecorder()
		a.api.ServeHTTP(w, req)
		if strings.HasPrefix(tt.path, "/api/") {
			a.validate("GET", tt.path, w)
		}
		require.Equal(t, tt.status, w.Code, tt.path)
		require.Equal(t, tt.status == 401, w.Header().Get("WWW-Authenticate") != "")
	}
}

// TestCounters checks the totals of one policy and of all, as text and in protobuf.
func TestCounters(t *testing.T) {
	a := newAgent(t, httpapi.Config{Admin: true, Instance: "ns1"})
	a.create("first")
	a.create("second")
	all := a.do("GET", "/metrics/counters", "", "")
	require.Equal(t, 200, all.Code)
	require.Equal(t, "text/plain; version=0.0.4; charset=utf-8", all.Header().Get("Content-Type"))
	one := a.do("GET", "/api/v1/policies/first/metrics/counters", "", "")
	require.Contains(t, all.Body.String(), `policy="second"`)
	require.Contains(t, all.Body.String(), "# TYPE visor_input_frames_total counter")
	require.Contains(t, one.Body.String(), `visor_net_observed_events_total{instance="ns1",`)
	require.NotContains(t, one.Body.String(), `policy="second"`)
	for line := range strings.Lines(one.Body.String()) {
		require.Regexp(t, "^(# HELP |# TYPE )?visor_", line)
	}
	require.Equal(t, 404, a.do("GET", "/api/v1/policies/third/metrics/counters", "", "").Code)

	r := httptest.NewRequest("GET", "/metrics/counters", nil)
	r.Header.Set("Accept", protobuf.ContentType)
	w := httptest.NewRecorder()
	a.api.ServeHTTP(w, r)
	require.Equal(t, protobuf.ContentType, w.Header().Get("Content-Type"))
}

func TestReady(t *testing.T) {
	a := newAgent(t, httpapi.Config{Ready: func() error { return errors.New("about to end") }})
	w := a.do("GET", "/readyz", "", "")
	require.Equal(t, 503, w.Code)
	require.Equal(t, "about to end\n", w.Body.String())
	require.Equal(t, 200, a.do("GET", "/healthz", "", "").Code)
}

func TestConfig(t *testing.T) {
	_, err := httpapi.New(httpapi.Config{})
	require.ErrorContains(t, err, "Config.Policies is required")
}

// TestRecording checks that the answer for a policy on a recording waits until the recording is
// read.
func TestRecording(t *testing.T) {
	m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog()})
	defer m.Close()
	path := filepath.Join(t.TempDir(), "a.pcap")
	_, err := trafficgen.WriteFile(path, trafficgen.VariedDNS(5000))
	require.NoError(t, err)
	require.NoError(t, m.AddTap(policy.Tap{Name: "wired", InputType: "pcap", Config: policy.Options{"pcap_file": path}}))
	api, err := httpapi.New(httpapi.Config{Policies: m, Admin: true, Hosts: []string{"example.com"}})
	require.NoError(t, err)
	a := &agent{t: t, api: api, manager: m}
	a.describe("")
	// the file is read again for the second policy
	for _, name := range []string{"first", "second"} {
		require.Equal(t, 201, a.do("POST", "/api/v1/policies", "application/x-yaml", all(name)).Code)
		require.Contains(t, a.do("GET", "/api/v1/policies/"+name+"/metrics/window/3", "", "").Body.String(), `"events":5000`)
	}
}

// TestOpenAPIGolden keeps the OpenAPI document, so that changes of the API show in a review.
func TestOpenAPIGolden(t *testing.T) {
	a := newAgent(t, httpapi.Config{Admin: true, Token: "x", Version: "4.5.0", Stop: func() {}})
	req := httptest.NewRequest("GET", "/openapi.json", nil)
	req.Header.Set("Authorization", "Bearer x")
	w := httptest.NewRecorder()
	a.api.ServeHTTP(w, req)
	var b bytes.Buffer
	require.NoError(t, json.Indent(&b, w.Body.Bytes(), "", " "))
	golden.Equal(t, "testdata/openapi.json", append(b.Bytes(), '\n'))
	a.description.Compile(t)
}
