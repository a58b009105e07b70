package dns_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/decode/dnsmsg"
	"visor/decode/dnstapmsg"
	"visor/handler"
	"visor/handler/dns"
	"visor/handler/metric"
	"visor/internal/packettest"
)

// tapTime is the time of the tests' first query.
var tapTime = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()

// tapExchange returns the dnstap messages of a client's n-th query, made n ms after tapTime, and of
// its response after took. The response holds both times and both messages.
func tapExchange(n int, took time.Duration) (query, response dnstapmsg.Message) {
	q := packettest.Query(uint16(n), fmt.Sprintf("n%d.example.com", n), typeA)
	query = dnstapmsg.Message{
		Type: dnstapmsg.ClientQuery, IPv4: true, Protocol: dnstapmsg.UDP, QueryAddr: []byte{198, 51, 100, 9}, ResponseAddr: []byte{192, 0, 2, 1},
		QueryPort: uint16(5000 + n%7), ResponsePort: 53, Query: q, QueryTime: tapTime + int64(n)*int64(time.Millisecond),
	}
	response = query
	response.Type, response.Response, response.ResponseTime = dnstapmsg.ClientResponse, packettest.Reply(q, 3, 0), query.QueryTime+int64(took)
	return query, response
}

// TestTapTransactions has servers that log different parts of their traffic. Each has 20
// transactions of 50 ms.
func TestTapTransactions(t *testing.T) {
	const n, took = 20, 50 * time.Millisecond
	for _, tt := range []struct {
		name   string
		server func(query, response *dnstapmsg.Message) (logged []dnstapmsg.Message)
		timed  bool // the durations are available
		named  bool // the questions are available
	}{
		{"queries and responses", func(q, r *dnstapmsg.Message) []dnstapmsg.Message {
			r.Query, r.QueryTime = nil, 0
			return []dnstapmsg.Message{*q, *r}
		}, true, true},
		{"both, responses with all of their queries", func(q, r *dnstapmsg.Message) []dnstapmsg.Message {
			return []dnstapmsg.Message{*q, *r}
		}, true, true},
		{"responses alone, with both messages and times", func(_, r *dnstapmsg.Message) []dnstapmsg.Message {
			return []dnstapmsg.Message{*r}
		}, true, true},
		{"responses alone, with both times", func(_, r *dnstapmsg.Message) []dnstapmsg.Message {
			r.Query = nil
			return []dnstapmsg.Message{*r}
		}, true, true},
		{"responses alone, with both messages", func(_, r *dnstapmsg.Message) []dnstapmsg.Message {
			r.QueryTime = 0
			return []dnstapmsg.Message{*r}
		}, false, true},
		{"queries without the message", func(q, r *dnstapmsg.Message) []dnstapmsg.Message {
			q.Query, r.Query = nil, nil
			return []dnstapmsg.Message{*q, *r}
		}, true, true},
		{"no messages", func(q, r *dnstapmsg.Message) []dnstapmsg.Message {
			q.Query, r.Query, r.Response = nil, nil, nil
			return []dnstapmsg.Message{*q, *r}
		}, true, false},
		{"responses alone, no messages", func(_, r *dnstapmsg.Message) []dnstapmsg.Message {
			r.Query, r.Response = nil, nil
			return []dnstapmsg.Message{*r}
		}, true, false},
		{"through a socket of both families", func(q, r *dnstapmsg.Message) []dnstapmsg.Message {
			for _, m := range []*dnstapmsg.Message{q, r} {
				m.IPv4, m.IPv6 = false, true
				m.QueryAddr = append([]byte{10: 0xFF, 11: 0xFF}, m.QueryAddr...)
				m.ResponseAddr = append([]byte{10: 0xFF, 11: 0xFF}, m.ResponseAddr...)
			}
			return []dnstapmsg.Message{*q, *r}
		}, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var frames []capture.Frame
			logged, queries := 0, uint64(0)
			for i := range n {
				q, r := tapExchange(i, took)
				for _, m := range tt.server(&q, &r) {
					frames = append(frames, packettest.DNSTap(m))
					logged++
					if m.Type.Query() {
						queries++
					}
				}
			}
			m, _ := run(t, dns.Config{}, frames...)
			require.Equal(t, []uint64{n, n, 0}, []uint64{m.Trans.Value(), m.In.Total.Value(), m.TimedOut.Value()})
			require.Equal(t, []uint64{queries, n}, []uint64{m.Queries.Value(), m.Replies.Value()})
			require.Equal(t, []uint64{uint64(logged), 0}, []uint64{m.IPv4.Value(), m.IPv6.Value()})
			m2, _ := runTransactions(t, dns.Config{}, frames...)
			in := m2.Directions.Find("in")
			require.Equal(t, []uint64{n, 0, 0}, []uint64{in.Trans.Value(), in.Orphans.Value(), in.TimedOut.Value()})
			require.Equal(t, []uint64{n, 0, n}, []uint64{in.UDP.Value(), in.IPv6.Value(), in.IPv4.Value()})
			require.Nil(t, m2.Directions.Find("out"))
			for _, c := range []*dns.Clients{&m.Clients, &m2.Clients} {
				require.EqualValues(t, 1, c.Distinct.Estimate())
				for _, item := range c.ByAddress.Queries.Items(9) {
					require.Equal(t, metric.Item{Name: "198.51.100.9", Estimate: n, Lower: n}, item)
				}
				require.EqualValues(t, n, c.ByAddress.Queries.Total())
				if tt.named {
					require.EqualValues(t, "198.51.100.9", c.ByAddress.NXDomain.Items(9)[0].Name)
					require.EqualValues(t, n, c.ByAddress.NXDomain.Items(9)[0].Estimate)
				}
				// version 1.0 counts the names of queries
				if tt.named && (tt.name != "queries without the message" || c == &m2.Clients) {
					require.EqualValues(t, n, c.ClientsByNames.Items(9)[0].Estimate)
				}
			}
			require.EqualValues(t, n, m.Servers.Find("192.0.2.1").Trans.Value())
			require.EqualValues(t, n, m2.Servers.Find("192.0.2.1").Trans.Value())

			if tt.named {
				require.EqualValues(t, n, in.NXDomain.Value())
			}
			if tt.timed {
				require.Equal(t, []uint64{n, n}, []uint64{m.In.Time.Count(), in.Time.Count()})
				require.InDelta(t, 50_000, in.Time.Quantile(0), 500)
				require.InDelta(t, 50_000, in.Time.Max(), 500)
			} else {
				require.Zero(t, m.In.Time.Count()+in.Time.Count())
			}

			later, _ := tapExchange(70_000, 0) // queries that still wait then have timed out
			frames = append(frames, packettest.DNSTap(later))
			m, _ = run(t, dns.Config{Settings: handler.Settings{Periods: 2}}, frames...)
			require.Zero(t, m.TimedOut.Value())
			m2, _ = runTransactions(t, dns.Config{Settings: handler.Settings{Periods: 2}}, frames...)
			require.Zero(t, m2.Directions.Find("in").TimedOut.Value())
		})
	}
}

