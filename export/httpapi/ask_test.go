package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/export/httpapi"
	"visor/handler/anonymize"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
	"visor/internal/packettest"
	"visor/internal/wait"
)

// questions is a server whose policy "p" counts a live tap.
type questions struct {
	*agent
	server *httptest.Server
	tap    *capture.Feed
}

func newQuestions(t *testing.T, keys ...string) *questions {
	tap := capture.NewFeed()
	m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog(), Open: func(typ string, _, _ policy.Options) (policy.Opened, error) {
		if typ != "pcap" {
			return policy.NewOpened(capture.NewFeed()), nil
		}
		return policy.NewOpened(tap), nil
	}})
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	doc, err := builtin.Catalog().Parse([]byte(`
visor:
  taps: {wired: {input_type: pcap, config: {iface: eth0}}, routers: {input_type: flow, config: {bind: 127.0.0.1, port: 2055}}}
  policies:
    p: {` + strings.Join(keys, "") + `kind: collection, input: {tap: wired, input_type: pcap, filter: {bpf: "port 53"}}, handlers: {modules: {dns: {type: dns}}}}
`))
	require.NoError(t, err)
	require.NoError(t, m.Load(doc))
	api, err := httpapi.New(httpapi.Config{Policies: m, Admin: true})
	require.NoError(t, err)
	q := &questions{agent: &agent{t: t, api: api, manager: m}, tap: tap}
	q.server = httptest.NewUnstartedServer(api)
	q.server.Config = httpapi.NewServer(api)
	q.server.Config.ReadTimeout, q.server.Config.WriteTimeout = 500*time.Millisecond, 500*time.Millisecond
	q.server.Start()
	t.Cleanup(q.server.Close)
	return q
}

// drills returns the number of temporary policies.
func (q *questions) drills() (n int) {
	for _, p := range q.manager.Policies() {
		if strings.HasPrefix(p.Policy.Name, "drill-") {
			n++
		}
	}
	return n
}

// send submits queries and replies of two clients until the test stops it.
func (q *questions) send() (stop func()) {
	quit := make(chan struct{})
	var working sync.WaitGroup
	working.Go(func() {
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for i := uint16(0); ; i++ {
			select {
			case <-quit:
				return
			case <-ticker.C:
			}
			for client, name := range map[string]string{"198.51.100.1:4000": "deleted.example.com", "198.51.100.2:4000": "www.example.com"} {
				query := packettest.Query(i, name, 1)
				for _, f := range []capture.Frame{packettest.UDP(0, client, "192.0.2.53:53", query), packettest.UDP(0, "192.0.2.53:53", client, packettest.Reply(query, 3, 0))} {
					q.tap.Packet(time.Now().UnixNano(), decode.LinkEthernet, f.Data)
				}
			}
		}
	})
	return func() { close(quit); working.Wait() }
}

// post asks a question. It may be called from any goroutine.
func (q *questions) post(ctx context.Context, body string) (status int, retry string, answer map[string]json.RawMessage) {
	req, err := http.NewRequestWithContext(ctx, "POST", q.server.URL+"/api/v1/policies/p/ask", strings.NewReader(body))
	assert.NoError(q.t, err)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", nil
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	assert.NoError(q.t, err)
	assert.NoError(q.t, json.NewDecoder(bytes.NewReader(b)).Decode(&answer), "%s", b)
	return resp.StatusCode, resp.Header.Get("Retry-After"), answer
}

// A question is answered with the counts of its traffic alone, later than the server's timeouts
// allow other requests. Then its policy is gone.
func TestAsk(t *testing.T) {
	t.Parallel() // it waits
	q := newQuestions(t)
	defer q.send()()
	var asking sync.WaitGroup // at once, because each takes a second
	for body, want := range map[string]string{
		`{"qname": "deleted.example.com", "for": "1s"}`: `(?s)"answer":"In 1s, one client asked for deleted.example.com: \d+ queries \(A \d+\), \d+ replies \(NXDOMAIN \d+\)\. Clients by queries: 198\.51\.100\.1 \(\d+\)\. First`,
		`{"client": "198.51.100.2", "for": 1.5}`:        `one client at 198\.51\.100\.2 asked: .* Names by queries: www\.example\.com \(`,
		`{"qname": "none.example.com", "for": "1s"}`:    `no client asked for none\.example\.com\.`,
	} {
		asking.Go(func() {
			status, _, answer := q.post(t.Context(), body)
			assert.Equal(t, 200, status, "%v", answer)
			text, err := json.Marshal(answer)
			assert.NoError(t, err)
			assert.Regexp(t, want, string(text))
			var metrics map[string]map[string]map[string]any
			assert.NoError(t, json.Unmarshal(answer["metrics"], &metrics))
			assert.Len(t, metrics["p"], 3, "asks, dns and net")
		})
	}
	asking.Wait()
	require.Zero(t, q.drills())
}

