package network_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/decode/dnstapmsg"
	"visor/geo"
	"visor/handler"
	"visor/handler/handlertest"
	"visor/handler/metric"
	"visor/handler/network"
	"visor/internal/mmdbtest"
	"visor/internal/packettest"
	"visor/internal/trafficgen"
)

const (
	ours   = "192.0.2.1:443"
	ours6  = "[2001:db8:53::1]:443"
	theirs = "203.0.113.7:5000"
	other  = "198.51.100.7:5000"
	their6 = "[2001:db8::7]:5000"
)

// run returns the handler's metrics for frames, and its pipeline.
func run(t testing.TB, cfg network.Config, frames ...capture.Frame) (*network.Metrics, *handler.Pipeline) {
	cfg.Periods = 1
	h, err := network.New(cfg)
	require.NoError(t, err)
	p := handlertest.Analyse(t, h, capture.NewMemory(frames))
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	return network.From(snap), p
}

// traffic is three packets in, two out, one between foreign hosts and one without IP.
func traffic() []capture.Frame {
	at := func(n int) time.Duration { return time.Duration(n) * time.Second }
	return []capture.Frame{
		packettest.TCP(at(0), theirs, ours, decode.FlagSYN, 1, 0, nil),
		packettest.TCP(at(0), ours, theirs, decode.FlagSYN|decode.FlagACK, 1, 2, nil),
		packettest.UDP(at(1), theirs, ours, make([]byte, 100)),
		packettest.UDP(at(1), their6, ours6, nil),
		packettest.UDP(at(2), ours, other, nil),
		packettest.UDP(at(2), other, theirs, nil),
		{TimeNS: packettest.UDP(at(2), other, theirs, nil).TimeNS, Data: make([]byte, 60), WireLen: 60, Link: decode.LinkEthernet},
	}
}

func TestCounters(t *testing.T) {
	m, p := run(t, network.Config{}, traffic()...)
	require.Equal(t, []uint64{7, 7, 7, 0}, []uint64{m.Events.Value(), m.DeepSamples.Value(), m.Total.Value(), m.Filtered.Value()})
	require.Equal(t, []uint64{3, 2, 2}, []uint64{m.In.Value(), m.Out.Value(), m.Unknown.Value()})
	require.Equal(t, []uint64{5, 1}, []uint64{m.IPv4.Value(), m.IPv6.Value()})
	require.Equal(t, []uint64{4, 2, 1}, []uint64{m.UDP.Value(), m.TCP.Value(), m.OtherL4.Value()})
	require.Equal(t, uint64(2), m.SYN.Value())
	require.Equal(t, uint64(2), m.SrcIPsIn.Estimate())
	require.Equal(t, uint64(2), m.DstIPsOut.Estimate())
	require.Equal(t, 142.0, m.PayloadSize.Max())
	require.Equal(t, uint64(3), m.RateTotal.Max(), "packets in the busiest second")
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	lists := map[string][]metric.Item{}
	for _, v := range snap.Modules[0].Values() {
		if v.Prom == "packets_top_ipv4" || v.Prom == "packets_top_ipv6" {
			lists[v.Prom] = v.Items
		}
	}
	require.Equal(t, map[string][]metric.Item{
		"packets_top_ipv4": {{Name: "203.0.113.7", Estimate: 3, Lower: 3}, {Name: "198.51.100.7", Estimate: 1, Lower: 1}},
		"packets_top_ipv6": {{Name: "2001:db8::7", Estimate: 1, Lower: 1}},
	}, lists)
}

