package benchmarks_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/pcapfile"
	"visor/handler"
	"visor/handler/dns"
	"visor/handler/flow"
	"visor/handler/network"
	"visor/handler/pcap"
	"visor/internal/attack"
)

// BenchmarkAttack measures the time of each attack and of ordinary traffic, per packet and per
// byte. The bound is twice the time of an ordinary packet. A packet larger than an ordinary one, of
// 80 bytes, may take longer if a byte of it takes no longer than an ordinary packet's. Then a link
// full of the attack costs no more than a link full of ordinary packets. The flow handler takes
// part where the attack targets it: compare its time per record, as BenchmarkFlowAttack measures
// it.
func BenchmarkAttack(b *testing.B) {
	const n = 200_000
	flows := map[string]bool{"interfaces": true, "exporters": true, "templates": true}
	for _, kind := range attack.Kinds() {
		b.Run(kind.Name, func(b *testing.B) {
			frames := kind.Frames(n)
			bytes := 0
			for _, f := range frames {
				bytes += len(f.Data)
			}
			for b.Loop() {
				p, err := handler.NewPipeline(handler.Config{
					Sources:  []capture.Source{capture.NewMemory(frames)},
					Handlers: attacked(b, flows[kind.Name]),
				})
				require.NoError(b, err)
				require.NoError(b, p.Run(context.Background()))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/packet")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*bytes), "ns/byte")
		})
	}
	b.Run("bomb", func(b *testing.B) { benchmarkBomb(b, n) })
}

// benchmarkBomb reads n packets of a file that unpacks to a multiple of its size.
func benchmarkBomb(b *testing.B, n int) {
	file := attack.Bomb(16 * n)
	packets := uint64(0)
	for b.Loop() {
		src, err := pcapfile.NewReader(bytes.NewReader(file), "bomb")
		require.NoError(b, err)
		p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{src}, Handlers: attacked(b, false)})
		require.NoError(b, err)
		require.NoError(b, p.Run(context.Background()))
		packets += p.Account().Offered
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(packets), "ns/packet")
}

// attacked returns the handlers of an agent with default settings, or the flow handler.
func attacked(b *testing.B, flows bool) (out []handler.Handler) {
	add := func(h handler.Handler, err error) {
		require.NoError(b, err)
		out = append(out, h)
	}
	if flows {
		add(flow.New(flow.Config{}))
		return out
	}
	add(network.New(network.Config{}))
	add(dns.New(dns.Config{}))
	add(pcap.New(pcap.Config{}))
	return out
}
