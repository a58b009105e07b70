package probe

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"time"

	"visor/decode/probemsg"
)

// web asks one target by HTTP. Its connections are the target's own, and stay open between tests.
type web struct {
	src    *Source
	target *Target
	client http.Client
	query  *Query // of DoH; else nil
	expiry uint64 // of the certificates seen last
}

const maxRedirects = 10

// newWeb returns what asks a target until ctx ends: then its connections end too.
func (s *Source) newWeb(ctx context.Context, target int) *web {
	w := &web{src: s, target: &s.cfg.Targets[target]}
	w.client = http.Client{
		CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			switch {
			case !w.follows():
				return http.ErrUseLastResponse
			case len(via) > maxRedirects:
				return errors.New("probe: too many redirects")
			}
			return nil
		},
		Transport: &http.Transport{
			Proxy:                  s.proxy(),
			DialContext:            func(dial context.Context, _, addr string) (net.Conn, error) { return w.dial(ctx, dial, addr) },
			TLSClientConfig:        s.cfg.TLS.Clone(),
			DisableCompression:     true, // the size is that of what came
			ForceAttemptHTTP2:      true,
			TLSHandshakeTimeout:    max(s.cfg.Timeout, 0),
			MaxIdleConnsPerHost:    1,
			MaxResponseHeaderBytes: 1 << 20,
		},
	}
	if s.cfg.Test == DoH {
		w.query = &s.cfg.Query
	}
	return w
}

// follows reports whether the test follows redirects: not where they would take headers or a body
// to another server.
func (w *web) follows() bool {
	return w.query != nil || len(w.target.Headers) == 0 && w.src.cfg.Request.Body == ""
}

// proxy returns how requests find their proxy. One that cannot be understood fails every test.
func (s *Source) proxy() func(*http.Request) (*url.URL, error) {
	proxy := s.cfg.Request.Proxy
	if proxy == "" {
		return nil
	}
	if !strings.Contains(proxy, "://") {
		proxy = "http://" + proxy
	}
	u, err := url.Parse(proxy)
	return func(*http.Request) (*url.URL, error) { return u, err }
}

// dial connects to where a route leads, or to addr. The transport goes on with a connection when
// its request is over, for the requests to come: the test's time limits it, and the end of the
// Source ends it.
func (w *web) dial(life, ctx context.Context, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	for _, r := range w.target.Routes {
		if r.Port == port && strings.EqualFold(r.Host, host) {
			addr = net.JoinHostPort(strings.Trim(r.Address, "[]"), port)
			break
		}
	}
	ctx, cancel := w.src.limit(ctx)
	defer cancel()
	defer context.AfterFunc(life, cancel)()
	d := net.Dialer{Resolver: w.src.cfg.Resolver}
	c, err := d.DialContext(ctx, network("tcp", w.target.Version), addr)
	if err != nil {
		return nil, err
	}
	return &conn{c, context.AfterFunc(life, func() { _ = c.Close() })}, nil
}

// conn is a connection that ends with the Source.
type conn struct {
	net.Conn
	forget func() bool
}

// Close closes the connection.
func (c *conn) Close() error {
	c.forget()
	return c.Conn.Close()
}

// network returns the name of a protocol over a version of IP.
func network(protocol string, version int) string {
	if version == 0 {
		return protocol
	}
	return protocol + strconv.Itoa(version)
}

// request returns the test's request.
func (w *web) request(ctx context.Context) (*http.Request, error) {
	cfg := &w.src.cfg.Request
	if w.query != nil {
		return w.query.request(ctx, cfg.Method, w.target.Host)
	}
	var body io.Reader
	if cfg.Body != "" {
		body = strings.NewReader(cfg.Body)
	}
	req, err := http.NewRequestWithContext(ctx, cfg.Method, w.target.Host, body)
	if err != nil {
		return nil, err
	}
	for name, value := range w.target.Headers {
		if strings.EqualFold(name, "Host") {
			req.Host = value
		}
		req.Header.Set(name, value)
	}
	return req, nil
}

// test sends a request and reports what came of it.
func (w *web) test(ctx context.Context, key uint64) {
	ctx, cancel := w.src.limit(ctx)
	defer cancel()
	var p phases
	start := time.Now()
	r, err := w.ask(httptrace.WithClientTrace(ctx, p.trace()))
	if err != nil {
		w.src.failed(ctx, key, w.target, err)
		return
	}
	r.Total = uint64(time.Since(start).Microseconds())
	p.fill(&r)
	w.src.responded(key, w.target, r)
}

// ask returns what a response is worth, without its times.
func (w *web) ask(ctx context.Context) (probemsg.Response, error) {
	req, err := w.request(ctx)
	if err != nil {
		return probemsg.Response{}, err
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", w.src.cfg.Request.UserAgent)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return probemsg.Response{}, err
	}
	defer resp.Body.Close()
	body, size, err := read(resp.Body, w.keeps())
	if err != nil {
		return probemsg.Response{}, err
	}
	if resp.TLS != nil { // it stays known for responses without
		w.expiry = expiry(*resp.TLS)
	}
	out := probemsg.Response{Status: uint16(min(resp.StatusCode, math.MaxUint16)), RCode: probemsg.NoRCode, Size: probemsg.NoSize, Expiry: w.expiry}
	if w.query != nil {
		out.Outcome, out.RCode = w.query.outcome(resp, body)
		return out, nil
	}
	checks := &w.src.cfg.Checks
	out.Outcome, out.Size = checks.outcome(resp, body, size, time.Now()), size
	return out, nil
}

// keeps returns how many bytes of a response must be kept.
func (w *web) keeps() int {
	switch checks := &w.src.cfg.Checks; {
	case w.query != nil:
		return maxAnswer
	case checks.reads():
		return checks.MaxBody
	}
	return 0
}

// read reads a body to its end, and returns its first bytes and its size.
func read(body io.Reader, keep int) (head []byte, size uint64, err error) {
	if head, err = io.ReadAll(io.LimitReader(body, int64(keep))); err != nil {
		return nil, 0, err
	}
	n, err := io.Copy(io.Discard, body)
	return head, uint64(len(head)) + uint64(n), err
}