// TestTapLate has responses after 8 s. If the server logs only responses, each counts as a timed
// out query. If it logs queries too, its query has already been counted as timed out.
func TestTapLate(t *testing.T) {
	q, r := tapExchange(0, 8*time.Second)
	m, _ := run(t, dns.Config{}, packettest.DNSTap(r))
	require.Equal(t, []uint64{0, 1}, []uint64{m.Trans.Value(), m.TimedOut.Value()})
	m2, _ := runTransactions(t, dns.Config{}, packettest.DNSTap(r))
	require.EqualValues(t, 1, m2.Directions.Find("in").TimedOut.Value())

	other, _ := tapExchange(70_000, 0) // a minute later: the first query is gone
	r.ResponseTime = other.QueryTime + 1
	other.QueryPort++
	frames := []capture.Frame{packettest.DNSTap(q), packettest.DNSTap(other), packettest.DNSTap(r)}
	cfg := dns.Config{Settings: handler.Settings{Periods: 5}}
	_, p := run(t, cfg, frames...)
	both, err := p.Window(2)
	require.NoError(t, err)
	require.Equal(t, []uint64{0, 1}, []uint64{dns.From(both).Trans.Value(), dns.From(both).TimedOut.Value()})
	_, p = runTransactions(t, cfg, frames...)
	both, err = p.Window(2)
	require.NoError(t, err)
	in := dns.FromTransactions(both).Directions.Find("in")
	require.Equal(t, []uint64{0, 1, 1}, []uint64{in.Trans.Value(), in.TimedOut.Value(), in.Orphans.Value()})
}

