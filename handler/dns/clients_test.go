package dns_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/decode/dnsmsg"
	"visor/handler"
	"visor/handler/dns"
	"visor/handler/handlertest"
	"visor/handler/metric"
	"visor/internal/packettest"
)

// asked is a query of generated traffic with its fate.
type asked struct {
	client, server netip.AddrPort
	name           string
	rcode          byte
	took           time.Duration // 0: no reply
	size           int           // bytes of the reply
	truncated      bool
}

// hosts counts by host, exactly: the slow twin of the tables of clients and servers.
type hosts map[string]map[string]uint64

func (h hosts) add(list, key string, n uint64) {
	if h[list] == nil {
		h[list] = make(map[string]uint64)
	}
	h[list][key] += n
}

// count adds a query to h. In version 1.0, a query is a message.
func (h hosts) count(q *asked) {
	client := q.client.Addr()
	bits := 24
	if client.Is6() {
		bits = 48
	}
	subnet, _ := client.Prefix(bits)
	for _, by := range []struct{ list, key string }{{"client", client.String()}, {"subnet", subnet.String()}} {
		h.add(by.list+" queries", by.key, 1)
		if q.took == 0 {
			h.add(by.list+" unanswered", by.key, 1)
			continue
		}
		h.add(by.list+" bytes", by.key, uint64(q.size))
		switch dnsmsg.RCode(q.rcode) {
		case dnsmsg.RCodeNXDomain:
			h.add(by.list+" nxdomain", by.key, 1)
		case dnsmsg.RCodeServFail, dnsmsg.RCodeRefused:
			h.add(by.list+" failed", by.key, 1)
		}
	}
	server := q.server.Addr().String()
	if q.took == 0 {
		h.add("server unanswered", server, 1)
		h.add("timeouts", q.name, 1)
		return
	}
	h.add("server xacts", server, 1)
	if dnsmsg.RCode(q.rcode) == dnsmsg.RCodeServFail {
		h.add("server srvfail", server, 1)
	}
	if q.truncated {
		h.add("server truncated", server, 1)
	}
}

// shown returns the lists of clients and servers.
func shown(c *dns.Clients, servers *metric.Map[dns.Server]) hosts {
	h := hosts{}
	for list, top := range map[string]*dns.TopClients{"client": &c.ByAddress, "subnet": &c.BySubnet} {
		for column, side := range map[string]*metric.TopSide{
			"queries": &top.Queries, "bytes": &top.Bytes, "nxdomain": &top.NXDomain, "failed": &top.Failed, "unanswered": &top.Unanswered,
		} {
			for _, item := range side.Items(1 << 20) {
				h.add(list+" "+column, item.Name, item.Estimate)
			}
		}
	}
	for _, item := range c.Timeouts.Items(1 << 20) {
		h.add("timeouts", item.Name, item.Estimate)
	}
	for name, s := range servers.All() {
		for column, n := range map[string]uint64{
			"xacts": s.Trans.Value(), "unanswered": s.Unanswered.Value(), "srvfail": s.ServFail.Value(), "truncated": s.Truncated.Value(),
		} {
			if n > 0 {
				h.add("server "+column, name, n)
			}
		}
	}
	return h
}