// TestAskAnonymized: the answer about an anonymized policy is, too. A question about fewer hosts
// than the policy shows as one is refused.
func TestAskAnonymized(t *testing.T) {
	t.Parallel() // it waits
	q := newQuestions(t, "anonymize: {v4: 24}, ")
	defer q.send()()
	for _, client := range []string{"198.51.100.2", "198.51.100.0/25", "2001:db8::1"} {
		status, _, answer := q.post(t.Context(), `{"client": "`+client+`", "for": "1s"}`)
		require.Equal(t, 422, status)
		require.Contains(t, string(answer["error"]), "the policy anonymizes addresses (/24 and /48")
	}
	for _, name := range []string{"2.100.51.198.in-addr.arpa", "*.2.100.51.198.IN-ADDR.ARPA.", "1.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"} {
		status, _, answer := q.post(t.Context(), `{"qname": "`+name+`", "for": "1s"}`)
		require.Equal(t, 422, status)
		require.Contains(t, string(answer["error"]), "the name of one is more exact")
	}
	status, _, _ := q.post(t.Context(), `{"qname": "*.100.51.198.in-addr.arpa", "for": "1s"}`)
	require.Equal(t, 200, status, "lists show it, too")
	var asking sync.WaitGroup
	for _, body := range []string{`{"client": "198.51.100.0/24", "for": "1s"}`, `{"qname": "deleted.example.com", "for": "1s"}`} {
		asking.Go(func() {
			status, _, answer := q.post(t.Context(), body)
			assert.Equal(t, 200, status, "%v", answer)
			assert.Contains(t, string(answer["answer"]), "198.51.100.0 (")
			for key, text := range answer {
				assert.NotRegexp(t, `198\.51\.100\.[12]\b`, string(text), key)
			}
		})
	}
	asking.Wait()
	resp, err := http.Get(q.server.URL + "/api/v1/policies/p")
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Contains(t, string(text), `"anonymize":{"v4":24}`)
}

// TestAskAnonymizedMeanwhile: a question ends when its policy begins to hide addresses, and so does
// one whose temporary policy is removed.
func TestAskAnonymizedMeanwhile(t *testing.T) {
	q := newQuestions(t)
	drill := func() (name string) {
		for _, p := range q.manager.Policies() {
			if strings.HasPrefix(p.Policy.Name, "drill-") {
				name = p.Policy.Name
			}
		}
		return name
	}
	for _, tt := range []struct {
		change func()
		want   string
	}{
		{func() { require.NoError(t, q.manager.RemovePolicy(drill())) }, `"the question was ended early: it was removed"`},
		{func() {
			p := q.manager.Policy("p").Policy
			p.Anonymize = &anonymize.Config{IPv4: 16}
			_, err := q.manager.ReplacePolicy(p)
			require.NoError(t, err)
		}, `"the question was ended early: policy 'p' shows addresses in another way now"`},
		{func() { require.NoError(t, q.manager.RemovePolicy("p")) }, `"the question was ended early: policy 'p' has ended"`},
	} {
		var asking sync.WaitGroup
		asking.Go(func() {
			status, _, answer := q.post(t.Context(), `{"qname": "deleted.example.com", "for": "300s"}`)
			assert.Equal(t, 409, status, tt.want)
			assert.JSONEq(t, tt.want, string(answer["error"]))
		})
		wait.Until(t, func() bool { return q.drills() == 1 })
		tt.change()
		asking.Wait()
		require.Zero(t, q.drills())
	}
}

