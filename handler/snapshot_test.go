package handler_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/handler"
	"visor/handler/dns"
	"visor/handler/metric"
	"visor/handler/network"
	"visor/internal/packettest"
	"visor/sketch"
	"visor/sketch/hash64"
)

// queries returns queries at some seconds.
func queries(seconds ...int64) (frames []capture.Frame) {
	for i, s := range seconds {
		f := packettest.UDP(0, "198.51.100.9:5000", "192.0.2.1:53", packettest.Query(uint16(i), "www.example.com", 1))
		f.TimeNS += s * int64(time.Second)
		frames = append(frames, f)
	}
	return frames
}

// counted returns the counts of net and dns for queries at some seconds.
func counted(t *testing.T, tap string, hash *hash64.Hasher, seconds ...int64) *handler.Pipeline {
	net, err := network.New(network.Config{Settings: handler.Settings{Name: tap + "-net", Tap: tap, Periods: 1}})
	require.NoError(t, err)
	names, err := dns.New(dns.Config{Settings: handler.Settings{Name: tap + "-dns", Tap: tap, Periods: 1}})
	require.NoError(t, err)
	p, err := handler.NewPipeline(handler.Config{
		Sources: []capture.Source{capture.NewMemory(queries(seconds...))}, Handlers: []handler.Handler{net, names}, Hash: hash,
	})
	require.NoError(t, err)
	require.NoError(t, p.Run(context.Background()))
	return p
}

func modules(t *testing.T, p *handler.Pipeline) (net, names *handler.Module) {
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	return &snap.Modules[0], &snap.Modules[1]
}

// Join combines the counts of several handlers as if one had seen all events. It covers all of
// their time, and adds rates second by second.
func TestJoin(t *testing.T) {
	a, dnsA := modules(t, counted(t, "a", nil, 0, 0, 10))
	b, _ := modules(t, counted(t, "b", nil, 10, 10, 40))
	none, _ := modules(t, counted(t, "none", nil))
	sum, err := handler.Join("merged", none, b, a)
	require.NoError(t, err)
	require.Equal(t, []any{"merged", "", "net", a.Start, 40 * time.Second}, []any{sum.Name, sum.Tap, sum.Type, sum.Start, sum.Length})
	m := network.From(&handler.Snapshot{Modules: []handler.Module{sum}})
	require.Equal(t, uint64(6), m.Total.Value())
	require.Equal(t, []uint64{2, 3, 1}, []uint64{m.RateTotal.At(a.Start.Unix()), m.RateTotal.At(a.Start.Unix() + 10), m.RateTotal.At(a.Start.Unix() + 40)})
	require.Equal(t, uint64(3), network.From(&handler.Snapshot{Modules: []handler.Module{*a}}).Total.Value(), "they stay as they were")

	_, err = handler.Join("merged", a, dnsA)
	require.EqualError(t, err, "handler: merged is a net 1.0, a-dns is a dns 1.0: they cannot be merged")
}

// Modules hashed under different keys merge, in any order, except cardinalities, whose names Join
// lists. Common names and addresses count once.
func TestJoinKeys(t *testing.T) {
	hashes := []*hash64.Hasher{hash64.Fixed(), hash64.New(hash64.Key{1}), hash64.Random()}
	var nets, names []*handler.Module
	for _, h := range hashes {
		net, dns := modules(t, counted(t, "a", h, 0, 0, 10))
		nets, names = append(nets, net), append(names, dns)
	}
	join := func(modules ...*handler.Module) *handler.Module {
		sum, err := handler.Join("merged", modules...)
		require.NoError(t, err)
		return &sum
	}
	for _, sum := range []*handler.Module{
		join(names...), join(join(names[:2]...), names[2]), join(names[0], join(names[1:]...)), join(join(names[2], names[0]), names[1]),
	} {
		require.Contains(t, sum.LeftOut, "dns_cardinality_qname")
		require.Zero(t, sum.HashID)
		m := dns.From(&handler.Snapshot{Modules: []handler.Module{*sum}})
		require.Equal(t, []uint64{9, 9}, []uint64{m.Queries.Value(), m.TopQName2.Total()})
		top := m.TopQName3.Top(10)
		require.Len(t, top, 1)
		require.EqualValues(t, 9, top[0].Lower)
		shown := make(map[string]bool)
		for _, v := range sum.Values() {
			require.NotEqual(t, metric.KindCardinality, v.Kind)
			shown[v.Prom] = true
		}
		own := make(map[string]bool)
		for _, v := range names[0].Values() {
			own[v.Prom] = true
		}
		require.Len(t, shown, len(own)-len(sum.LeftOut))
	}
	sum := join(nets...)
	require.Subset(t, sum.LeftOut, []string{"packets_cardinality_src_ips_in", "packets_cardinality_dst_ips_out"})
	require.EqualValues(t, 9, network.From(&handler.Snapshot{Modules: []handler.Module{*sum}}).Total.Value())
	require.Empty(t, join(names[0], names[0]).LeftOut)
	require.NotZero(t, join(names[0], names[0]).HashID)
}