// generated returns n queries of clients and servers in IPv4 and IPv6 with their frames, and exact
// counts.
func generated(n, clients, servers int) (frames []capture.Frame, truth hosts) {
	r := rand.New(rand.NewPCG(uint64(n), uint64(clients)))
	busy := rand.NewZipf(r, 1.1, 1, uint64(clients-1))
	near := rand.NewZipf(r, 1.2, 1, uint64(servers-1))
	truth = hosts{}
	for i := range n {
		c, s := busy.Uint64(), near.Uint64()
		q := asked{
			client: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, byte(c >> 8), byte(c)}), uint16(1024+r.IntN(60000))),
			server: netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, byte(s >> 8), byte(s)}), 53),
			name:   fmt.Sprintf("%0*d.example.com", 1+r.IntN(30), r.IntN(50)), rcode: byte(r.IntN(6)), truncated: r.IntN(20) == 0,
		}
		if c%3 == 0 {
			q.client = netip.AddrPortFrom(netip.MustParseAddr(fmt.Sprintf("2001:db8:%x::%x", c>>4, c)), q.client.Port())
			q.server = netip.AddrPortFrom(netip.MustParseAddr(fmt.Sprintf("2001:db8:ffff::%x", s+1)), 53)
		}
		if c == 3 { // slots without an owner have this address
			q.client = netip.AddrPortFrom(netip.IPv6Unspecified(), q.client.Port())
		}
		if r.IntN(10) > 0 {
			q.took = time.Duration(1+r.IntN(900_000)) * time.Microsecond
		}
		at := time.Duration(i) * 20 * time.Second / time.Duration(n)
		query := packettest.Query(uint16(i), q.name, typeA)
		reply := packettest.Reply(query, q.rcode, r.IntN(3))
		if q.truncated {
			reply[2] |= 0x02
		}
		q.size = len(reply)
		frames = append(frames, packettest.UDP(at, q.client.String(), q.server.String(), query))
		if q.took > 0 {
			frames = append(frames, packettest.UDP(at+q.took, q.server.String(), q.client.String(), reply))
		}
		truth.count(&q)
	}
	slices.SortStableFunc(frames, func(a, b capture.Frame) int { return int(a.TimeNS - b.TimeNS) })
	return frames, truth
}

// analysed returns the counts of clients and servers of both versions.
func analysed(t *testing.T, cfg dns.Config, workers int, frames []capture.Frame) (all []hosts, distinct []uint64) {
	cfg.Periods = 1
	cfg.Transactions = 1 << 16
	for _, version := range []func(dns.Config) (handler.Handler, error){
		func(cfg dns.Config) (handler.Handler, error) { return dns.New(cfg) },
		func(cfg dns.Config) (handler.Handler, error) { return dns.NewTransactions(cfg) },
	} {
		h, err := version(cfg)
		require.NoError(t, err)
		p := handlertest.AnalyseBy(t, h, workers, capture.NewMemory(frames))
		snap, err := p.Bucket(0)
		require.NoError(t, err)
		if m := dns.From(snap); m != nil {
			all = append(all, shown(&m.Clients, &m.Servers))
			distinct = append(distinct, m.Clients.Distinct.Estimate())
		}
		if m := dns.FromTransactions(snap); m != nil {
			all = append(all, shown(&m.Clients, &m.Servers))
			distinct = append(distinct, m.Clients.Distinct.Estimate())
		}
	}
	return all, distinct
}

// Both versions count clients, subnets, servers and timeouts exactly within the capacity of the
// lists, for any number of workers.
func TestHosts(t *testing.T) {
	n := 20_000
	if testing.Short() {
		n = 5000
	}
	frames, truth := generated(n, 900, 30)
	// later than all timeouts
	frames = append(frames, packettest.UDP(40*time.Second, "192.0.2.1:53", "192.0.2.2:999", nil))
	for _, workers := range []int{1, 3} {
		all, distinct := analysed(t, dns.Config{}, workers, frames)
		for version, got := range all {
			for list, want := range truth {
				require.Equal(t, want, got[list], "version %d.0, %d workers: %s", version+1, workers, list)
			}
			require.InEpsilon(t, len(truth["client queries"]), distinct[version], 0.05)
		}
	}
}

