package probe_test

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/probe"
	"visor/decode/probemsg"
	"visor/internal/certtest"
)

// first returns the first event of a test of one target. For a failed test it skips Sent.
func first(t *testing.T, cfg probe.Config) probemsg.Event {
	cfg.Interval, cfg.Timeout = time.Minute, cmp.Or(cfg.Timeout, 20*time.Second)
	src, err := probe.New(cfg)
	require.NoError(t, err)
	defer func() { require.NoError(t, src.Close()) }()
	return next(t, src)
}

// next returns the next event other than Sent.
func next(t *testing.T, src capture.Source) probemsg.Event {
	var b capture.Batch
	for {
		require.NoError(t, src.ReadBatch(&b))
		e, err := probemsg.Parse(b.Frames[len(b.Frames)-1].Data)
		require.NoError(t, err)
		if e.Kind != probemsg.Sent {
			return e
		}
	}
}

// site serves the pages of the tests.
func site(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/status":
		code := 0
		fmt.Sscan(r.URL.RawQuery, &code)
		w.WriteHeader(code)
	case "/json":
		io.WriteString(w, `{"status":"ok","n":42,"on":true,"x":1.50,"list":[{"b":2,"a":"<1>"}],"a/b":null}`)
	case "/headers":
		w.Header()["X-Mode"] = []string{"one", "two"}
		w.Header().Set("Last-Modified", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
	case "/many-headers":
		for i := range 70 {
			w.Header().Set(fmt.Sprint("X-", i), strings.Repeat("a", 1000))
		}
	case "/redirect":
		n := 0
		fmt.Sscan(r.URL.RawQuery, &n)
		if n > 0 {
			http.Redirect(w, r, fmt.Sprint("/redirect?", n-1), http.StatusFound)
		}
	case "/elsewhere":
		w.Header().Set("Location", "ftp://example.com/")
		w.WriteHeader(http.StatusFound)
	case "/echo":
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %q %s %s|%s", r.Method, r.Host, body, r.Header.Get("X-Own"), r.UserAgent(), r.Header.Get("Accept-Encoding"))
	case "/large":
		io.WriteString(w, strings.Repeat("a", 2000)+"end")
	case "/slow":
		<-r.Context().Done()
	case "/cut":
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "short")
	}
}