// TestTapMatching follows the transactions of dnstap messages, as server and as client.
func TestTapMatching(t *testing.T) {
	query, response := tapExchange(0, 3*time.Millisecond)
	asked, answered := query, response
	asked.Type, answered.Type, asked.QueryPort, answered.QueryPort = dnstapmsg.ResolverQuery, dnstapmsg.ResolverResponse, 6000, 6000
	frames := []capture.Frame{packettest.DNSTap(query), packettest.DNSTap(asked), packettest.DNSTap(response), packettest.DNSTap(answered)}
	m, _ := run(t, dns.Config{}, frames...)
	require.Equal(t, []uint64{2, 1, 1}, []uint64{m.Trans.Value(), m.In.Total.Value(), m.Out.Total.Value()})
	require.InEpsilon(t, 3_000, m.In.Time.Max(), 0.01)
}

// TestTapTypes counts messages by their type, the version of HTTP, and operator policies, in both
// versions.
func TestTapTypes(t *testing.T) {
	policy := dnstapmsg.Policy{Type: []byte("RPZ"), Action: dnstapmsg.ActionNXDomain, Rule: []byte("\x03bad\x03rpz\x00")}
	var frames []capture.Frame
	for i := range 6 {
		q, r := tapExchange(i, time.Millisecond)
		q.Protocol, r.Protocol = dnstapmsg.DoH, dnstapmsg.DoH
		q.HTTP, r.HTTP = dnstapmsg.HTTP(i%3+1), 2
		if i < 2 {
			r.Policy = policy.AppendTo(nil)
		}
		frames = append(frames, packettest.DNSTap(q), packettest.DNSTap(r))
	}
	strange, _ := tapExchange(9, 0)
	strange.Type, strange.Policy = 99, []byte("\xFF")
	frames = append(frames, packettest.DNSTap(strange))

	m, p := run(t, dns.Config{}, frames...)
	m2, _ := runTransactions(t, dns.Config{}, frames...)
	for _, taps := range []*metric.Map[dns.DNSTapCounts]{&m.DNSTap, &m2.DNSTap} {
		require.Equal(t, 2, taps.Len())
		c := taps.Find("client")
		require.Equal(t, []uint64{6, 6, 2, 8, 2}, []uint64{
			c.Queries.Value(), c.Responses.Value(), c.HTTP1.Value(), c.HTTP2.Value(), c.HTTP3.Value(),
		})
		require.EqualValues(t, 1, taps.Find("other").Queries.Value())
		require.Zero(t, taps.Find("other").Policies.Len())
	}
	require.Equal(t, []string{"RPZ NXDOMAIN bad.rpz 2"}, list(t, p, "dns_dnstap_top_policies"))
	require.EqualValues(t, 6, m2.Directions.Find("in").DoH.Value())
}

