package dns_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode/dnsmsg"
	"visor/decode/dnstapmsg"
	"visor/handler"
	"visor/handler/dns"
	"visor/handler/handlertest"
	"visor/internal/packettest"
)

// runTransactions returns the handler's metrics for frames, in one bucket unless cfg sets Periods,
// and its pipeline.
func runTransactions(t testing.TB, cfg dns.Config, frames ...capture.Frame) (*dns.TransactionMetrics, *handler.Pipeline) {
	if cfg.Periods == 0 {
		cfg.Periods = 1
	}
	cfg.Enable = []string{"all"}
	h, err := dns.NewTransactions(cfg)
	require.NoError(t, err)
	p := handlertest.Analyse(t, h, capture.NewMemory(frames))
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	return dns.FromTransactions(snap), p
}

func TestTransactionsByDirection(t *testing.T) {
	q := packettest.Query(1, "www.Example.com", typeA, packettest.ECS("203.0.113.0/24"))
	reply := packettest.Reply(q, 3, 0)
	reply[2] |= 4 // authoritative
	checked := packettest.Query(2, "b.example.com", typeAAAA)
	checked[3] |= 0x10 // checking disabled
	frames := exchange(0, 3*time.Millisecond, client, server, q, reply)
	frames = append(frames, exchange(0, 7*time.Millisecond, resolver, upstream, checked, packettest.Reply(checked, 0, 0))...)
	frames = append(frames, packettest.UDP(time.Second, server, client, packettest.Reply(packettest.Query(3, "orphan.", typeA), 0, 1)))
	frames = append(frames, exchange(time.Second, 6*time.Second, client, server, packettest.Query(4, "late.", typeA), packettest.Reply(packettest.Query(4, "late.", typeA), 0, 1))...)
	m, _ := runTransactions(t, dns.Config{}, frames...)
	require.Equal(t, []uint64{7, 7, 0}, []uint64{m.Events.Value(), m.DeepSamples.Value(), m.Filtered.Value()})
	require.Equal(t, 2, m.Directions.Len())
	in, out := m.Directions.Find("in"), m.Directions.Find("out")
	require.Equal(t, []uint64{1, 1, 1}, []uint64{in.Trans.Value(), in.Orphans.Value(), in.TimedOut.Value()})
	require.Equal(t, []uint64{1, 1, 1, 0}, []uint64{in.NXDomain.Value(), in.AA.Value(), in.ECS.Value(), in.CD.Value()})
	require.Equal(t, []uint64{1, 1, 1, 1}, []uint64{out.Trans.Value(), out.NoError.Value(), out.NoData.Value(), out.CD.Value()})
	require.Equal(t, []uint64{1, 1, 0}, []uint64{in.UDP.Value(), in.IPv4.Value(), in.TCP.Value()})
	require.Equal(t, []float64{3000, 7000}, []float64{in.Time.Max(), out.Time.Max()})
	require.Equal(t, uint64(1), in.QName.Estimate())
	require.InDelta(t, float64(len(reply))/float64(len(q)), in.Ratio.Max(), 1e-9)
}

// Between two local hosts, a query and its reply both have direction "in".
func TestTransactionOwnToOwn(t *testing.T) {
	q := packettest.Query(1, "a.example.", typeA)
	m, _ := runTransactions(t, dns.Config{}, exchange(0, time.Millisecond, "192.0.2.7:4000", server, q, packettest.Reply(q, 0, 1))...)
	require.Equal(t, uint64(1), m.Directions.Find("in").Trans.Value())
	require.Nil(t, m.Directions.Find("out"))
}