// The copy of a zone counts with all of its messages, by client and zone. These do not count:
// refused copies, replies to a client whose zone is up to date, and other replies over TCP.
func TestTransfers(t *testing.T) {
	const syn, ack, axfr, ixfr = decode.FlagSYN, decode.FlagACK, 252, 251
	copied := packettest.Query(1, "example.com", axfr)
	first := packettest.Reply(copied, 0, 40)
	rest := slices.Concat(first[:12], first[len(copied):]) // without the question
	rest[5] = 0
	refused, current := packettest.Query(2, "example.net", axfr), packettest.Query(3, "example.org", ixfr)
	other := packettest.Query(4, "www.example.com", typeA)
	asked := packettest.Stream(copied, refused, current, other)
	answered := packettest.Stream(first, rest, packettest.Reply(refused, 5, 0), rest, packettest.Reply(current, 0, 1), packettest.Reply(other, 0, 9))
	frames := []capture.Frame{
		packettest.TCP(0, client, server, syn, 99, 0, nil),
		packettest.TCP(0, server, client, syn|ack, 499, 100, nil),
		packettest.TCP(1e6, client, server, ack, 100, 500, asked),
		packettest.TCP(2e6, server, client, ack, 500, 100+uint32(len(asked)), answered),
	}
	want := fmt.Sprintf("%s example.com %d", netip.MustParseAddrPort(client).Addr(), len(first)+2*len(rest))
	for version, h := range []handler.Handler{newVersion(t, dns.New), newVersion(t, dns.NewTransactions)} {
		p := handlertest.AnalyseBy(t, h, 1, capture.NewMemory(frames))
		require.Equal(t, []string{want}, list(t, p, "dns_top_transfers"), "version %d.0", version+1)
	}
}

func newVersion[H handler.Handler](t *testing.T, version func(dns.Config) (H, error)) handler.Handler {
	t.Helper()
	h, err := version(dns.Config{})
	require.NoError(t, err)
	return h
}

// The bytes of a reply are those on the wire, also if the capture has a part of them.
func TestCutReplies(t *testing.T) {
	query := packettest.Query(7, "www.example.com", typeA)
	reply := packettest.Reply(query, 0, 20)
	frames := exchange(0, time.Millisecond, "192.0.2.1:999", "192.0.2.53:53", query, reply)
	frames[1].Data = frames[1].Data[:120] // the length on the wire stays
	all, _ := analysed(t, dns.Config{}, 1, frames)
	for version, got := range all {
		require.Equal(t, map[string]uint64{"192.0.2.1": uint64(len(reply))}, got["client bytes"], "version %d.0", version+1)
	}
}

// The 64 busiest servers have separate counts, and the others share one. The counts of both add up.
// A server with separate counts lacks less than 1/32 of all and 8.
func TestManyServers(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out floods")
	}
	frames, truth := generated(30_000, 100, 3000)
	frames = append(frames, packettest.UDP(40*time.Second, "192.0.2.1:53", "192.0.2.2:999", nil))
	for _, workers := range []int{1, 3} {
		all, _ := analysed(t, dns.Config{}, workers, frames)
		for version, got := range all {
			total, counted, most := uint64(0), uint64(0), uint64(0)
			for _, n := range truth["server xacts"] {
				total += n
			}
			for _, n := range got["server xacts"] {
				counted += n
			}
			require.Equal(t, total, counted, "version %d.0", version+1)
			require.Len(t, got["server xacts"], 65)
			for name, n := range truth["server xacts"] {
				own, ok := got["server xacts"][name]
				require.LessOrEqual(t, own, n)
				require.LessOrEqual(t, n-own, total/32+8, name)
				if !ok {
					most = max(most, n)
				}
			}
			require.LessOrEqual(t, most, total/32+8, "the busiest server without counts")
		}
	}
}