// TestHTTP checks responses of a server against conditions.
func TestHTTP(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(site))
	defer server.Close()
	re := regexp.MustCompile
	pointer := func(p string) *probe.JSONCheck {
		tokens, ok := probe.ParsePointer(p)
		require.True(t, ok)
		return &probe.JSONCheck{Pointer: tokens}
	}
	equals := func(p, want string) probe.Checks {
		check := pointer(p)
		check.Equals = &want
		return probe.Checks{JSON: check}
	}
	const good, badStatus, bad = probemsg.Success, probemsg.BadStatus, probemsg.BadContent
	for _, tt := range []struct {
		path   string
		checks probe.Checks
		want   probemsg.Outcome
		status uint16
	}{
		{"/status?200", probe.Checks{}, good, 200},
		{"/status?304", probe.Checks{}, good, 304},
		{"/status?400", probe.Checks{}, badStatus, 400},
		{"/status?503", probe.Checks{}, badStatus, 503},
		{"/status?503", probe.Checks{Expected: []probe.Statuses{{Low: 500, High: 599}}}, good, 503},
		{"/status?503", probe.Checks{Expected: []probe.Statuses{{Low: 500, High: 599}}, Failure: []probe.Statuses{{Low: 503, High: 503}}}, badStatus, 503},
		{"/status?200", probe.Checks{Expected: []probe.Statuses{{Low: 204, High: 204}}}, badStatus, 200},
		{"/redirect?3", probe.Checks{}, good, 200},
		{"/redirect?10", probe.Checks{}, good, 200},
		{"/json", probe.Checks{Contains: `"status":"ok"`, Matches: re(`"n":\d+`)}, good, 200},
		{"/json", probe.Checks{Contains: "nothing"}, bad, 200},
		{"/json", probe.Checks{Matches: re("^ok$")}, bad, 200},
		{"/json", probe.Checks{NotContains: "status"}, bad, 200},
		{"/json", probe.Checks{NotMatches: re("st.tus")}, bad, 200},
		{"/json", probe.Checks{NotContains: "error", NotMatches: re("fail")}, good, 200},
		{"/json", probe.Checks{JSON: pointer("")}, good, 200},
		{"/json", probe.Checks{JSON: pointer("/a~1b")}, good, 200},
		{"/json", probe.Checks{JSON: pointer("/missing")}, bad, 200},
		{"/json", probe.Checks{JSON: pointer("/list/1")}, bad, 200},
		{"/json", probe.Checks{JSON: pointer("/list/00")}, bad, 200},
		{"/json", equals("/status", "ok"), good, 200},
		{"/json", equals("/status", `"ok"`), bad, 200},
		{"/json", equals("/n", "42"), good, 200},
		{"/json", equals("/x", "1.5"), good, 200},
		{"/json", equals("/on", "true"), good, 200},
		{"/json", equals("/list/0", `{"a":"<1>","b":2}`), good, 200},
		{"/large", equals("", ""), bad, 200},
		{"/json", probe.Checks{Sizes: &probe.Sizes{Min: 10, Max: 1000}}, good, 200},
		{"/json", probe.Checks{Sizes: &probe.Sizes{Max: 0}}, bad, 200},
		{"/status?200", probe.Checks{Sizes: &probe.Sizes{Max: 0}}, good, 200},
		{"/large", probe.Checks{Sizes: &probe.Sizes{Min: 2003, Max: 2003}, Contains: "end"}, good, 200},
		// longer than the limit
		{"/large", probe.Checks{MaxBody: 100, Contains: "end", Matches: re("end"), JSON: pointer("")}, good, 200},
		{"/large", probe.Checks{MaxBody: 100, NotContains: "end"}, good, 200},
		{"/large", probe.Checks{MaxBody: 100, NotContains: "aa"}, bad, 200},
		{"/headers", probe.Checks{Headers: map[string]*regexp.Regexp{"x-mode": re("^two$")}}, good, 200},
		{"/headers", probe.Checks{Headers: map[string]*regexp.Regexp{"x-mode": re("three")}}, bad, 200},
		{"/headers", probe.Checks{NotHeaders: map[string]*regexp.Regexp{"X-MODE": re("two")}}, bad, 200},
		{"/headers", probe.Checks{NotHeaders: map[string]*regexp.Regexp{"X-Mode": re("three"), "X-None": re("")}}, good, 200},
		{"/many-headers", probe.Checks{}, good, 200},
		{"/many-headers", probe.Checks{NotHeaders: map[string]*regexp.Regexp{"X-None": re("")}}, bad, 200},
		{"/headers", probe.Checks{MaxAge: 2 * time.Hour}, good, 200},
		{"/headers", probe.Checks{MaxAge: time.Minute}, bad, 200},
		{"/json", probe.Checks{MaxAge: time.Minute}, bad, 200},
		{"/json", probe.Checks{HTTPVersions: []string{"1.0", "1.1"}}, good, 200},
		{"/json", probe.Checks{HTTPVersions: []string{"2"}}, bad, 200},
	} {
		e := first(t, probe.Config{Test: probe.HTTP, Checks: tt.checks, Targets: []probe.Target{{Name: "web", Host: server.URL + tt.path}}})
		require.Equal(t, probemsg.Responded, e.Kind, tt.path)
		require.Equal(t, []any{tt.want, tt.status, uint16(probemsg.NoRCode)}, []any{e.Response.Outcome, e.Response.Status, e.Response.RCode}, "%s %+v", tt.path, tt.checks)
		require.Equal(t, "web", string(e.Target))
		require.Zero(t, e.Response.TLS+e.Response.Expiry)
	}
}

