package dns_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/decode/dnsmsg"
	"visor/geo"
	"visor/handler"
	"visor/handler/dns"
	"visor/handler/handlertest"
	"visor/internal/mmdbtest"
	"visor/internal/packettest"
	"visor/internal/trafficgen"
)

const (
	client   = "198.51.100.9:5000"
	server   = "192.0.2.1:53" // local
	upstream = "203.0.113.1:53"
	resolver = "192.0.2.1:6000" // the local client

	typeA, typeAAAA = 1, 28
)

// run returns the handler's metrics for frames, in one bucket unless cfg sets Periods, and its
// pipeline.
func run(t testing.TB, cfg dns.Config, frames ...capture.Frame) (*dns.Metrics, *handler.Pipeline) {
	if cfg.Periods == 0 {
		cfg.Periods = 1
	}
	h, err := dns.New(cfg)
	require.NoError(t, err)
	p := handlertest.Analyse(t, h, capture.NewMemory(frames))
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	return dns.From(snap), p
}

// list returns the items of a list as "name count".
func list(t testing.TB, p *handler.Pipeline, prom string) (out []string) {
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	for _, v := range snap.Modules[0].Values() {
		if v.Prom == prom {
			for _, it := range v.Items {
				out = append(out, fmt.Sprint(it.Name, " ", it.Estimate))
			}
			return out
		}
	}
	require.Fail(t, "no metric "+prom)
	return nil
}

// exchange is a query and its reply after took.
func exchange(after, took time.Duration, from, to string, query, reply []byte) []capture.Frame {
	return []capture.Frame{packettest.UDP(after, from, to, query), packettest.UDP(after+took, to, from, reply)}
}

func TestCounters(t *testing.T) {
	var frames []capture.Frame
	for rcode, n := range map[byte]int{0: 4, 2: 3, 3: 2, 5: 1} {
		for i := range n {
			q := packettest.Query(uint16(rcode)<<8|uint16(i), "www.Example.com", typeA)
			frames = append(frames, exchange(0, time.Millisecond, client, server, q, packettest.Reply(q, rcode, 0))...)
		}
	}
	q := packettest.Query(9, "six.example.com", typeAAAA)
	frames = append(frames, packettest.UDP(0, "[2001:db8::9]:5000", "[2001:db8:53::1]:5353", q))
	frames = append(frames, packettest.UDP(0, client, server, q[:5]))     // not even a header
	frames = append(frames, packettest.UDP(0, client, "192.0.2.1:54", q)) // another port
	// port 0, which is never a client's
	frames = append(frames, packettest.UDP(0, "198.51.100.9:0", server, q))
	// bytes behind the message
	frames = append(frames, packettest.UDP(0, client, server, append(q, 1, 2)))
	m, p := run(t, dns.Config{}, frames...)
	require.Equal(t, uint64(23), m.Events.Value())
	require.Equal(t, uint64(22), m.Total.Value(), "the broken one is an event, no more")
	require.Equal(t, uint64(12), m.Queries.Value())
	require.Equal(t, uint64(10), m.Replies.Value())
	require.Equal(t, uint64(22), m.UDP.Value())
	require.Equal(t, []uint64{21, 1}, []uint64{m.IPv4.Value(), m.IPv6.Value()})
	require.Equal(t, []uint64{4, 3, 2, 1}, []uint64{m.NoError.Value(), m.ServFail.Value(), m.NXDomain.Value(), m.Refused.Value()})
	require.Equal(t, uint64(4), m.NoData.Value())
	require.Equal(t, uint64(2), m.QName.Estimate())
	require.Equal(t, []string{".example.com 22"}, list(t, p, "dns_top_qname2"))
	require.Equal(t, []string{"www.example.com 20", "six.example.com 2"}, list(t, p, "dns_top_qname3"))
	require.Equal(t, []string{"www.example.com 2"}, list(t, p, "dns_top_nxdomain"))
	require.Equal(t, []string{"NOERROR 4", "SRVFAIL 3", "NXDOMAIN 2", "REFUSED 1"}, list(t, p, "dns_top_rcode"))
	require.Equal(t, []string{"A 20", "AAAA 2"}, list(t, p, "dns_top_qtype"))
	require.Equal(t, []string{"5000 22"}, list(t, p, "dns_top_udp_ports"))
	require.Equal(t, handler.Account{Offered: 23, Analysed: 22, Undecodable: 1}, p.HandlerAccounts()["dns"])
}