// A filter that rejects one half also rejects the other.
func TestTransactionFilters(t *testing.T) {
	var frames []capture.Frame
	for i, name := range []string{"a.example.", "b.example.", "c.other."} {
		q := packettest.Query(uint16(i), name, typeA)
		frames = append(frames, exchange(0, time.Millisecond, client, server, q, packettest.Reply(q, byte(i), 0))...)
	}
	for _, tt := range []struct {
		name            string
		cfg             dns.Config
		trans, filtered uint64
	}{
		{"query", dns.Config{OnlyQNames: []string{"a.example"}}, 1, 4},
		{"suffix", dns.Config{OnlySuffixes: []string{"example"}}, 2, 2},
		{"reply", dns.Config{OnlyRCodes: []dnsmsg.RCode{0}}, 1, 4},
		{"both", dns.Config{OnlyRCodes: []dnsmsg.RCode{0, 1}, OnlyQNames: []string{"b.example"}}, 1, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, p := runTransactions(t, tt.cfg, frames...)
			require.Equal(t, uint64(6), m.Events.Value())
			require.Equal(t, tt.filtered, m.Filtered.Value())
			require.Equal(t, tt.trans, m.Directions.Find("in").Trans.Value())
			require.Zero(t, m.Directions.Find("in").Orphans.Value())
			a := p.HandlerAccounts()["dns"]
			require.Equal(t, a.Offered, a.Analysed+a.Filtered+a.NotSampled+a.Undecodable)
		})
	}
	_, err := dns.NewTransactions(dns.Config{OnlyQueries: true})
	require.ErrorContains(t, err, "transactions")
}

// Queries that have timed out at the end of a period count in it. Its durations set the slowness
// level of the next.
func TestTransactionPeriods(t *testing.T) {
	var frames []capture.Frame
	for i := range 10 {
		q := packettest.Query(uint16(i), fmt.Sprintf("n%d.example.", i), typeA)
		frames = append(frames, exchange(time.Second, time.Duration(i+1)*time.Millisecond, client, server, q, packettest.Reply(q, 0, 1))...)
	}
	frames = append(frames, packettest.UDP(2*time.Second, client, server, packettest.Query(99, "lost.", typeA)))
	for i, took := range []time.Duration{2 * time.Millisecond, 20 * time.Millisecond} {
		q := packettest.Query(uint16(100+i), fmt.Sprintf("Slow%d.example.", i), typeA)
		frames = append(frames, exchange(61*time.Second, took, client, server, q, packettest.Reply(q, 0, 1))...)
	}
	m, p := runTransactions(t, dns.Config{Settings: handler.Settings{Periods: 2}}, frames...)
	in := m.Directions.Find("in")
	require.Equal(t, []uint64{2, 0}, []uint64{in.Trans.Value(), in.TimedOut.Value()})
	before, err := p.Bucket(1)
	require.NoError(t, err)
	require.Equal(t, uint64(1), dns.FromTransactions(before).Directions.Find("in").TimedOut.Value())
	require.Equal(t, []string{"slow1.example 1"}, list(t, p, "dns_top_slow_xacts"))
}

func TestTransactionDNSTap(t *testing.T) {
	var frames []capture.Frame
	tap := func(typ dnstapmsg.Type, via dnstapmsg.Protocol, msg []byte) {
		m := dnstapmsg.Message{
			Type: typ, IPv4: true, Protocol: via, QueryAddr: []byte{198, 51, 100, 9}, ResponseAddr: []byte{192, 0, 2, 1}, QueryPort: 5000, ResponsePort: 53,
		}
		if typ.Query() {
			m.Query = msg
		} else {
			m.Response = msg
		}
		frames = append(frames, packettest.DNSTap(m))
	}
	for i, via := range []dnstapmsg.Protocol{dnstapmsg.UDP, dnstapmsg.TCP, dnstapmsg.DoT, dnstapmsg.DoH, dnstapmsg.DNSCryptUDP, dnstapmsg.DNSCryptTCP, dnstapmsg.DoQ} {
		q := packettest.Query(uint16(i), "a.example.", typeA)
		tap(dnstapmsg.ClientQuery, via, q)
		tap(dnstapmsg.ClientResponse, via, packettest.Reply(q, 0, 1))
		tap(dnstapmsg.ResolverQuery, via, q)
		tap(dnstapmsg.ResolverResponse, via, packettest.Reply(q, 0, 1))
	}
	m, _ := runTransactions(t, dns.Config{}, frames...)
	for _, dir := range []string{"in", "out"} {
		d := m.Directions.Find(dir)
		require.Equal(t, uint64(7), d.Trans.Value())
		require.Equal(t, []uint64{1, 1, 1, 1, 1, 1, 1}, []uint64{
			d.UDP.Value(), d.TCP.Value(), d.DoT.Value(), d.DoH.Value(), d.DNSCryptUDP.Value(), d.DNSCryptTCP.Value(), d.DoQ.Value(),
		})
	}
}