// TestHTTPRequest checks that headers and a body are sent, and that the test then does not follow
// redirects.
func TestHTTPRequest(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(site))
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)
	run := func(path, want string, req probe.Request, target probe.Target) probemsg.Event {
		target.Host = cmp.Or(target.Host, server.URL) + path
		return first(t, probe.Config{Test: probe.HTTP, Request: req, Checks: probe.Checks{Matches: regexp.MustCompile(want)}, Targets: []probe.Target{target}})
	}
	for _, e := range []probemsg.Event{
		run("/echo", `^GET 127.0.0.1:\d+ ""  pktvisor/4.5.0 \(visor\)\|$`, probe.Request{}, probe.Target{}),
		run("/echo", `^PUT virtual "hello" mine me\|$`, probe.Request{Method: "PUT", Body: "hello"}, probe.Target{Headers: map[string]string{"x-own": "mine", "Host": "virtual", "User-Agent": "me"}}),
		run("/echo", `^GET somewhere.example:`, probe.Request{}, probe.Target{Host: "http://somewhere.example:" + port, Routes: []probe.Route{{Host: "Somewhere.Example", Port: port, Address: "[127.0.0.1]"}}}),
		run("/echo", `^GET localhost:`, probe.Request{}, probe.Target{Host: "http://localhost:" + port, Version: 4}),
		run("/echo", `^GET through.example `, probe.Request{Proxy: server.Listener.Addr().String()}, probe.Target{Host: "http://through.example"}),
	} {
		require.Equal(t, probemsg.Success, e.Response.Outcome)
	}
	require.Equal(t, uint16(302), run("/redirect?1", "", probe.Request{}, probe.Target{Headers: map[string]string{"A": "b"}}).Response.Status)
	require.Equal(t, uint16(302), run("/redirect?1", "", probe.Request{Method: "POST", Body: "a"}, probe.Target{}).Response.Status)
}

// TestHTTPFailures checks that failures without a response are distinguished.
func TestHTTPFailures(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(site))
	defer server.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	nowhere := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no network") }}
	for name, tt := range map[string]struct {
		cfg  probe.Config
		url  string
		want probemsg.Kind
	}{
		"time is over":       {probe.Config{Timeout: 50 * time.Millisecond}, server.URL + "/slow", probemsg.TimedOut},
		"no such name":       {probe.Config{Resolver: nowhere}, "http://nowhere.example/", probemsg.LookupFailed},
		"no such proxy":      {probe.Config{Resolver: nowhere, Request: probe.Request{Proxy: "http://nowhere.example:3128"}}, server.URL, probemsg.LookupFailed},
		"odd proxy":          {probe.Config{Request: probe.Request{Proxy: "http://a b"}}, server.URL, probemsg.ConnectFailed},
		"refused":            {probe.Config{}, "http://" + closed.Addr().String(), probemsg.ConnectFailed},
		"no TLS":             {probe.Config{}, strings.Replace(server.URL, "http", "https", 1), probemsg.ConnectFailed},
		"too many redirects": {probe.Config{}, server.URL + "/redirect?11", probemsg.ConnectFailed},
		"redirect to FTP":    {probe.Config{}, server.URL + "/elsewhere", probemsg.ConnectFailed},
		"body cut":           {probe.Config{}, server.URL + "/cut", probemsg.ConnectFailed},
		"odd method":         {probe.Config{Request: probe.Request{Method: "A B"}}, server.URL, probemsg.ConnectFailed},
	} {
		t.Run(name, func(t *testing.T) {
			tt.cfg.Test, tt.cfg.Targets = probe.HTTP, []probe.Target{{Name: "web", Host: tt.url}}
			require.Equal(t, tt.want, first(t, tt.cfg).Kind)
		})
	}
}