// TestShutdown: a server that ends answers the questions that it had, and waits for none.
func TestShutdown(t *testing.T) {
	q := newQuestions(t)
	var asking sync.WaitGroup
	asking.Go(func() {
		status, _, answer := q.post(t.Context(), `{"qname": "deleted.example.com", "for": "300s"}`)
		assert.Equal(t, 503, status)
		assert.JSONEq(t, `"the question was ended early: the program ends"`, string(answer["error"]))
	})
	wait.Until(t, func() bool { return q.drills() == 1 })
	require.NoError(t, q.server.Config.Shutdown(t.Context()))
	asking.Wait()
	require.Zero(t, q.drills())
}

// Four questions are answered at once. A client that goes away makes room for another.
func TestAskBounds(t *testing.T) {
	t.Parallel() // it waits
	q := newQuestions(t)
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() { q.post(ctx, `{"qname": "deleted.example.com", "for": "300s"}`) })
	}
	wait.Until(t, func() bool { return q.drills() == 4 })
	status, retry, answer := q.post(t.Context(), `{"qname": "deleted.example.com"}`)
	require.Equal(t, 503, status)
	require.Contains(t, string(answer["error"]), "4 questions are being answered")
	require.Regexp(t, `^(2\d\d|300|301)$`, retry)
	cancel()
	clients.Wait()
	wait.Until(t, func() bool { return q.drills() == 0 })
	status, _, _ = q.post(t.Context(), `{"qname": "deleted.example.com", "for": "1s"}`)
	require.Equal(t, 200, status)
}

func TestWrongQuestions(t *testing.T) {
	a := newAgent(t, httpapi.Config{Admin: true})
	a.create("recorded")
	for _, tt := range []struct {
		policy, body string
		status       int
		want         string
	}{
		{"none", `{"qname": "a"}`, 404, "policy does not exist"},
		{"recorded", `{"qname": "a"}`, 422, "tap wired reads a recording: ask visor-reader"},
		{"recorded", `{}`, 400, "one of qname, client and asn is required"},
		{"recorded", `{"qname": "a", "for": "301s"}`, 400, "for: 5m1s: must be from 1s to 5m0s"},
		{"recorded", `{"qname": "a", "for": "soon"}`, 400, `for: \"soon\" is not a length of time`},
		{"recorded", `{"qname": "a", "name": "b"}`, 400, `unknown field \"name\"`},
		{"recorded", `{"client": "x"}`, 400, `must be an address or a network`},
		{"recorded", `{"asn": "Example"}`, 400, `must be the number of an autonomous system`},
		{"recorded", `{"asn": 4294967296}`, 400, `must be the number of an autonomous system`},
		{"recorded", `qname`, 400, `not a question as {\"qname\": \"www.example.com\"`},
	} {
		w := a.do("POST", "/api/v1/policies/"+tt.policy+"/ask", "application/json", tt.body)
		require.Equal(t, tt.status, w.Code, w.Body)
		require.Contains(t, w.Body.String(), tt.want)
	}
	q := newQuestions(t)
	status, _, answer := q.post(t.Context(), `{"asn": 64500}`)
	require.Equal(t, 422, status)
	require.Contains(t, string(answer["error"]), "no database of autonomous systems")
	require.NoError(t, q.manager.RemoveTap("wired"))
	status, _, answer = q.post(t.Context(), `{"qname": "a"}`)
	require.Equal(t, 422, status)
	require.Contains(t, string(answer["error"]), "tap wired was deleted: create it again first")
	_, err := q.manager.AddPolicy(policy.Policy{Name: "flows", Input: policy.Input{Tap: "routers", InputType: "flow"}})
	require.NoError(t, err)
	resp, err := http.Post(q.server.URL+"/api/v1/policies/flows/ask", "application/json", strings.NewReader(`{"qname": "a"}`))
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, 422, resp.StatusCode)
	require.Contains(t, string(body), "tap routers has no DNS messages: its type is flow")
	require.Equal(t, 404, newAgent(t, httpapi.Config{}).do("POST", "/api/v1/policies/p/ask", "application/json", "{}").Code, "it needs the admin API")
}
