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

// Test is the method of a probe.
type Test uint8

// Tests that a Source can run.
const (
	Ping    Test = iota // ICMP echo (RFC 792, RFC 4443 section 4)
	Connect             // opens a TCP connection and closes it at once
	HTTP                // an HTTP/1.1 or HTTP/2 request
	DoH                 // a DNS query over HTTPS (RFC 8484)
	DNS                 // a DNS query over UDP, TCP (RFC 7766) or TLS (RFC 7858)
)

// Config configures a Source. Targets must be set, and Query for DoH and DNS.
type Config struct {
	Test     Test
	Targets  []Target
	Interval time.Duration // interval between tests of a target; 0 means 5 s
	// limit for a look-up, a connection, or a whole request of HTTP, DoH and DNS; at most Interval;
	// 0 means 2 s; negative means no limit for HTTP, DoH and DNS. For echo replies, see
	// netprobe.Config
	Timeout time.Duration
	Packets int // Ping: packets per test; 0 means 1
	// Ping: time between packets; 0 means 25 ms. All packets must fit into one Interval
	PacketInterval time.Duration
	// Ping: payload of an echo request in bytes, 8 to 65500; 0 means 48
	Payload  int
	Resolver *net.Resolver // nil means the system's resolver
	Request  Request       // HTTP and DoH
	Checks   Checks        // HTTP
	Query    Query         // DoH and DNS
	// HTTP, DoH, and DNS over TLS; nil means TLS 1.2 and the system's authorities. New copies it
	TLS *tls.Config
}

// Target is a host or server to test.
type Target struct {
	Name string // name used in events
	// address or name, looked up for every test; a URL for HTTP and DoH
	Host    string
	Port    uint16            // Connect and DNS; 0 means 53 for DNS, or 853 over TLS
	Version int               // IP version, 4 or 6; 0 means any, for Ping preferably 4
	Headers map[string]string // HTTP: additional headers. The test then does not follow redirects
	Routes  []Route           // HTTP and DoH: replacements for hosts of connections
}

// Route redirects connections from a host and port to another address. The Host header and the TLS
// server name stay unchanged.
type Route struct {
	Host    string
	Port    string
	Address string // address or name
}

// Request holds the options of requests for HTTP and DoH tests.
type Request struct {
	Method string // "" means GET for HTTP and POST for DoH; DoH supports only these two
	Body   string // HTTP: body of the request. The test then does not follow redirects
	// URL of the proxy, with or without http://; "" means no proxy, whatever the environment
	Proxy     string
	UserAgent string // "" means [DefaultUserAgent]
}

// DefaultUserAgent begins with pktvisor's user agent, because servers may be configured to accept
// its probes.
const DefaultUserAgent = "pktvisor/4.5.0 (visor)"

// Query is the DNS query of DoH and DNS tests.
type Query struct {
	Name      string      // a domain name without escapes, at most 253 bytes; "." is the root
	Type      dnsmsg.Type // 0 means A
	Transport Transport   // DNS: transport of the query
}

// Transport is the transport of a DNS query.
type Transport uint8

// Transports of DNS queries.
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

// Validate returns an error that lists all problems of cfg. New does the same.
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
	fail(len(cfg.Targets) == 0, "Targets must not be empty")
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

// validateURL does not quote the URL, because it may contain a password.
func (t *Target) validateURL() error {
	if u, err := url.Parse(t.Host); err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("field Host is not a URL of HTTP or HTTPS")
	}
	return nil
}