// TestHTTPS checks that certificates are verified unless disabled, and that their expiry is kept
// while a connection is reused.
func TestHTTPS(t *testing.T) {
	ca := certtest.Sign(t, "authority", nil)
	client := certtest.Sign(t, "client", ca)
	serve := func(auth tls.ClientAuthType) *httptest.Server {
		server := httptest.NewUnstartedServer(http.HandlerFunc(site))
		server.EnableHTTP2, server.Config.ErrorLog = true, log.New(io.Discard, "", 0)
		server.TLS = &tls.Config{Certificates: []tls.Certificate{certtest.Sign(t, "server", ca).TLS()}, ClientCAs: ca.Pool(), ClientAuth: auth}
		server.StartTLS()
		t.Cleanup(server.Close)
		return server
	}
	server := serve(tls.VerifyClientCertIfGiven)
	run := func(cfg *tls.Config, checks probe.Checks) probemsg.Event {
		return first(t, probe.Config{Test: probe.HTTP, TLS: cfg, Checks: checks, Targets: []probe.Target{{Name: "web", Host: server.URL}}})
	}
	require.Equal(t, probemsg.ConnectFailed, run(nil, probe.Checks{}).Kind, "the authority is not one of the system's")
	for name, cfg := range map[string]*tls.Config{
		"own authority":      {RootCAs: ca.Pool()},
		"any certificate":    {InsecureSkipVerify: true},
		"client certificate": {RootCAs: ca.Pool(), Certificates: []tls.Certificate{client.TLS()}},
	} {
		e := run(cfg, probe.Checks{HTTPVersions: []string{"2"}})
		require.Equal(t, probemsg.Success, e.Response.Outcome, name)
		require.InDelta(t, float64(time.Now().Add(time.Hour).Unix()), float64(e.Response.Expiry), 600)
		require.Positive(t, e.Response.TLS)
		require.GreaterOrEqual(t, e.Response.Total, e.Response.TLS+e.Response.Connect+e.Response.First)
	}
	server = serve(tls.RequireAndVerifyClientCert)
	require.Equal(t, probemsg.ConnectFailed, run(&tls.Config{RootCAs: ca.Pool()}, probe.Checks{}).Kind, "the server wants a certificate")

	src, err := probe.New(probe.Config{
		Test: probe.HTTP, Interval: 10 * time.Millisecond, Timeout: -1, PacketInterval: 1, TLS: &tls.Config{RootCAs: ca.Pool(), Certificates: []tls.Certificate{client.TLS()}},
		Targets: []probe.Target{{Name: "web", Host: server.URL}},
	})
	require.NoError(t, err)
	defer src.Close()
	one, two := next(t, src).Response, next(t, src).Response
	require.Positive(t, one.TLS)
	require.Zero(t, two.TLS+two.Connect, "the connection is used again")
	require.Equal(t, one.Expiry, two.Expiry)
}

// TestHTTPClose checks that Close ends a request that would never end.
func TestHTTPClose(t *testing.T) {
	arrived := make(chan bool, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		arrived <- true
		<-r.Context().Done()
	}))
	defer server.Close()
	src, err := probe.New(probe.Config{Test: probe.HTTP, Timeout: -1, Targets: []probe.Target{{Name: "web", Host: server.URL}}})
	require.NoError(t, err)
	<-arrived
	require.NoError(t, src.Close())
}

// TestHTTPSilent has a server that accepts connections and does not answer. No connection may
// remain after the timeout or after Close.
func TestHTTPSilent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	src, err := probe.New(probe.Config{Test: probe.HTTP, Timeout: 50 * time.Millisecond, Targets: []probe.Target{{Name: "web", Host: "https://" + l.Addr().String()}}})
	require.NoError(t, err)
	ended := func() {
		c, err := l.Accept()
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, c) // until the client closes it
		require.NoError(t, err)
		require.NoError(t, c.Close())
	}
	ended()
	require.Equal(t, probemsg.TimedOut, next(t, src).Kind)
	require.NoError(t, src.Close())
	src, err = probe.New(probe.Config{Test: probe.HTTP, Timeout: -1, Targets: []probe.Target{{Name: "web", Host: "https://" + l.Addr().String()}}})
	require.NoError(t, err)
	c, err := l.Accept()
	require.NoError(t, err)
	defer c.Close()
	_, err = io.ReadFull(c, make([]byte, 5)) // start of the handshake
	require.NoError(t, err)
	require.NoError(t, src.Close())
	_, err = io.Copy(io.Discard, c)
	require.NoError(t, err)
}

// TestNoSecrets checks that errors about a configuration contain no secrets.
func TestNoSecrets(t *testing.T) {
	_, err := probe.New(probe.Config{Test: probe.HTTP, Targets: []probe.Target{{Name: "a", Host: "gopher://me:secret@host"}}})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "secret")
}
