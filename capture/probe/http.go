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

// web tests one target over HTTP. Its connections are used for this target only, and stay open
// between tests.
type web struct {
	src    *Source
	target *Target
	client http.Client
	query  *Query // DoH: the query; otherwise nil
	expiry uint64 // expiry of the last certificates seen
}

const maxRedirects = 10

// newWeb returns a tester for a target. Its connections end when ctx ends.
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
			DisableCompression:     true, // the size is counted as transferred
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

// follows reports whether the test follows redirects. It does not if they would send headers or a
// body to another server.
func (w *web) follows() bool {
	return w.query != nil || len(w.target.Headers) == 0 && w.src.cfg.Request.Body == ""
}

// proxy returns the function that selects the proxy of requests. With an invalid proxy URL every
// test fails.
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

// dial connects to the address of a route, or to addr. The transport continues a connection attempt
// after its request has ended, for later requests. So the test's timeout limits the attempt, and
// the end of the Source interrupts it.
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

// network returns the name of a protocol over an IP version.
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

// test sends a request and reports the outcome.
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

// ask returns the evaluated response, without its times.
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
	if resp.TLS != nil { // kept for later responses on the same connection
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

// keeps returns the number of bytes of a response to keep.
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