// places returns databases with the hosts' locations.
func places(t testing.TB) *geo.DB {
	sweden := mmdbtest.Record{"continent": mmdbtest.Record{"code": "EU"}, "country": mmdbtest.Record{"iso_code": "SE"}}
	db, err := geo.Open(geo.Config{
		CityPath: mmdbtest.Write(t, "City", map[string]mmdbtest.Record{"203.0.113.0/24": sweden}),
		ASNPath: mmdbtest.Write(t, "ASN", map[string]mmdbtest.Record{
			"203.0.113.0/24": {"autonomous_system_number": uint32(64500), "autonomous_system_organization": "Example"},
		}),
		Reload: -1,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func TestPlaces(t *testing.T) {
	m, p := run(t, network.Config{Geo: places(t)}, traffic()...)
	require.Equal(t, uint64(5), m.TopGeo.Total())
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	for _, v := range snap.Modules[0].Values() {
		switch v.Prom {
		case "packets_top_geoLoc":
			require.Equal(t, []metric.Item{{Name: "EU/SE", Estimate: 3, Lower: 3}, {Name: "Unknown", Estimate: 2, Lower: 2}}, v.Items)
		case "packets_top_ASN":
			require.Equal(t, []metric.Item{{Name: "64500/Example", Estimate: 3, Lower: 3}, {Name: "Unknown", Estimate: 2, Lower: 2}}, v.Items)
		}
	}
}

func TestFilters(t *testing.T) {
	db := places(t)
	for _, tt := range []struct {
		name string
		cfg  network.Config
		want uint64
	}{
		{"place", network.Config{GeoPrefixes: []string{"EU/SE"}}, 3},
		{"place, by its beginning", network.Config{GeoPrefixes: []string{"AS", "EU"}}, 3},
		{"another place", network.Config{GeoPrefixes: []string{"EU/SE/Linköping"}}, 0},
		{"place not known", network.Config{GeoNotFound: true}, 2},
		{"either", network.Config{GeoNotFound: true, GeoPrefixes: []string{"EU"}}, 5},
		{"system", network.Config{ASNs: []string{"1", "64500"}}, 3},
		{"a part of its number", network.Config{ASNs: []string{"6450"}}, 0},
		{"system not known", network.Config{ASNNotFound: true}, 2},
		{"both pairs", network.Config{ASNNotFound: true, GeoPrefixes: []string{"EU"}}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.cfg.Geo = db
			m, p := run(t, tt.cfg, traffic()...)
			require.Equal(t, uint64(7), m.Events.Value())
			require.Equal(t, tt.want, m.Total.Value())
			require.Equal(t, 7-tt.want, m.Filtered.Value())
			require.Equal(t, handler.Account{Offered: 7, Analysed: tt.want, Filtered: 7 - tt.want}, p.HandlerAccounts()["net"])
		})
	}
	m, _ := run(t, network.Config{GeoNotFound: true}, traffic()...)
	require.Zero(t, m.Total.Value(), "without a database nothing passes")
}

func TestDeepSampling(t *testing.T) {
	frames, truth := trafficgen.Frames(trafficgen.Mixed(20_000))
	m, _ := run(t, network.Config{Settings: handler.Settings{DeepSample: 10}}, frames...)
	require.Equal(t, truth.Packets, m.Total.Value())
	require.Equal(t, truth.TCP, m.TCP.Value())
	require.InEpsilon(t, 2_000, m.DeepSamples.Value(), 0.1)
	require.Less(t, m.TopIPv4.Total()+m.TopIPv6.Total(), m.DeepSamples.Value())
}

func TestGroups(t *testing.T) {
	m, p := run(t, network.Config{Settings: handler.Settings{Disable: []string{"all"}, Enable: []string{"top_ips"}}}, traffic()...)
	require.Zero(t, m.SrcIPsIn.Estimate())
	require.NotZero(t, m.TopIPv4.Total())
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	for _, v := range snap.Modules[0].Values() {
		require.NotContains(t, []string{"packets_total", "packets_cardinality_src_ips_in", "packets_top_ASN"}, v.Prom)
	}
}

// TestWithoutHostNets runs without directions, so no address is remote.
func TestWithoutHostNets(t *testing.T) {
	h, err := network.New(network.Config{})
	require.NoError(t, err)
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{capture.NewMemory(traffic())}, Handlers: []handler.Handler{h}})
	require.NoError(t, err)
	require.NoError(t, p.Run(context.Background()))
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	require.Equal(t, uint64(7), network.From(snap).Unknown.Value())
	require.Zero(t, network.From(snap).TopIPv4.Len())
}

func TestNewErrors(t *testing.T) {
	_, err := network.New(network.Config{ASNs: []string{"AS1"}, Settings: handler.Settings{Enable: []string{"dns"}}})
	require.ErrorContains(t, err, `network: ASNs: "AS1" is not a number`)
	require.ErrorContains(t, err, `unknown metric group "dns"`)
}

func Example() {
	own, err := decode.ParseNetSet("192.0.2.0/24,2001:db8:53::/48")
	if err != nil {
		fmt.Println(err)
		return
	}
	h, err := network.New(network.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	src := capture.NewMemory(traffic()) // or pcapfile.Open
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{src}, Handlers: []handler.Handler{h}, Hosts: own})
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
	m := network.From(snap)
	fmt.Println(m.In.Value(), "in from", m.SrcIPsIn.Estimate(), "addresses,", m.Out.Value(), "out")
	// Output: 3 in from 2 addresses, 2 out
}