func TestTransactions(t *testing.T) {
	var frames []capture.Frame
	for i := range 100 {
		q := packettest.Query(uint16(i), "in.example", typeA)
		at := time.Duration(i) * time.Second / 10
		frames = append(frames, exchange(at, time.Duration(i+1)*time.Millisecond, client, server, q, packettest.Reply(q, 0, 2))...)
	}
	q := packettest.Query(7, "out.example", typeA)
	frames = append(frames, exchange(11*time.Second, 20*time.Millisecond, resolver, upstream, q, packettest.Reply(q, 0, 0))...)
	// too late
	frames = append(frames, exchange(12*time.Second, 5*time.Second, client, server, q, packettest.Reply(q, 0, 0))...)
	// an ID without a query
	frames = append(frames, packettest.UDP(18*time.Second, server, client, packettest.Reply(q, 0, 0)))
	frames = append(frames, exchange(19*time.Second, time.Millisecond, "198.51.100.9:5000", "198.51.100.8:53", q, packettest.Reply(q, 0, 0))...)
	m, _ := run(t, dns.Config{Settings: handler.Settings{Enable: []string{"histograms"}}}, frames...)
	require.Equal(t, uint64(102), m.Trans.Value())
	require.Equal(t, uint64(1), m.TimedOut.Value())
	require.Equal(t, uint64(100), m.In.Total.Value())
	require.Equal(t, uint64(1), m.Out.Total.Value())
	require.InEpsilon(t, 50_000, m.In.Time.Quantile(0.5), 0.02)
	require.InEpsilon(t, 99_000, m.In.Time.Quantile(0.99), 0.02)
	require.InEpsilon(t, 20_000, m.Out.Time.Quantile(0.5), 0.01)
	require.Equal(t, uint64(100), m.In.Hist.Count())
	// A query has 28 bytes, its reply with two records 60.
	require.InEpsilon(t, 60.0/28, m.Ratio.Quantile(0.5), 0.01)
}

// TestTimeoutAndSlow checks the state carried from one period to the next: unanswered queries and
// slowness levels.
func TestTimeoutAndSlow(t *testing.T) {
	var frames []capture.Frame
	for i := range 10 { // 1 to 10 ms: the 90th percentile is above 9 ms
		q := packettest.Query(uint16(i), "usual.example", typeA)
		frames = append(frames, exchange(time.Duration(i)*time.Second, time.Duration(i+1)*time.Millisecond, client, server, q, packettest.Reply(q, 0, 0))...)
	}
	frames = append(frames, packettest.UDP(50*time.Second, client, server, packettest.Query(100, "lost.example", typeA)))
	slow, quick := packettest.Query(1, "SLOW.example", typeA), packettest.Query(2, "quick.example", typeA)
	frames = append(frames, exchange(61*time.Second, 20*time.Millisecond, client, server, slow, packettest.Reply(slow, 0, 0))...)
	frames = append(frames, exchange(62*time.Second, 5*time.Millisecond, client, server, quick, packettest.Reply(quick, 0, 0))...)
	m, p := run(t, dns.Config{Settings: handler.Settings{Periods: 2}}, frames...)
	require.Zero(t, m.TimedOut.Value())
	require.Equal(t, uint64(2), m.Trans.Value())
	require.Equal(t, []string{"SLOW.example 1"}, list(t, p, "dns_xact_in_top_slow"), "as it was written")
	before, err := p.Bucket(1)
	require.NoError(t, err)
	require.Zero(t, dns.From(before).In.Slow.Len(), "nothing to compare with")
	require.Equal(t, uint64(1), dns.From(before).TimedOut.Value(), "in the period in which its time was over")
}

