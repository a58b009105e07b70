package httpapi

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"visor/internal/renewed"
)

// guard decides which requests are allowed.
type guard struct {
	token *renewed.Value[[sha256.Size]byte] // hash of the token; nil requires none
	hosts []string                          // names of this server; nil allows all
}

func newGuard(cfg *Config) (g guard, err error) {
	switch {
	case cfg.TokenFile != "":
		if g.token, err = renewed.New(cfg.Logger, cfg.ReadFile, parseToken, cfg.TokenFile); err != nil {
			return g, fmt.Errorf("%s: %w", cfg.TokenFile, err)
		}
	case cfg.Token != "":
		fixed := func(string) ([]byte, error) { return []byte(cfg.Token), nil }
		g.token, err = renewed.New(cfg.Logger, fixed, parseToken, "")
	case cfg.Admin:
		g.hosts = append([]string{"localhost"}, cfg.Hosts...)
	}
	return g, err
}

func parseToken(contents [][]byte) (sum [sha256.Size]byte, err error) {
	token := bytes.TrimSpace(contents[0])
	if len(token) == 0 {
		return sum, errors.New("the file holds no token")
	}
	return sha256.Sum256(token), nil
}

// refusal returns the reply to a forbidden request. Its status is 0 if the request is allowed.
func (g *guard) refusal(r *http.Request) reply {
	switch {
	case g.token != nil && !g.bears(r):
		return failure(http.StatusUnauthorized, "a bearer token is needed: send the header 'Authorization: Bearer TOKEN'")
	case !g.owns(r.Host):
		return failure(http.StatusForbidden, fmt.Sprintf("the host %q is none of this server's names: add it with --allow-host, or use a token", r.Host))
	case !g.ownsOrigin(r.Header.Get("Origin")):
		return failure(http.StatusForbidden, fmt.Sprintf("the origin %q is none of this server's names: add it with --allow-host, or use a token", r.Header.Get("Origin")))
	}
	return reply{}
}

// bears reports whether the request has the token. The comparison takes constant time.
func (g *guard) bears(r *http.Request) bool {
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	got, want := sha256.Sum256([]byte(strings.TrimSpace(given))), g.token.Current()
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// owns reports whether a Host header names this server. A browser that reached this server through
// a foreign name (DNS rebinding) sends that name. Addresses cannot be foreign.
func (g *guard) owns(hostport string) bool {
	if g.hosts == nil {
		return true
	}
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil || slices.ContainsFunc(g.hosts, func(known string) bool { return strings.EqualFold(known, host) })
}

// ownsOrigin reports whether a page of the origin may send requests. Requests that no page sends
// have no origin.
func (g *guard) ownsOrigin(origin string) bool {
	if g.hosts == nil || origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && g.owns(u.Host)
}