func ExampleNewTransactions() {
	h, err := dns.NewTransactions(dns.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	q := packettest.Query(7, "www.example.com.", typeA)
	p, err := handler.NewPipeline(handler.Config{
		Sources:  []capture.Source{capture.NewMemory(exchange(0, 3*time.Millisecond, client, server, q, packettest.Reply(q, 3, 0)))},
		Handlers: []handler.Handler{h},
	})
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
	for direction, d := range dns.FromTransactions(snap).Directions.All() {
		fmt.Println(direction, d.Trans.Value(), "transaction,", d.NXDomain.Value(), "of them NXDOMAIN")
	}
	// Output: unknown 1 transaction, 1 of them NXDOMAIN
}

// TestFilteredContents: what pktvisor lacks counts the messages whose question passes, not all
// replies if the filter is one of queries, nor all queries if it is one of replies.
func TestFilteredContents(t *testing.T) {
	var frames []capture.Frame
	for i, name := range []string{"a.one.example", "b.two.example", "c.two.example", "d.two.example"} {
		for k, qtype := range []uint16{uint16(typeA), uint16(typeAAAA), uint16(typeAAAA)} {
			at := time.Duration(len(frames)) * time.Millisecond
			q := packettest.Query(uint16(10*i+k), name, qtype, packettest.ECS("203.0.113.0/24"))
			frames = append(frames, packettest.UDP(at, client, server, q))
			if k < 2 { // the last query gets no reply
				reply := packettest.Query(uint16(10*i+k), name, qtype, []byte{0, 15, 0, 2, 0, 6})
				reply[2] |= 0x80
				frames = append(frames, packettest.UDP(at+time.Millisecond, server, client, reply))
			}
		}
	}
	frames = append(frames, packettest.UDP(time.Minute, client, "192.0.2.1:9", nil))
	for name, tt := range map[string]struct {
		cfg           dns.Config
		queries, lost uint64
	}{
		"none": {dns.Config{}, 12, 4}, "name": {dns.Config{OnlyQNames: []string{"b.two.example"}}, 3, 1},
		"suffix": {dns.Config{OnlySuffixes: []string{".one.example"}}, 3, 1}, "type": {dns.Config{OnlyQTypes: []dnsmsg.Type{typeAAAA}}, 8, 4},
		"type without timeouts": {dns.Config{OnlyQTypes: []dnsmsg.Type{dnsmsg.TypeA}}, 4, 0},
	} {
		t.Run(name, func(t *testing.T) {
			m, p := runTransactions(t, tt.cfg, frames...)
			var d dns.Content
			for _, one := range m.Directions.All() {
				if one.Traffic.UDP.QueriesIPv4.Value() > 0 {
					d = one.Content
				}
			}
			replies := tt.queries - tt.lost
			require.Equal(t, []uint64{tt.queries, replies}, []uint64{d.Traffic.UDP.QueriesIPv4.Value(), d.Traffic.UDP.RepliesIPv4.Value()})
			require.Equal(t, []uint64{tt.queries, replies}, []uint64{d.EDNS.Queries.Value(), d.EDNS.Replies.Value()})
			require.Equal(t, []uint64{tt.queries, tt.queries + replies}, []uint64{d.Bits.Labels.Count(), d.Bits.TopClasses.Top(1)[0].Lower})
			require.Equal(t, replies, d.EDNS.TopEDE.Top(1)[0].Lower)
			require.Equal(t, replies, d.Traffic.RCodes.Top(1)[0].Lower)
			own, lost := m.Clients.ByAddress.Queries.Items(1)[0].Estimate, uint64(0)
			for _, item := range m.Clients.Timeouts.Items(9) {
				lost += item.Estimate
			}
			require.Equal(t, []uint64{tt.queries, tt.lost}, []uint64{own, lost}, list(t, p, "dns_top_timeouts"))
		})
	}
}
