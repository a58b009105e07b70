package probe

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"visor/decode/dnsmsg"
)

// Test is how targets are asked.
type Test uint8

// The tests.
const (
	Ping    Test = iota // ICMP echo (RFC 792, RFC 4443 section 4)
	Connect             // opening a TCP connection, which is closed at once
	HTTP                // an HTTP request, 1.1 or 2
	DoH                 // a DNS query over HTTPS (RFC 8484)
	DNS                 // a DNS query over UDP, TCP (RFC 7766) or TLS (RFC 7858)
)

// Config configures a Source. Targets must be set, and Query of DoH and DNS.
type Config struct {
	Test     Test
	Targets  []Target
	Interval time.Duration // from test to test of a target; 0 means 5 s
	// for a look-up, a connection, or a whole request of HTTP, DoH and DNS, where a negative one is
	// none; at most Interval; 0 means 2 s. For echo replies, see netprobe.Config
	Timeout        time.Duration
	Packets        int           // of a Ping test; 0 means 1
	PacketInterval time.Duration // between these; 0 means 25 ms. All must go in one Interval
	Payload        int           // bytes of an echo request, 8 to 65500; 0 means 48
	Resolver       *net.Resolver // nil means the system's
	Request        Request       // of HTTP and DoH
	Checks         Checks        // of HTTP
	Query          Query         // of DoH and DNS
	// of HTTP, DoH, and DNS over TLS; nil means TLS 1.2 and the system's authorities. New copies it
	TLS *tls.Config
}

// Target is a host or a server that is asked.
type Target struct {
	Name string // what events call it
	// an address or a name, which is looked up for every test; of HTTP and DoH a URL
	Host    string
	Port    uint16            // of Connect and DNS; 0 means 53 in DNS, or 853 over TLS
	Version int               // 4 or 6: of IP; 0 takes what there is, version 4 first in Ping
	Headers map[string]string // of HTTP: sent along. The test does not follow redirects then
	Routes  []Route           // of HTTP and DoH: where connections go in place of a host
}

// Route leads connections to a host and port elsewhere. The Host header and the name in TLS stay as
// they are.
type Route struct {
	Host    string
	Port    string
	Address string // an address, or a name
}

// Request is what HTTP and DoH tests send.
type Request struct {
	Method string // "" means GET for HTTP and POST for DoH, which takes only these two
	Body   string // of HTTP. The test does not follow redirects then
	// the proxy's URL; http:// may be left out. "" is none, whatever the environment holds
	Proxy     string
	UserAgent string // "" means [DefaultUserAgent]
}

// DefaultUserAgent begins as that of pktvisor, by which servers may let its probes pass.
const DefaultUserAgent = "pktvisor/4.5.0 (visor)"

// Query is what DoH and DNS tests ask.
type Query struct {
	Name      string      // a domain name without escapes, at most 253 bytes; "." is the root
	Type      dnsmsg.Type // 0 means A
	Transport Transport   // of DNS
}

// Transport is what carries a DNS query.
type Transport uint8

// The transports.
const (
	UDP Transport = iota
	TCP
	TLS
)

const (
	minPayload = 8
	maxPayload = 65500
)

func (cfg Config) withDefaults() Config {
	cfg.Interval = cmp.Or(cfg.Interval, 5*time.Second)
	cfg.Timeout = cmp.Or(cfg.Timeout, 2*time.Second)
	cfg.Packets = cmp.Or(cfg.Packets, 1)
	cfg.PacketInterval = cmp.Or(cfg.PacketInterval, 25*time.Millisecond)
	cfg.Payload = max(cmp.Or(cfg.Payload, 48), minPayload)
	cfg.Request.UserAgent = cmp.Or(cfg.Request.UserAgent, DefaultUserAgent)
	cfg.Query.Type = cmp.Or(cfg.Query.Type, dnsmsg.TypeA)
	cfg.Checks = cfg.Checks.withDefaults()
	if cfg.Resolver == nil {
		cfg.Resolver = net.DefaultResolver
	}
	if cfg.TLS == nil {
		cfg.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return cfg
}

// asks reports whether a test is a request that is counted when it ends.
func (t Test) asks() bool { return t >= HTTP }

// Validate returns all that is wrong with cfg. New does the same.
func (cfg Config) Validate() error {
	cfg = cfg.withDefaults()
	var errs []error
	fail := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf("probe: "+format, args...))
		}
	}
	fail(cfg.Interval < 0 || cfg.PacketInterval < 0, "Interval and PacketInterval must not be negative")
	fail(cfg.Timeout < 0 && !cfg.Test.asks(), "Timeout must not be negative")
	fail(cfg.Timeout > cfg.Interval, "Timeout %v is longer than Interval %v", cfg.Timeout, cfg.Interval)
	fail(cfg.Packets < 0, "Packets must not be negative")
	fail(time.Duration(cfg.Packets)*cfg.PacketInterval > cfg.Interval, "%d Packets at every %v do not go in one Interval of %v", cfg.Packets, cfg.PacketInterval, cfg.Interval)
	fail(cfg.Payload > maxPayload, "Payload %d is above %d", cfg.Payload, maxPayload)
	fail(cfg.Test == DoH && !isDoHMethod(cfg.Request.Method), "Method %q is neither GET nor POST", cfg.Request.Method)
	fail(len(cfg.Targets) == 0, "there are no Targets")
	if cfg.Test == DoH || cfg.Test == DNS {
		errs = append(errs, cfg.Query.validate())
	}
	for i := range cfg.Targets {
		if err := cfg.Targets[i].validate(cfg.Test); err != nil {
			errs = append(errs, fmt.Errorf("probe: target %q: %w", cfg.Targets[i].Name, err))
		}
	}
	return errors.Join(errs...)
}

func isDoHMethod(method string) bool { return method == "" || method == "GET" || method == "POST" }

func (q *Query) validate() error {
	_, err := q.appendTo(nil, 0)
	return err
}

func (t *Target) validate(test Test) error {
	if t.Version != 0 && t.Version != 4 && t.Version != 6 {
		return errors.New("field Version must be 4 or 6")
	}
	if test == HTTP || test == DoH {
		return t.validateURL()
	}
	addr, err := netip.ParseAddr(t.Host)
	switch {
	case t.Host == "":
		return errors.New("field Host is not set")
	case test == Connect && t.Port == 0:
		return errors.New("field Port is not set")
	case err == nil && addr.Is4() && t.Version == 6, err == nil && addr.Is6() && t.Version == 4:
		return fmt.Errorf("%s is not an address of IP version %d", t.Host, t.Version)
	case err != nil && t.Host != "localhost" && !strings.Contains(t.Host, "."):
		return fmt.Errorf("%q is neither an address nor a name with a dot", t.Host)
	}
	return nil
}

// validateURL does not quote the URL, which may hold a password.
func (t *Target) validateURL() error {
	if u, err := url.Parse(t.Host); err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("field Host is not a URL of HTTP or HTTPS")
	}
	return nil
}
