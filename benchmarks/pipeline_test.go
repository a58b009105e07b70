package benchmarks

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/handler"
	"visor/handler/dns"
	"visor/handler/network"
	"visor/handler/pcap"
	"visor/internal/trafficgen"
	"visor/window"
)

// analyzers returns the named handlers with their default metrics.
func analyzers(tb testing.TB, names ...string) []handler.Handler {
	var out []handler.Handler
	for _, name := range names {
		var h handler.Handler
		var err error
		switch name {
		case "net":
			h, err = network.New(network.Config{})
		case "dns":
			h, err = dns.New(dns.Config{})
		case "pcap":
			h, err = pcap.New(pcap.Config{})
		}
		require.NoError(tb, err)
		out = append(out, h)
	}
	return out
}

// ownNets are the networks of the generator's own hosts.
func ownNets(tb testing.TB) decode.HostNets {
	hosts, err := decode.ParseHostNets(trafficgen.LocalNets)
	require.NoError(tb, err)
	return hosts
}

// run analyses all frames once, with as many workers as asked for. The generator's own networks give directions, unless own
// is empty.
func run(tb testing.TB, frames []capture.Frame, workers int, own decode.HostNets, names ...string) *handler.Pipeline {
	src := capture.NewMemory(frames)
	sources := []capture.Source{src}
	if workers > 1 {
		periods := window.NewPeriods(handler.PeriodLength)
		sources = capture.Fanout(src, capture.FanoutConfig{Queues: workers, Epoch: periods.Epoch})
	}
	p, err := handler.NewPipeline(handler.Config{Sources: sources, Handlers: analyzers(tb, names...), Hosts: own})
	require.NoError(tb, err)
	require.NoError(tb, p.Run(context.Background()))
	require.Equal(tb, uint64(len(frames)), p.Account().Offered)
	return p
}

// BenchmarkHandler is what each analyzer costs, decoding and DNS extraction included: subtract
// BenchmarkHandler/none, an analyzer that does next to nothing.
func BenchmarkHandler(b *testing.B) {
	frames, _ := varied()
	for _, bench := range []struct {
		name     string
		handlers []string
	}{
		{"none", []string{"pcap"}}, {"net", []string{"net"}}, {"dns", []string{"dns"}}, {"all", []string{"net", "dns", "pcap"}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			perPacket(b, len(frames), func() { run(b, frames, 1, ownNets(b), bench.handlers...) })
		})
	}
}

// BenchmarkWhole is everything, as the reader does it but for the walk over the file, beside gopacket's
// bare decoding of the same packets. With own networks there is more to do: remote addresses, and times of transactions.
func BenchmarkWhole(b *testing.B) {
	for _, traffic := range []struct {
		name string
		make func() ([]capture.Frame, trafficgen.Truth)
	}{{"varied", allVaried}, {"mixed", allMixed}} {
		b.Run(traffic.name, func(b *testing.B) {
			frames, _ := traffic.make()
			if traffic.name == "varied" { // its parser takes each segment for a message, which mixed traffic is not
				b.Run("gopacket-decode-only", func(b *testing.B) {
					d := newGopacketDecoder()
					perPacket(b, len(frames), func() {
						_, err := d.decode(frames)
						require.NoError(b, err)
					})
				})
			}
			for _, workers := range []int{1, 2} {
				b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
					perPacket(b, len(frames), func() { run(b, frames, workers, decode.HostNets{}, "net", "dns", "pcap") })
				})
				b.Run(fmt.Sprintf("own-networks/workers=%d", workers), func(b *testing.B) {
					perPacket(b, len(frames), func() { run(b, frames, workers, ownNets(b), "net", "dns", "pcap") })
				})
			}
		})
	}
}

var (
	allVaried = sync.OnceValues(func() ([]capture.Frame, trafficgen.Truth) {
		return trafficgen.Frames(trafficgen.VariedDNS(1_500_000))
	})
	allMixed = sync.OnceValues(func() ([]capture.Frame, trafficgen.Truth) {
		return trafficgen.Frames(trafficgen.Mixed(1_000_000))
	})
)
