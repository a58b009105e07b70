// Package netprobe counts the results of active probes: the YAML module "netprobe". Its events come
// from capture/probe.
//
//	h, err := netprobe.New(netprobe.Config{})
//	...
//	t := netprobe.From(snapshot).Targets.Find("resolver")
//	fmt.Println(t.Attempts.Value()-t.Successes.Value(), "lost of", t.Attempts.Value())
//
// A probe counts as timed out as soon as its timeout expires. pktvisor counts it only when a late
// reply arrives.
package netprobe

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"visor/decode"
	"visor/decode/dnsmsg"
	"visor/decode/probemsg"
	"visor/handler"
	"visor/handler/metric"
	"visor/internal/flowtable"
	"visor/sketch"
	"visor/sketch/hash64"
)

// The metric groups, in the order of their bits.
const (
	groupCounters metric.GroupSet = 1 << iota
	groupQuantiles
	groupHistograms
	groupPhases
)

var groupNames = metric.GroupNames{"counters", "quantiles", "histograms", "http_response_phases"}

// Metrics holds the counts of a Handler.
type Metrics struct {
	Targets metric.Map[Target] `metric:"targets" total:"target" label:"target"`
}

// Target holds the counts of one target. Times are microseconds between sending and receiving.
// Times of HTTP and DNS requests last from their start to the end of the response.
type Target struct {
	Attempts        sketch.Counter `metric:"attempts,counters" help:"tests begun: packets sent, connections tried; requests that have ended"`
	Successes       sketch.Counter `metric:"successes,counters" help:"tests answered in time, and as expected"`
	ConnectFailures sketch.Counter `metric:"connect_failures,counters" help:"tests that the target, a router or the system refused"`
	LookupFailures  sketch.Counter `metric:"dns_lookup_failures,counters" help:"tests that could not begin because the target's name could not be resolved"`
	TimedOut        sketch.Counter `metric:"packets_timeout,counters" total:"timeouts" help:"tests not answered in time"`

	StatusFailures  sketch.Counter            `metric:"http_status_failures,counters" help:"HTTP responses with a status that is not expected"`
	ContentFailures sketch.Counter            `metric:"content_failures,counters" help:"HTTP responses that failed an assertion about body, headers, size or version"`
	TopStatus       metric.TopNumbers[status] `metric:"top_status_codes,counters" total:"http_responses_by_status_code" label:"status_code" help:"HTTP status codes"`
	DNSFailures     sketch.Counter            `metric:"dns_response_failures,counters" help:"DNS responses that are invalid or have an RCODE other than NOERROR"`
	TopRCodes       metric.TopNumbers[rcode]  `metric:"top_rcodes,counters" total:"dns_responses_by_rcode" label:"rcode" help:"RCODEs of DNS responses, PARSE_ERROR if invalid"`
	CertExpiry      metric.Gauge              `metric:"tls_cert_expiry_epoch_sec,counters" sparse:"true" help:"when the first of the server's certificates expires, seconds since 1970"`

	Min metric.Min `metric:"response_min_us,counters" sparse:"true" help:"least response time, microseconds"`
	Max metric.Max `metric:"response_max_us,counters" sparse:"true" help:"greatest response time, microseconds"`

	// Additions to pktvisor.
	Mean   metric.Mean `metric:"response_avg_us,counters" sparse:"true" help:"mean response time, microseconds"`
	Jitter metric.Mean `metric:"response_jitter_us,counters" sparse:"true" help:"mean difference between one response time and the next, microseconds"`

	Histogram sketch.Histogram `metric:"response_histogram_us,histograms" total:"response_duration_seconds" help:"response times, microseconds"`
	Quantiles sketch.Quantile  `metric:"response_quantiles_us,quantiles" total:"response_duration_seconds" help:"response times, microseconds"`

	Size      sketch.Quantile `metric:"response_size_bytes,quantiles" help:"sizes of HTTP bodies, bytes"`
	Lookup    sketch.Quantile `metric:"response_dns_us,http_response_phases" help:"time for the look-up of the server's name, microseconds"`
	Connect   sketch.Quantile `metric:"response_connect_us,http_response_phases" help:"time for the TCP connection, microseconds"`
	Handshake sketch.Quantile `metric:"response_tls_us,http_response_phases" help:"time for the TLS handshake, microseconds; 0 without TLS and on a connection used before"`
	First     sketch.Quantile `metric:"response_ttfb_us,http_response_phases" help:"time from the connection to the first byte of the response, microseconds"`
}