// TestDNSTap counts messages of all transports, messages with missing fields, and invalid frames.
func TestDNSTap(t *testing.T) {
	q := packettest.Query(1, "www.example.com", typeA, packettest.ECS("203.0.113.0/24"))
	reply := packettest.Reply(packettest.Query(1, "www.example.com", typeA), 3, 0)
	m := dnstapmsg.Message{Type: dnstapmsg.ClientQuery, IPv4: true, Protocol: dnstapmsg.UDP, QueryPort: 5000, Query: q, QueryTime: 1e18}
	response := m
	response.Type, response.Response, response.Protocol = dnstapmsg.ClientResponse, reply, dnstapmsg.TCP
	secure := m
	secure.Type, secure.Protocol, secure.IPv4, secure.IPv6, secure.QueryPort = dnstapmsg.ResolverQuery, dnstapmsg.DoT, false, true, 0
	silent := response
	silent.Response = nil
	broken := m
	broken.Query = q[:5]
	garbage := capture.Frame{TimeNS: 1e18, Data: []byte("garbage"), Link: decode.LinkDNSTap}
	frames := []capture.Frame{packettest.DNSTap(m), packettest.DNSTap(response), packettest.DNSTap(secure), packettest.DNSTap(silent), packettest.DNSTap(broken), garbage}

	settings := handler.Settings{Enable: []string{"top_ecs"}}
	got, p := run(t, dns.Config{Settings: settings}, frames...)
	require.Equal(t, []uint64{5, 4}, []uint64{got.Events.Value(), got.Total.Value()})
	require.Equal(t, []uint64{2, 2}, []uint64{got.Queries.Value(), got.Replies.Value()})
	require.Equal(t, []uint64{1, 2}, []uint64{got.UDP.Value(), got.TCP.Value()}, "DoT is neither")
	require.Equal(t, []uint64{3, 1}, []uint64{got.IPv4.Value(), got.IPv6.Value()})
	require.Equal(t, uint64(1), got.NXDomain.Value())
	require.Equal(t, uint64(2), got.ECS.Value())
	require.Equal(t, uint64(1), got.Trans.Value())
	require.Equal(t, []string{"5000 3"}, list(t, p, "dns_top_udp_ports"))
	require.Equal(t, []string{"www.example.com 3"}, list(t, p, "dns_top_qname3"))
	require.Equal(t, handler.Account{Offered: 6, Analysed: 5, Undecodable: 1}, p.Account())
	require.Equal(t, []capture.Reason{{Text: "DNS message that ends within its header", Count: 1}, {Text: "dnstap frame malformed", Count: 1}}, p.Reasons())
	require.Equal(t, handler.Account{Offered: 5, Analysed: 4, Undecodable: 1}, p.HandlerAccounts()["dns"])

	got, _ = run(t, dns.Config{OnlyDNSTap: dnstapmsg.ResolverResponse, OnlyQTypes: []dnsmsg.Type{typeAAAA}}, frames...)
	require.Equal(t, []uint64{1, 3}, []uint64{got.Total.Value(), got.Filtered.Value()}, "of the other filters none concerns dnstap")
}

// TestTapResponsesOfOneType has a resolver that logs responses to its clients, and both messages of
// transactions with other servers. Each response to a client stands for its query.
func TestTapResponsesOfOneType(t *testing.T) {
	var frames []capture.Frame
	for i := range 20 {
		query, response := tapExchange(i, time.Millisecond)
		asked, answered := query, response
		asked.Type, answered.Type = dnstapmsg.ResolverQuery, dnstapmsg.ResolverResponse
		asked.QueryAddr, answered.QueryAddr = []byte{192, 0, 2, 1}, []byte{192, 0, 2, 1}
		frames = append(frames, packettest.DNSTap(asked), packettest.DNSTap(answered), packettest.DNSTap(response))
	}
	want := []string{"192.0.2.1 20", "198.51.100.9 20"}
	m, p := run(t, dns.Config{}, frames...)
	require.ElementsMatch(t, want, list(t, p, "dns_top_clients_queries"))
	require.ElementsMatch(t, want, list(t, p, "dns_clients_by_names"))
	require.EqualValues(t, 2, m.Traffic.IPv4.Estimate())
	m2, p := runTransactions(t, dns.Config{}, frames...)
	require.ElementsMatch(t, want, list(t, p, "dns_top_clients_queries"))
	for _, dir := range []string{"in", "out"} {
		require.EqualValues(t, 1, m2.Directions.Find(dir).Traffic.IPv4.Estimate(), dir)
	}
}
