package dns_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/handler"
	"visor/handler/anonymize"
	"visor/handler/dns"
	"visor/internal/packettest"
)

// TestAnonymize: lists have networks, and distinct counts have hosts. Names of addresses are cut,
// too. Transactions match although all clients are shown as one.
func TestAnonymize(t *testing.T) {
	method, err := anonymize.New(anonymize.Config{})
	require.NoError(t, err)
	const clients = 20
	var frames []capture.Frame
	for i := range clients {
		client, server := fmt.Sprintf("203.0.113.%d:5000", i), "198.51.100.53:53"
		q := packettest.Query(1, fmt.Sprintf("%d.113.0.203.in-addr.arpa", i), 12, packettest.ECS(fmt.Sprintf("192.0.2.%d/32", i)))
		plain := packettest.Query(2, fmt.Sprintf("%d.113.0.203.in-addr.arpa", i), 12)
		at := time.Duration(i) * time.Millisecond
		frames = append(frames, packettest.UDP(at, client, server, q), packettest.UDP(at, client, server, plain),
			packettest.UDP(at+time.Microsecond, server, client, packettest.Reply(plain, 3, 0)))
	}
	// later than the timeout
	frames = append(frames, packettest.UDP(10*time.Second, "203.0.113.1:5000", "198.51.100.53:5001", nil))
	h, err := dns.New(dns.Config{Settings: handler.Settings{Enable: []string{"all"}, Anonymize: method}})
	require.NoError(t, err)
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{capture.NewMemory(frames)}, Handlers: []handler.Handler{h}})
	require.NoError(t, err)
	require.NoError(t, p.Run(t.Context()))
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	m := dns.From(snap)
	require.Equal(t, uint64(clients), m.Trans.Value())
	require.Equal(t, uint64(clients), m.Clients.Distinct.Estimate())
	require.Equal(t, uint64(clients), m.QName.Estimate())
	for list, items := range map[string][]string{
		"203.0.113.0":            {m.Clients.ByAddress.Queries.Items(10)[0].Name, m.Clients.ClientsByNames.Items(10)[0].Name},
		"203.0.113.0/24":         {m.Clients.BySubnet.Queries.Items(10)[0].Name},
		"192.0.2.0":              {m.TopECS.Items(10)[0].Name},
		"113.0.203.in-addr.arpa": {m.TopNXDomain.Items(10)[0].Name, m.Clients.NamesByClients.Items(10)[0].Name, m.Clients.Timeouts.Items(10)[0].Name},
	} {
		for _, name := range items {
			require.Equal(t, list, name)
		}
	}
	require.Equal(t, []string{"203.0.113.0"}, m.Clients.NamesByClients.Items(10)[0].Samples, "each text once")
	require.Len(t, m.Clients.ByAddress.Queries.Items(10), 1)
	require.Equal(t, uint64(clients), m.Clients.ClientsByNames.Items(10)[0].Estimate, "distinct names")
	require.Equal(t, uint64(clients), m.Clients.NamesByClients.Items(10)[0].Estimate, "distinct clients")
	require.Equal(t, uint64(clients), m.Servers.Find("198.51.100.0").Trans.Value())
	require.Equal(t, 1, m.Servers.Len())
}

// TestAnonymizeMerge: snapshots with and without whole addresses merge. Clients of both count once,
// and lists have the entries of both.
func TestAnonymizeMerge(t *testing.T) {
	method, err := anonymize.New(anonymize.Config{})
	require.NoError(t, err)
	var merger handler.Merger
	for i, m := range []*anonymize.Method{nil, method} {
		h, err := dns.New(dns.Config{Settings: handler.Settings{Anonymize: m}})
		require.NoError(t, err)
		q := packettest.Query(1, "www.example.com", 1)
		p, err := handler.NewPipeline(handler.Config{
			Sources:  []capture.Source{capture.NewMemory([]capture.Frame{packettest.UDP(0, "203.0.113.7:5000", "198.51.100.53:53", q)})},
			Handlers: []handler.Handler{h},
		})
		require.NoError(t, err)
		require.NoError(t, p.Run(t.Context()))
		snap, err := p.Bucket(0)
		require.NoError(t, err)
		require.NoError(t, merger.Add(snap, handler.Origin{Agent: fmt.Sprint(i)}))
	}
	sum := dns.From(merger.Snapshot())
	require.Equal(t, uint64(1), sum.Clients.Distinct.Estimate())
	var names []string
	for _, item := range sum.Clients.ByAddress.Queries.Items(10) {
		names = append(names, item.Name)
	}
	require.ElementsMatch(t, []string{"203.0.113.0", "203.0.113.7"}, names)
}
