package benchmarks

import (
	"context"
	"math/bits"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/handler"
	"visor/handler/dns"
	"visor/handler/flow"
	"visor/handler/network"
	"visor/handler/pcap"
	"visor/internal/trafficgen"
	"visor/sketch/hash64"
)

// analyzers returns the named handlers. Their metrics are those that pktvisor has by default. A
// name with "+" has visor's own groups too, as library users have by default.
func analyzers(tb testing.TB, names ...string) []handler.Handler {
	var out []handler.Handler
	for _, name := range names {
		var h handler.Handler
		var err error
		typ, own := strings.CutSuffix(name, "+")
		set := handler.Settings{Name: name, PktvisorGroups: !own}
		switch typ {
		case "net":
			h, err = network.New(network.Config{Settings: set})
		case "dns":
			h, err = dns.New(dns.Config{Settings: set})
		case "net2":
			h, err = network.NewByDirection(network.Config{Settings: set})
		case "dns2":
			h, err = dns.NewTransactions(dns.Config{Settings: set})
		case "flow":
			h, err = flow.New(flow.Config{})
		case "pcap":
			h, err = pcap.New(pcap.Config{})
		}
		require.NoError(tb, err)
		out = append(out, h)
	}
	return out
}

// ownNets are the networks of the generator's own hosts.
func ownNets(tb testing.TB) decode.NetSet {
	hosts, err := decode.ParseNetSet(trafficgen.LocalNets)
	require.NoError(tb, err)
	return hosts
}

// run analyses the frames of mem once. Several workers share them, like a shared file.
func run(tb testing.TB, mem *capture.Memory, workers int, own decode.NetSet, names ...string) *handler.Pipeline {
	mem.Rewind()
	return runConfig(tb, handler.Config{Sources: []capture.Source{mem}, Workers: workers, Handlers: analyzers(tb, names...), Hosts: own})
}

// runSources runs one worker per source. Own networks determine the direction of packets.
func runSources(tb testing.TB, sources []capture.Source, own decode.NetSet, names ...string) *handler.Pipeline {
	return runConfig(tb, handler.Config{Sources: sources, Handlers: analyzers(tb, names...), Hosts: own})
}

func runConfig(tb testing.TB, cfg handler.Config) *handler.Pipeline {
	p, err := handler.NewPipeline(cfg)
	require.NoError(tb, err)
	require.NoError(tb, p.Run(context.Background()))
	return p
}

// split distributes frames over queues with separate memory, like a kernel does for the queues of
// an interface.
func split(frames []capture.Frame, queues uint64) []*capture.Memory {
	parts := make([][]capture.Frame, queues)
	bytes := make([][]byte, queues)
	flows := decode.NewFlowHasher(hash64.Fixed())
	for i := range frames {
		f := frames[i]
		at, _ := bits.Mul64(flows.Hash(f.Data, f.Link), queues)
		if cap(bytes[at])-len(bytes[at]) < len(f.Data) {
			bytes[at] = make([]byte, 0, 64<<20)
		}
		start := len(bytes[at])
		bytes[at] = append(bytes[at], f.Data...)
		f.Data = bytes[at][start:len(bytes[at]):len(bytes[at])]
		parts[at] = append(parts[at], f)
	}
	var out []*capture.Memory
	for _, part := range parts {
		out = append(out, capture.NewMemory(part))
	}
	return out
}

// rewound returns queues that start again at their first frame.
func rewound(queues []*capture.Memory) (sources []capture.Source) {
	for _, q := range queues {
		q.Rewind()
		sources = append(sources, q)
	}
	return sources
}

// BenchmarkHandler measures the cost of each analyzer, including decoding and DNS extraction.
// Subtract BenchmarkHandler/none, an analyzer that does almost nothing.
func BenchmarkHandler(b *testing.B) {
	frames, _ := varied()
	mem := capture.NewMemory(frames)
	for _, bench := range []struct {
		name     string
		handlers []string
	}{
		{"none", []string{"pcap"}}, {"net", []string{"net"}}, {"dns", []string{"dns"}}, {"all", []string{"net", "dns", "pcap"}},
		{"net2", []string{"net2"}}, {"dns2", []string{"dns2"}}, {"all2", []string{"net2", "dns2", "pcap"}},
		{"both", []string{"net", "dns", "net2", "dns2", "pcap"}}, {"both+", []string{"net+", "dns+", "net2+", "dns2+", "pcap"}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			perPacket(b, len(frames), func() { run(b, mem, 1, ownNets(b), bench.handlers...) })
		})
	}
}

// BenchmarkWhole measures the work of visor-reader except for reading the file, and gopacket's bare
// decoding of the same packets for comparison. Own networks add work: remote addresses and
// transaction times. Two workers either have a queue each or share one source.
func BenchmarkWhole(b *testing.B) {
	for _, traffic := range []struct {
		name string
		make func() ([]capture.Frame, trafficgen.Truth)
	}{{"varied", allVaried}, {"mixed", allMixed}} {
		b.Run(traffic.name, func(b *testing.B) {
			frames, _ := traffic.make()
			mem := capture.NewMemory(frames)
			// its parser takes each segment for a message, which is wrong for mixed traffic
			if traffic.name == "varied" {
				b.Run("gopacket-decode-only", func(b *testing.B) {
					d := newGopacketDecoder()
					perPacket(b, len(frames), func() {
						_, err := d.decode(frames)
						require.NoError(b, err)
					})
				})
			}
			for _, own := range []struct {
				name string
				nets decode.NetSet
			}{{"no-networks", decode.NetSet{}}, {"own-networks", ownNets(b)}} {
				b.Run(own.name+"/workers=1", func(b *testing.B) {
					perPacket(b, len(frames), func() { run(b, mem, 1, own.nets, "net", "dns", "pcap") })
				})
				b.Run(own.name+"/own-groups", func(b *testing.B) {
					perPacket(b, len(frames), func() { run(b, mem, 1, own.nets, "net+", "dns+", "pcap") })
				})
				b.Run(own.name+"/workers=2", func(b *testing.B) {
					queues := split(frames, 2)
					perPacket(b, len(frames), func() { runSources(b, rewound(queues), own.nets, "net", "dns", "pcap") })
				})
				b.Run(own.name+"/fanout=2", func(b *testing.B) {
					perPacket(b, len(frames), func() { run(b, mem, 2, own.nets, "net", "dns", "pcap") })
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
