package benchmarks

import (
	"context"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/handler"
	"visor/handler/dns"
	"visor/handler/network"
	"visor/internal/trafficgen"
)

// minute returns the answer for a minute of 25,000 packets a second: dns and net with their
// defaults.
func minute(b *testing.B, cfg trafficgen.Config) *handler.Snapshot {
	const pps = 25_000
	cfg.Packets, cfg.PPS = 60*pps, pps
	own, err := decode.ParseNetSet(trafficgen.LocalNets)
	require.NoError(b, err)
	names, err := dns.New(dns.Config{Settings: handler.Settings{Periods: 1}})
	require.NoError(b, err)
	net, err := network.New(network.Config{Settings: handler.Settings{Periods: 1}})
	require.NoError(b, err)
	p, err := handler.NewPipeline(handler.Config{
		Sources: []capture.Source{trafficgen.NewSource(cfg)}, Handlers: []handler.Handler{names, net}, Hosts: own,
	})
	require.NoError(b, err)
	require.NoError(b, p.Run(context.Background()))
	snap, err := p.Bucket(0)
	require.NoError(b, err)
	return snap
}

// BenchmarkSnapshot encodes a minute, and decodes and merges it. Sizes are of the encoded minute,
// before and after zstd.
func BenchmarkSnapshot(b *testing.B) {
	pack, err := zstd.NewWriter(nil)
	require.NoError(b, err)
	for name, cfg := range map[string]trafficgen.Config{
		"varied": trafficgen.VariedDNS(0), "mixed": trafficgen.Mixed(0), "random": trafficgen.RandomLabelAttack(0, 50),
	} {
		snap := minute(b, cfg)
		for _, entries := range []int{handler.DefaultEntries, 0} {
			data, err := snap.AppendBinary(nil, handler.Origin{Agent: "host"}, entries)
			require.NoError(b, err)
			list := map[bool]string{true: "all", false: "256"}[entries == 0]
			b.Run(name+"/"+list+"/append", func(b *testing.B) {
				b.ReportAllocs()
				var buf []byte
				for b.Loop() {
					buf, _ = snap.AppendBinary(buf[:0], handler.Origin{Agent: "host"}, entries)
				}
				b.ReportMetric(float64(len(data)), "bytes")
				b.ReportMetric(float64(len(pack.EncodeAll(data, nil))), "zstd-bytes")
			})
			b.Run(name+"/"+list+"/merge", func(b *testing.B) {
				b.ReportAllocs()
				sum := handler.Merger{Overlap: true}
				for b.Loop() {
					read, err := handler.ReadSnapshot(data)
					require.NoError(b, err)
					require.NoError(b, sum.Add(read, handler.Origin{}))
				}
			})
		}
	}
}
