package benchmarks

import (
	"bytes"
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/pcapfile"
	"visor/decode"
	"visor/handler"
	"visor/internal/attack"
)

// BenchmarkAttack measures the time of each attack and of ordinary traffic, per packet and per
// byte, with pktvisor's groups of metrics and with all. The bound is twice the time of a packet of
// varied traffic, the link of a busy resolver, as in BenchmarkWhole. "ordinary" is the best case:
// 1,000 names from 1,000 clients, which all stay in the caches. A packet larger than an ordinary
// one, of 80 bytes, may take longer if a byte of it takes no longer than an ordinary packet's. Then
// a link full of the attack costs no more than a link full of ordinary packets. The flow handler
// takes part where the attack targets it: compare its time per record, as BenchmarkFlowAttack
// measures it.
func BenchmarkAttack(b *testing.B) {
	const n = 200_000
	pktvisor, all, flows := []string{"net", "dns", "pcap"}, []string{"net+", "dns+", "pcap"}, []string{"flow"}
	b.Run("varied/pktvisor", func(b *testing.B) { frames, _ := varied(); benchmarkAttack(b, frames, pktvisor) })
	b.Run("varied/all", func(b *testing.B) { frames, _ := varied(); benchmarkAttack(b, frames, all) })
	for _, kind := range attack.Kinds() {
		frames := sync.OnceValue(func() []capture.Frame { return kind.Frames(n) })
		switch kind.Name {
		case "interfaces", "exporters", "templates":
			b.Run(kind.Name, func(b *testing.B) { benchmarkAttack(b, frames(), flows) })
		default:
			b.Run(kind.Name+"/pktvisor", func(b *testing.B) { benchmarkAttack(b, frames(), pktvisor) })
			b.Run(kind.Name+"/all", func(b *testing.B) { benchmarkAttack(b, frames(), all) })
		}
	}
	b.Run("bomb", func(b *testing.B) { benchmarkBomb(b, n, all) })
}

func benchmarkAttack(b *testing.B, frames []capture.Frame, names []string) {
	bytes := 0
	for _, f := range frames {
		bytes += len(f.Data)
	}
	mem := capture.NewMemory(frames)
	for b.Loop() {
		run(b, mem, 1, decode.NetSet{}, names...)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(frames)), "ns/packet")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*bytes), "ns/byte")
}

// benchmarkBomb reads n packets of a file that unpacks to a multiple of its size.
func benchmarkBomb(b *testing.B, n int, names []string) {
	file := attack.Bomb(16 * n)
	packets := uint64(0)
	for b.Loop() {
		src, err := pcapfile.NewReader(bytes.NewReader(file), "bomb")
		require.NoError(b, err)
		p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{src}, Handlers: analyzers(b, names...)})
		require.NoError(b, err)
		require.NoError(b, p.Run(context.Background()))
		packets += p.Account().Offered
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(packets), "ns/packet")
}