// TestDNSTap counts both ends of dnstap messages. The message types determine the direction.
func TestDNSTap(t *testing.T) {
	frame := func(m dnstapmsg.Message) capture.Frame {
		b := m.AppendTo(nil)
		return capture.Frame{TimeNS: 1e18, Data: b, WireLen: uint32(len(b)), Link: decode.LinkDNSTap}
	}
	m := dnstapmsg.Message{
		Type: dnstapmsg.ClientQuery, IPv4: true, Protocol: dnstapmsg.TCP, QueryAddr: []byte{203, 0, 113, 7}, ResponseAddr: []byte{192, 0, 2, 1},
	}
	response, resolver, bare := m, m, m
	response.Type, resolver.Type = dnstapmsg.ClientResponse, dnstapmsg.ResolverQuery
	bare.QueryAddr, bare.ResponseAddr, bare.Protocol = nil, nil, 0
	got, p := run(t, network.Config{GeoNotFound: true}, frame(m), frame(response), frame(resolver), frame(bare))
	require.Equal(t, []uint64{2, 2, 0}, []uint64{got.In.Value(), got.Out.Value(), got.Unknown.Value()})
	require.Equal(t, []uint64{4, 3, 1}, []uint64{got.IPv4.Value(), got.TCP.Value(), got.OtherL4.Value()})
	require.Zero(t, got.SYN.Value())
	require.Equal(t, []uint64{1, 1}, []uint64{got.SrcIPsIn.Estimate(), got.DstIPsOut.Estimate()})
	require.Equal(t, uint64(6), got.TopIPv4.Total())
	require.Zero(t, got.TopIPv6.Total())
	require.Equal(t, handler.Account{Offered: 4, Analysed: 4}, p.HandlerAccounts()["net"], "filters are for packets")
}

func TestByDirection(t *testing.T) {
	h, err := network.NewByDirection(network.Config{Settings: handler.Settings{Periods: 1}, Geo: places(t)})
	require.NoError(t, err)
	p := handlertest.Analyse(t, h, capture.NewMemory(traffic()))
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	m := network.FromByDirection(snap)
	require.Equal(t, []uint64{7, 7, 0}, []uint64{m.Events.Value(), m.DeepSamples.Value(), m.Filtered.Value()})
	for _, tt := range []struct {
		dir  string
		want []uint64 // packets, IPv4, IPv6, UDP, TCP, others, SYN, distinct addresses, places
	}{
		{"in", []uint64{3, 2, 1, 2, 1, 0, 1, 2, 3}},
		{"out", []uint64{2, 2, 0, 1, 1, 0, 1, 2, 2}},
		{"unknown", []uint64{2, 1, 0, 1, 0, 1, 0, 2, 2}},
	} {
		d := m.Directions.Find(tt.dir)
		require.Equal(t, tt.want, []uint64{
			d.Total.Value(), d.IPv4.Value(), d.IPv6.Value(), d.UDP.Value(), d.TCP.Value(), d.OtherL4.Value(), d.SYN.Value(),
			d.IPs.Estimate(), d.TopGeo.Total(),
		}, tt.dir)
		require.Equal(t, tt.want[0], d.PayloadSize.Count())
	}
}

// Both versions in one pipeline see the same packets.
func TestBothVersions(t *testing.T) {
	first, err := network.New(network.Config{})
	require.NoError(t, err)
	second, err := network.NewByDirection(network.Config{Settings: handler.Settings{Name: "net2"}, GeoPrefixes: []string{"EU"}})
	require.NoError(t, err)
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{capture.NewMemory(traffic())}, Handlers: []handler.Handler{first, second}})
	require.NoError(t, err)
	require.NoError(t, p.Run(t.Context()))
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	require.Equal(t, uint64(7), network.From(snap).Total.Value())
	require.Equal(t, uint64(7), network.FromByDirection(snap).Filtered.Value())
	require.Zero(t, network.FromByDirection(snap).Directions.Len())
}

// TestSYNInFragments has the flags of one segment in the second fragment, and of another in the
// first. Each SYN counts once, where the segment counts.
func TestSYNInFragments(t *testing.T) {
	fragmented := func(id byte, size int) (out []capture.Frame) {
		whole := packettest.TCP(0, theirs, ours, decode.FlagSYN, 1, 0, make([]byte, 20))
		const head = 14 + 20
		segment := whole.Data[head:]
		for at := 0; at < len(segment); at += size {
			end := min(at+size, len(segment))
			b := append(slices.Clone(whole.Data[:head]), segment[at:end]...)
			b[14+3], b[14+5], b[14+7] = byte(len(b)-14), id, byte(at/8)
			if end < len(segment) {
				b[14+6] = 0x20
			}
			out = append(out, capture.Frame{TimeNS: whole.TimeNS, Data: b, WireLen: uint32(len(b)), Link: whole.Link})
		}
		return out
	}
	frames := append(fragmented(1, 8), fragmented(2, 24)...)
	m, _ := run(t, network.Config{}, frames...)
	require.Equal(t, []uint64{7, 2, 2}, []uint64{m.Events.Value(), m.TCP.Value(), m.SYN.Value()})
	incomplete := fragmented(3, 24)[:1]
	m, _ = run(t, network.Config{}, incomplete...)
	require.Equal(t, []uint64{1, 0, 0}, []uint64{m.Events.Value(), m.TCP.Value(), m.SYN.Value()})
}