// status is an HTTP status code as a list key.
type status uint16

// String returns the number.
func (s status) String() string { return strconv.Itoa(int(s)) }

// Known reports whether s is a registered code.
func (s status) Known() bool { return http.StatusText(int(s)) != "" }

// rcode is a DNS response code as a list key.
type rcode uint16

// String returns the name of the code, as in the DNS module.
func (c rcode) String() string {
	if c == probemsg.ParseError {
		return "PARSE_ERROR"
	}
	return dnsmsg.RCode(c).String()
}

// Known reports whether c has a name.
func (c rcode) Known() bool { return c == probemsg.ParseError || dnsmsg.RCode(c).Known() }

// Config configures a Handler. The zero Config is ready to use. The handler does not have filters.
type Config struct {
	handler.Settings

	_ struct{} `policy:"recorded_stream" help:"has no effect: the pipeline detects recordings"`

	// Timeout is the time after which a test has timed out; 0 means 2 s.
	Timeout time.Duration `policy:"xact_ttl_secs,xact_ttl_ms" help:"a test unanswered for this long has timed out"`
}

const (
	maxTargets = 1024    // targets per period; others are not counted
	maxTests   = 1 << 16 // open tests
)

// Handler is the analyzer of probes.
type Handler struct {
	handler.Declared[Metrics]
	timeout time.Duration
}

var _ handler.Handler = (*Handler)(nil)

// New returns a Handler, or an error listing all problems in cfg.
func New(cfg Config) (*Handler, error) {
	spec := handler.Spec{Type: "netprobe", Groups: groupNames, Defaults: groupCounters | groupHistograms}
	d, err := handler.Declare[Metrics](spec, cfg.Settings)
	if cfg.Timeout < 0 {
		err = errors.Join(err, fmt.Errorf("netprobe: Timeout %v must not be negative", cfg.Timeout))
	}
	if err != nil {
		return nil, err
	}
	return &Handler{d, cmp.Or(cfg.Timeout, 2*time.Second)}, nil
}

// From returns the metrics of the first netprobe handler in s, or nil without one.
func From(s *handler.Snapshot) *Metrics { return handler.Find[Metrics](s) }

// NewShard returns the part of h for one worker.
func (h *Handler) NewShard() handler.Shard {
	s := &shard{
		Base:    h.NewBase(),
		groups:  h.Info().Groups,
		timeout: int64(h.timeout),
		open:    flowtable.New[test](flowtable.Config{Capacity: maxTests, TTL: h.timeout}),
		known:   make(map[string]string),
		last:    make(map[string]int64),
	}
	s.open.OnLoss(s.timedOut)
	return s
}

type shard struct {
	handler.Base[Metrics]
	groups  metric.GroupSet
	timeout int64 // ns
	open    *flowtable.Table[test]
	known   map[string]string // names of targets, so that events do not allocate strings
	last    map[string]int64  // µs of the latest response, by target
}

// test is the state kept for a test.
type test struct{ target string }

// Process counts the batch's events.
func (s *shard) Process(b *handler.Batch) {
	for i := range b.Packets {
		if p := &b.Packets[i]; p.Layers.Has(decode.LayerProbe) {
			s.open.Expire(p.TimeNS)
			s.packet(p)
		}
	}
}

// Shift closes the live period. Open tests continue.
func (s *shard) Shift(startNS int64) {
	s.open.Expire(startNS)
	s.Base.Shift(startNS)
}

// timedOut counts a test that has expired or was evicted for lack of memory: its answer will not be
// counted.
func (s *shard) timedOut(t *test, _ flowtable.Loss) {
	if m := s.target(t.target); m != nil {
		m.TimedOut.Add(1)
	}
}