func TestFilters(t *testing.T) {
	q := func(id uint16, name string, qtype uint16) []byte { return packettest.Query(id, name, qtype) }
	var frames []capture.Frame
	for i, x := range []struct {
		name           string
		qtype          uint16
		rcode          byte
		answers, signs int
	}{
		{"www.example.com", typeA, 0, 1, 0},
		{"WWW.Example.org", typeAAAA, 0, 2, 1},
		{"nosuch.example.com", typeA, 3, 0, 0},
		{"broken.example.net", typeA, 2, 0, 0},
	} {
		query := q(uint16(i), x.name, x.qtype)
		frames = append(frames, exchange(0, time.Millisecond, client, server, query, packettest.SignedReply(query, x.rcode, x.answers, x.signs))...)
	}
	one := uint16(1)
	for _, tt := range []struct {
		name                    string
		cfg                     dns.Config
		queries, replies, total uint64 // packets that pass
		skipped                 uint64 // packets that are not events
	}{
		{"none", dns.Config{}, 4, 4, 8, 0},
		{"rcode", dns.Config{OnlyRCodes: []dnsmsg.RCode{3}}, 0, 1, 1, 7},
		{"two rcodes", dns.Config{OnlyRCodes: []dnsmsg.RCode{3, 2}}, 0, 2, 2, 6},
		{"no error excluded", dns.Config{ExcludeNoError: true}, 0, 2, 2, 0},
		{"no error excluded wins over rcodes", dns.Config{ExcludeNoError: true, OnlyRCodes: []dnsmsg.RCode{3}}, 0, 2, 2, 0},
		{"answers", dns.Config{AnswerCount: &one}, 0, 1, 1, 0},
		{"queries", dns.Config{OnlyQueries: true}, 4, 0, 4, 0},
		{"replies", dns.Config{OnlyReplies: true}, 0, 4, 4, 0},
		{"signed replies", dns.Config{OnlySignedReplies: true}, 0, 1, 1, 0},
		{"type", dns.Config{OnlyQTypes: []dnsmsg.Type{typeAAAA}}, 1, 1, 2, 0},
		{"name", dns.Config{OnlyQNames: []string{"www.EXAMPLE.org"}}, 1, 1, 2, 6},
		{"name with dot", dns.Config{OnlyQNames: []string{`\119ww.example.org.`}}, 1, 1, 2, 6},
		{"suffix with dot", dns.Config{OnlySuffixes: []string{".Example.com."}}, 2, 2, 4, 0},
		{"suffix", dns.Config{OnlySuffixes: []string{".example.com"}}, 2, 2, 4, 0},
		{"all together", dns.Config{OnlySuffixes: []string{"example.com"}, OnlyReplies: true, OnlyRCodes: []dnsmsg.RCode{0}}, 0, 1, 1, 6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, p := run(t, tt.cfg, frames...)
			require.Equal(t, tt.total, m.Total.Value())
			require.Equal(t, tt.queries, m.Queries.Value())
			require.Equal(t, tt.replies, m.Replies.Value())
			require.Equal(t, 8-tt.skipped, m.Events.Value())
			require.Equal(t, 8-tt.skipped-tt.total, m.Filtered.Value())
			require.Equal(t, handler.Account{Offered: 8, Analysed: tt.total, Filtered: 8 - tt.total}, p.HandlerAccounts()["dns"])
		})
	}
}

func TestNamesAreCut(t *testing.T) {
	frames := []capture.Frame{packettest.UDP(0, client, server, packettest.Query(1, "a.b.example.co.uk", typeA))}
	for _, tt := range []struct {
		name       string
		cfg        dns.Config
		two, three string
	}{
		{"plain", dns.Config{}, ".co.uk 1", ".example.co.uk 1"},
		{"public suffix", dns.Config{PublicSuffix: true}, ".example.co.uk 1", ".b.example.co.uk 1"},
		{"suffix", dns.Config{OnlySuffixes: []string{".example.co.uk"}}, ".b.example.co.uk 1", "a.b.example.co.uk 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, p := run(t, tt.cfg, frames...)
			require.Equal(t, []string{tt.two}, list(t, p, "dns_top_qname2"))
			require.Equal(t, []string{tt.three}, list(t, p, "dns_top_qname3"))
		})
	}
}

