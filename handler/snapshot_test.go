package handler_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/handler"
	"visor/handler/dns"
	"visor/handler/network"
	"visor/internal/packettest"
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

// counted returns what net and dns count of queries at some seconds.
func counted(t *testing.T, tap string, seconds ...int64) *handler.Pipeline {
	net, err := network.New(network.Config{Settings: handler.Settings{Name: tap + "-net", Tap: tap, Periods: 1}})
	require.NoError(t, err)
	names, err := dns.New(dns.Config{Settings: handler.Settings{Name: tap + "-dns", Tap: tap, Periods: 1}})
	require.NoError(t, err)
	p, err := handler.NewPipeline(handler.Config{
		Sources: []capture.Source{capture.NewMemory(queries(seconds...))}, Handlers: []handler.Handler{net, names},
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

// What several handlers counted is joined as if one had seen it: over all of their time, rates second by second.
func TestJoin(t *testing.T) {
	a, dnsA := modules(t, counted(t, "a", 0, 0, 10))
	b, _ := modules(t, counted(t, "b", 10, 10, 40))
	none, _ := modules(t, counted(t, "none"))
	sum, err := handler.Join("merged", none, b, a)
	require.NoError(t, err)
	require.Equal(t, []any{"merged", "", "net", a.Start, 40 * time.Second}, []any{sum.Name, sum.Tap, sum.Type, sum.Start, sum.Length})
	m := network.From(&handler.Snapshot{Modules: []handler.Module{sum}})
	require.Equal(t, uint64(6), m.Total.Value())
	require.Equal(t, []uint64{2, 3, 1}, []uint64{m.RateTotal.At(a.Start.Unix()), m.RateTotal.At(a.Start.Unix() + 10), m.RateTotal.At(a.Start.Unix() + 40)})
	require.Equal(t, uint64(3), network.From(&handler.Snapshot{Modules: []handler.Module{*a}}).Total.Value(), "they stay as they were")

	_, err = handler.Join("merged", a, dnsA)
	require.EqualError(t, err, "handler: merged is a net 1.0, a-dns is a dns 1.0: they do not add up")

	foreign := *a
	foreign.HashID = hash64.New(hash64.Key{1}).ID()
	_, err = handler.Join("merged", a, &foreign)
	require.ErrorContains(t, err, "was hashed with key")
}

// Queries that wait for their reply can be counted, by module.
func TestOpen(t *testing.T) {
	v1, err := dns.New(dns.Config{})
	require.NoError(t, err)
	v2, err := dns.NewV2(dns.Config{Settings: handler.Settings{Name: "second"}})
	require.NoError(t, err)
	net, err := network.New(network.Config{})
	require.NoError(t, err)
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{capture.NewMemory(queries(0, 0, 1))}})
	require.NoError(t, err)
	g, err := p.Attach(handler.GroupConfig{Handlers: []handler.Handler{v1, v2, net}})
	require.NoError(t, err)
	require.NoError(t, p.Run(context.Background()))
	require.Equal(t, map[string]int{"dns": 3, "second": 3}, g.Open())
}
