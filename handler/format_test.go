package handler_test

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/handler"
	"visor/handler/dns"
	"visor/handler/metric"
	"visor/handler/network"
	"visor/internal/trafficgen"
)

var newFormat = flag.Bool("new-format", false, "write testdata/first.vsnap.zst: never after a release")

// firstFormat holds a snapshot of the first commit of the format.
const firstFormat = "testdata/first.vsnap.zst"

// generated returns the answer for some generated traffic, with all groups of metrics.
func generated(t testing.TB, tap string, seed uint64) *handler.Snapshot {
	own, err := decode.ParseNetSet(trafficgen.LocalNets)
	require.NoError(t, err)
	settings := func(name string) handler.Settings {
		return handler.Settings{Name: name, Tap: tap, Periods: 1, Enable: []string{"all"}}
	}
	net, err := network.New(network.Config{Settings: settings("net")})
	require.NoError(t, err)
	names, err := dns.New(dns.Config{Settings: settings("dns")})
	require.NoError(t, err)
	both, err := dns.NewTransactions(dns.Config{Settings: settings("dns2")})
	require.NoError(t, err)
	cfg := trafficgen.Mixed(20_000)
	cfg.Seed = seed
	p, err := handler.NewPipeline(handler.Config{
		Sources:  []capture.Source{trafficgen.NewSource(cfg)},
		Handlers: []handler.Handler{net, names, both}, Hosts: own,
	})
	require.NoError(t, err)
	require.NoError(t, p.Run(t.Context()))
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	return snap
}

// A snapshot of the first format must stay readable. Its values are facts about that file, so this
// test must not be changed with the format.
func TestFirstFormat(t *testing.T) {
	if *newFormat {
		data, err := generated(t, "eth0", 1).AppendBinary(nil, handler.Origin{Agent: "first", Policy: "p"}, 20)
		require.NoError(t, err)
		pack, err := zstd.NewWriter(nil)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(firstFormat, pack.EncodeAll(data, nil), 0o644))
	}
	snap := understood(t, firstFormat)
	require.Len(t, snap.Modules, 3)
	require.Equal(t, "first", snap.Modules[0].Counted[0].Agent)
	values := make(map[string]metric.Value)
	for _, m := range snap.Modules {
		for _, v := range m.Values() {
			require.NotEqual(t, metric.KindUnknown, v.Kind)
			values[v.Prom] = v
		}
	}
	require.EqualValues(t, 20_000, values["packets_total"].Int)
	top := values["packets_top_ipv4"]
	require.Len(t, top.Items, 10)
	require.GreaterOrEqual(t, top.Items[0].Estimate, top.Items[1].Estimate)
	require.NotZero(t, values["dns_cardinality_qname"].Int)
	require.NotZero(t, network.From(snap).RateTotal.Len())
	require.NotZero(t, dns.From(snap).TopQName2.Len())
	require.NotNil(t, dns.FromTransactions(snap))
}

// rowsFormat holds a snapshot with all own groups of the last format in which lists and quantiles
// were rows instead of columns.
const rowsFormat = "testdata/rows.vsnap.zst"

// A snapshot of the format with rows must stay readable, too.
func TestRowsFormat(t *testing.T) {
	snap := understood(t, rowsFormat)
	values := make(map[string]metric.Value)
	for _, m := range snap.Modules {
		for _, v := range m.Values() {
			require.NotEqual(t, metric.KindUnknown, v.Kind)
			values[v.Prom] = v
		}
	}
	require.Len(t, values["packets_top_ipv4"].Items, 10)
	require.Len(t, values["dns_top_clients_queries"].Items, 10)
	require.Len(t, values["dns_clients_by_names"].Items, 3, "an eighth of 20")
	require.NotEmpty(t, values["dns_clients_by_names"].Items[0].Samples)
	require.NotZero(t, values["dns_server_xact_time_us"].Quantiles.P50)
}

// understood returns the snapshot in a file. The test fails if a part of it is lost.
func understood(t *testing.T, file string) *handler.Snapshot {
	packed, err := os.ReadFile(file)
	require.NoError(t, err)
	unpack, err := zstd.NewReader(nil)
	require.NoError(t, err)
	defer unpack.Close()
	data, err := unpack.DecodeAll(packed, nil)
	require.NoError(t, err)
	snap, err := handler.ReadSnapshot(data)
	require.NoError(t, err)
	again, err := snap.AppendBinary(nil, handler.Origin{}, 0)
	require.NoError(t, err)
	newer, err := handler.ReadSnapshot(again)
	require.NoError(t, err)
	for i, m := range snap.Modules {
		require.Equal(t, m.Values(), newer.Modules[i].Values(), "all of it was understood")
	}
	more, err := newer.AppendBinary(nil, handler.Origin{}, 0)
	require.NoError(t, err)
	require.True(t, bytes.Equal(again, more), "nothing changes on the way")
	return snap
}

// No bytes make ReadSnapshot panic, and what it returns can be shown, appended and merged.
func FuzzReadSnapshot(f *testing.F) {
	seed := generated(f, "eth0", 1)
	seed.Modules = seed.Modules[:1]
	data, err := seed.AppendBinary(nil, handler.Origin{Agent: "a", Tags: map[string]string{"b": "c"}}, 3)
	require.NoError(f, err)
	f.Add(data[:len(data)-4])
	f.Fuzz(func(t *testing.T, data []byte) {
		snap, err := handler.ReadSnapshot(sealed(append(data[:len(data):len(data)], 0, 0, 0, 0)))
		if err != nil {
			return
		}
		once, err := snap.AppendBinary(nil, handler.Origin{}, 0)
		require.NoError(t, err)
		again, err := handler.ReadSnapshot(once)
		require.NoError(t, err)
		for i := range snap.Modules {
			require.Len(t, again.Modules[i].Values(), len(snap.Modules[i].Values()))
		}
		network.From(snap)
		if sum, err := handler.Merge(snap, again); err == nil {
			_, err = sum.AppendBinary(nil, handler.Origin{}, 2)
			require.NoError(t, err)
		}
	})
}