// places returns databases that contain 203.0.113.0/24.
func places(t testing.TB) *geo.DB {
	const known = "203.0.113.0/24"
	db, err := geo.Open(geo.Config{
		CityPath: mmdbtest.Write(t, "City", map[string]mmdbtest.Record{known: {"continent": mmdbtest.Record{"code": "EU"}}}),
		ASNPath:  mmdbtest.Write(t, "ASN", map[string]mmdbtest.Record{known: {"autonomous_system_number": uint32(64500)}}),
		Reload:   -1,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func TestClientSubnets(t *testing.T) {
	frames := []capture.Frame{
		packettest.UDP(0, client, server, packettest.Query(1, "a.example", typeA, packettest.ECS("203.0.113.0/24"))),
		// not the first option
		packettest.UDP(0, client, server, packettest.Query(2, "a.example", typeA, []byte{0, 3, 0, 0}, packettest.ECS("203.0.113.0/24"))),
		packettest.UDP(0, client, server, packettest.Query(3, "a.example", typeA, packettest.ECS("2001:db8:1234:5678::/64"))),
		packettest.UDP(0, client, server, packettest.Query(4, "a.example", typeA, packettest.ECS("0.0.0.0/0"))),
		packettest.UDP(0, client, server, packettest.Query(5, "a.example", typeA)),
	}
	settings := handler.Settings{Enable: []string{"top_ecs"}}
	m, p := run(t, dns.Config{Settings: settings, Geo: places(t)}, frames...)
	require.Equal(t, uint64(3), m.ECS.Value(), "a subnet of no bits is none")
	require.Equal(t, []string{"203.0.113.0 2", "2001:db8:1234:5678:: 1"}, list(t, p, "dns_top_query_ecs"))
	require.Equal(t, []string{"EU 2", "Unknown 1"}, list(t, p, "dns_top_geoLoc_ecs"))
	require.Equal(t, []string{"64500 2", "Unknown 1"}, list(t, p, "dns_top_asn_ecs"))
	for _, cfg := range []dns.Config{{GeoNotFound: true}, {ASNNotFound: true}, {GeoNotFound: true, ASNNotFound: true}} {
		cfg.Geo = places(t)
		m, _ = run(t, cfg, frames...)
		require.Equal(t, uint64(1), m.Total.Value())
	}
	m, _ = run(t, dns.Config{GeoNotFound: true}, frames...)
	require.Zero(t, m.Total.Value(), "without a database nothing passes")
}

// TestDeepSampling checks that exact counters stay exact and that a share of the messages is
// sampled.
func TestDeepSampling(t *testing.T) {
	frames, truth := trafficgen.Frames(trafficgen.VariedDNS(20_000))
	m, p := run(t, dns.Config{Settings: handler.Settings{DeepSample: 25}}, frames...)
	require.Equal(t, truth.DNSQueries, m.Queries.Value())
	require.Equal(t, truth.Matched, m.Trans.Value())
	require.InEpsilon(t, 5_000, m.DeepSamples.Value(), 0.1)
	require.Equal(t, m.DeepSamples.Value(), m.TopPorts.Total())
	a := p.HandlerAccounts()["dns"]
	require.Equal(t, m.DeepSamples.Value(), a.Analysed)
	require.Equal(t, a.Offered, a.Analysed+a.NotSampled)
}

func TestGroups(t *testing.T) {
	frames, _ := trafficgen.Frames(trafficgen.VariedDNS(2000))
	m, p := run(t, dns.Config{Settings: handler.Settings{Disable: []string{"all"}, Enable: []string{"cardinality"}}}, frames...)
	require.NotZero(t, m.QName.Estimate())
	require.Zero(t, m.Trans.Value())
	require.Zero(t, m.TopQName2.Len())
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	var shown []string
	for _, v := range snap.Modules[0].Values() {
		shown = append(shown, v.Prom)
	}
	require.Equal(t, []string{
		"dns_wire_packets_events", "dns_wire_packets_deep_samples", "dns_rates_events", "dns_rates_total", "dns_cardinality_qname",
		"dns_top_qtype", "dns_top_rcode",
	}, shown)
}

// TestStream sends messages over TCP, two in a segment and one over two.
func TestStream(t *testing.T) {
	const syn, ack = decode.FlagSYN, decode.FlagACK
	q1, q2, q3 := packettest.Query(1, "one.example", typeA), packettest.Query(2, "two.example", typeA), packettest.Query(3, "three.example", typeA)
	asked := packettest.Stream(q1, q2, q3)
	answered := packettest.Stream(packettest.Reply(q1, 0, 1), packettest.Reply(q3, 3, 0))
	ms := time.Millisecond
	frames := []capture.Frame{
		packettest.TCP(0, client, server, syn, 99, 0, nil),
		packettest.TCP(0, server, client, syn|ack, 499, 100, nil),
		packettest.TCP(1*ms, client, server, ack, 100, 500, asked[:70]),
		packettest.TCP(2*ms, client, server, ack, 170, 500, asked[70:]),
		packettest.TCP(9*ms, server, client, ack, 500, 100+uint32(len(asked)), answered),
	}
	m, p := run(t, dns.Config{}, frames...)
	require.Equal(t, []uint64{5, 3, 2}, []uint64{m.TCP.Value(), m.Queries.Value(), m.Replies.Value()})
	require.Equal(t, uint64(2), m.In.Total.Value())
	require.Equal(t, []string{"one.example 2", "three.example 2", "two.example 1"}, list(t, p, "dns_top_qname2"))
	require.InEpsilon(t, 8_000, m.In.Time.Max(), 0.01, "of the first query")
}

func TestNewErrors(t *testing.T) {
	_, err := dns.New(dns.Config{Timeout: -1, Settings: handler.Settings{Enable: []string{"rates"}}})
	require.ErrorContains(t, err, "Timeout -1ns")
	require.ErrorContains(t, err, `unknown metric group "rates"`)
}

func Example() {
	q := packettest.Query(1, "www.example.com", typeA)
	// or pcapfile.Open
	src := capture.NewMemory(exchange(0, 3*time.Millisecond, client, server, q, packettest.Reply(q, 3, 0)))
	h, err := dns.New(dns.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{src}, Handlers: []handler.Handler{h}})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := p.Run(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	snap, err := p.Bucket(0)
	if err != nil {
		fmt.Println(err)
		return
	}
	m := dns.From(snap)
	fmt.Println(m.Queries.Value(), m.Replies.Value(), m.NXDomain.Value(), m.Trans.Value())
	// Output: 1 1 1 1
}