// Typed access has none of the cardinalities that Join leaves out, in subjects of one module alone
// too: there they would be the count of one host.
func TestJoinKeysOfSubjects(t *testing.T) {
	type metrics struct {
		Sites metric.Map[struct {
			Hits  sketch.Counter     `metric:"hits" help:"hits"`
			Hosts sketch.Cardinality `metric:"hosts" help:"distinct hosts"`
		}] `metric:"sites" label:"site"`
	}
	of := func(hash *hash64.Hasher, site string) *handler.Module {
		h := declareFeed(t, func(m *metrics, n uint64) {
			m.Sites.At(site).Hits.Add(1)
			m.Sites.At(site).Hosts.Add(n)
		})
		p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{capture.NewMemory(queries(0, 0))}, Handlers: []handler.Handler{h}, Hash: hash})
		require.NoError(t, err)
		require.NoError(t, p.Run(t.Context()))
		snap, err := p.Bucket(0)
		require.NoError(t, err)
		return &snap.Modules[0]
	}
	a, b := of(hash64.Fixed(), "a"), of(hash64.Random(), "b")
	for _, order := range [][]*handler.Module{{a, b}, {b, a}} {
		sum, err := handler.Join("merged", order...)
		require.NoError(t, err)
		require.Equal(t, []string{"x_hosts"}, sum.LeftOut)
		for name, site := range handler.Find[metrics](&handler.Snapshot{Modules: []handler.Module{sum}}).Sites.All() {
			require.EqualValues(t, 2, site.Hits.Value(), name)
			require.Zero(t, site.Hosts.Estimate(), name)
		}
	}
}

// feedHandler counts each packet by a function.
type feedHandler[M any] struct {
	handler.Declared[M]
	count func(m *M, n uint64)
}

func declareFeed[M any](t *testing.T, count func(*M, uint64)) handler.Handler {
	d, err := handler.Declare[M](handler.Spec{Type: "x"}, handler.Settings{})
	require.NoError(t, err)
	return &feedHandler[M]{d, count}
}

func (h *feedHandler[M]) NewShard() handler.Shard { return &feedShard[M]{h.NewBase(), h.count} }

type feedShard[M any] struct {
	handler.Base[M]
	count func(*M, uint64)
}

func (s *feedShard[M]) Process(b *handler.Batch) {
	for i := range b.Packets {
		s.count(s.Live, uint64(i+1))
	}
}

// Open counts the queries that wait for their reply, by module.
func TestOpen(t *testing.T) {
	v1, err := dns.New(dns.Config{})
	require.NoError(t, err)
	v2, err := dns.NewTransactions(dns.Config{Settings: handler.Settings{Name: "second"}})
	require.NoError(t, err)
	net, err := network.New(network.Config{})
	require.NoError(t, err)
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{capture.NewMemory(queries(0, 0, 1))}})
	require.NoError(t, err)
	g, err := p.Attach(handler.AttachConfig{Handlers: []handler.Handler{v1, v2, net}})
	require.NoError(t, err)
	require.NoError(t, p.Run(context.Background()))
	require.Equal(t, map[string]int{"dns": 3, "second": 3}, g.Open())
}