// target returns the metrics of a target, or nil if there are too many.
func (s *shard) target(name string) *Target {
	if m := s.Live.Targets.Find(name); m != nil {
		return m
	}
	if s.Live.Targets.Len() >= maxTargets {
		return nil
	}
	return s.Live.Targets.At(name)
}

func (s *shard) name(b []byte) string {
	if name, ok := s.known[string(b)]; ok {
		return name
	}
	if len(s.known) >= maxTargets {
		clear(s.known)
	}
	name := string(b)
	s.known[name] = name
	return name
}

func (s *shard) packet(p *decode.Packet) {
	s.Events.Offered++
	e, err := probemsg.Parse(p.Payload)
	if err != nil {
		s.Events.Undecodable++
		return
	}
	deep := s.Sampler.Deep()
	if deep {
		s.Events.Deep++
	}
	key := hash64.Mix(e.Key)
	if e.Kind == probemsg.Received {
		s.received(key, p.TimeNS, deep)
		return
	}
	name := s.name(e.Target)
	m := s.target(name)
	if m == nil {
		return
	}
	switch e.Kind {
	case probemsg.Responded:
		m.Attempts.Add(1)
		m.responded(&e.Response, p.TimeNS)
		if deep {
			s.measured(m, name, int64(e.Response.Total))
			s.phases(m, &e.Response)
		}
		return
	case probemsg.Sent:
		m.Attempts.Add(1)
		s.open.Put(key, p.TimeNS).target = name
		return
	case probemsg.TimedOut:
		m.TimedOut.Add(1)
	case probemsg.LookupFailed:
		m.LookupFailures.Add(1)
	default:
		m.ConnectFailures.Add(1)
	}
	s.open.Delete(key)
}

// received counts an answer. It ignores the answer of an expired test, which has been counted as
// timed out.
func (s *shard) received(key uint64, nowNS int64, deep bool) {
	t, sent, ok := s.open.Take(key)
	if !ok {
		return
	}
	m := s.target(t.target)
	if m == nil {
		return
	}
	took := max(nowNS-sent, 0)
	if took >= s.timeout {
		m.TimedOut.Add(1)
		return
	}
	m.Successes.Add(1)
	if deep {
		s.measured(m, t.target, took/int64(time.Microsecond))
	}
}

// responded counts the result of an HTTP or DNS response.
func (m *Target) responded(r *probemsg.Response, nowNS int64) {
	switch r.Outcome {
	case probemsg.Success:
		m.Successes.Add(1)
	case probemsg.BadStatus:
		m.StatusFailures.Add(1)
	case probemsg.BadContent:
		m.ContentFailures.Add(1)
	case probemsg.BadResponse:
		m.DNSFailures.Add(1)
	}
	if r.Status != 0 {
		m.TopStatus.Add(status(r.Status), 1)
	}
	if r.RCode != probemsg.NoRCode {
		m.TopRCodes.Add(rcode(r.RCode), 1)
	}
	if r.Expiry != 0 {
		m.CertExpiry.Set(r.Expiry, nowNS)
	}
}

// phases counts the phases of a response time.
func (s *shard) phases(m *Target, r *probemsg.Response) {
	if s.groups.Has(groupQuantiles) && r.Size != probemsg.NoSize {
		m.Size.Add(float64(r.Size))
	}
	if s.groups.Has(groupPhases) {
		m.Lookup.Add(float64(r.Lookup))
		m.Connect.Add(float64(r.Connect))
		m.Handshake.Add(float64(r.TLS))
		m.First.Add(float64(r.First))
	}
}

// measured counts a response time.
func (s *shard) measured(m *Target, target string, us int64) {
	m.Min.Add(uint64(us))
	m.Max.Add(uint64(us))
	m.Mean.Add(uint64(us))
	if before, ok := s.last[target]; ok {
		m.Jitter.Add(uint64(max(us-before, before-us)))
	}
	if len(s.last) >= maxTargets {
		clear(s.last)
	}
	s.last[target] = us
	if s.groups.Has(groupHistograms) {
		m.Histogram.Add(uint64(us))
	}
	if s.groups.Has(groupQuantiles) {
		m.Quantiles.Add(float64(us))
	}
}