// With more clients than the lists hold, each count is within the error of its list.
func TestManyClients(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out floods")
	}
	frames, truth := generated(60_000, 20_000, 3)
	h, err := dns.New(dns.Config{Settings: handler.Settings{Periods: 1}})
	require.NoError(t, err)
	p := handlertest.AnalyseBy(t, h, 2, capture.NewMemory(frames))
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	c := &dns.From(snap).Clients
	for list, side := range map[string]*metric.TopSide{
		"client queries": &c.ByAddress.Queries, "client bytes": &c.ByAddress.Bytes, "client nxdomain": &c.ByAddress.NXDomain,
		"subnet queries": &c.BySubnet.Queries, "subnet failed": &c.BySubnet.Failed,
	} {
		found := hosts{}
		for _, item := range side.Items(1 << 20) {
			want := truth[list][item.Name]
			require.LessOrEqual(t, item.Lower, want, "%s: %s", list, item.Name)
			require.GreaterOrEqual(t, item.Estimate, want, "%s: %s", list, item.Name)
			found.add(list, item.Name, item.Estimate)
		}
		for name, n := range truth[list] {
			require.LessOrEqual(t, n, max(found[list][name], side.Error()), "%s: %s", list, name)
		}
		require.LessOrEqual(t, float64(side.Error()), float64(side.Total())/(0.08*2048), list)
	}
	require.NotZero(t, c.ByAddress.Queries.Error())
}

// Subnets have the configured lengths, and places and autonomous systems belong to the clients.
func TestClientSubnetsAndPlaces(t *testing.T) {
	q := packettest.Query(1, "a.example", typeA)
	frames := []capture.Frame{
		packettest.UDP(0, "203.0.113.200:999", "192.0.2.53:53", q),
		packettest.UDP(0, "[2001:db8:1:2:3::4]:999", "[2001:db8::53]:53", q),
	}
	m, _ := run(t, dns.Config{ClientSubnetV4: 9, ClientSubnetV6: 72, Geo: places(t)}, frames...)
	require.ElementsMatch(t, []metric.Item{
		{Name: "203.0.0.0/9", Estimate: 1, Lower: 1}, {Name: "2001:db8:1:2::/72", Estimate: 1, Lower: 1},
	}, m.Clients.BySubnet.Queries.Items(10))
	require.Len(t, m.Clients.ByASN.Queries.Items(10), 2)
	require.Len(t, m.Clients.ByPlace.Queries.Items(10), 2)
	_, err := dns.New(dns.Config{ClientSubnetV4: 33})
	require.ErrorContains(t, err, "ClientSubnetV4 33 must be from 1 to 32")
}

// Names have the number of their distinct clients, and clients of their distinct names. Repeated
// queries do not count, and each worker counts the same.
func TestClientNames(t *testing.T) {
	var frames []capture.Frame
	names, clients := map[string]uint64{}, map[string]uint64{}
	for round := range 3 {
		for i := range 30 {
			for j := range i {
				client, name := fmt.Sprintf("192.0.2.%d", j), fmt.Sprintf("n%d.example", i)
				at := time.Duration(len(frames)) * time.Millisecond
				q := packettest.Query(uint16(len(frames)), name, typeA)
				frames = append(frames, packettest.UDP(at, client+":999", "198.51.100.1:53", q))
				frames = append(frames, packettest.UDP(at, "198.51.100.1:53", client+":999", packettest.Reply(q, 0, 1)))
				if round == 0 {
					names[name]++
					clients[client]++
				}
			}
		}
	}
	for _, version := range []func(dns.Config) (handler.Handler, error){
		func(cfg dns.Config) (handler.Handler, error) { return dns.New(cfg) },
		func(cfg dns.Config) (handler.Handler, error) { return dns.NewTransactions(cfg) },
	} {
		for _, workers := range []int{1, 3} {
			h, err := version(dns.Config{Settings: handler.Settings{Periods: 1}})
			require.NoError(t, err)
			snap, err := handlertest.AnalyseBy(t, h, workers, capture.NewMemory(frames)).Bucket(0)
			require.NoError(t, err)
			for _, v := range snap.Modules[0].Values() {
				want := map[string]map[string]uint64{"names_by_clients": names, "clients_by_names": clients}[v.Path[0]]
				if want == nil {
					continue
				}
				require.True(t, v.Distinct)
				require.Len(t, v.Items, 10)
				for _, item := range v.Items {
					require.Equal(t, want[item.Name], item.Estimate, item.Name)
					require.Len(t, item.Samples, 8)
				}
				require.EqualValues(t, 29, v.Items[0].Estimate)
			}
		}
	}
}
