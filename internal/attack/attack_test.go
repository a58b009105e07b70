package attack_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/handler"
	"visor/handler/bgp"
	"visor/handler/dns"
	"visor/handler/flow"
	"visor/handler/network"
	"visor/handler/pcap"
	"visor/internal/attack"
)

// handlers returns the analyzers that an attack can reach, with all metric groups.
func handlers(t testing.TB) (out []handler.Handler) {
	everything := func(name string) handler.Settings {
		return handler.Settings{Name: name, Enable: []string{"all"}}
	}
	add := func(h handler.Handler, err error) {
		require.NoError(t, err)
		out = append(out, h)
	}
	add(dns.New(dns.Config{Settings: everything("dns")}))
	add(dns.NewV2(dns.Config{Settings: everything("dns2")}))
	add(network.New(network.Config{Settings: everything("net")}))
	add(network.NewV2(network.Config{Settings: everything("net2")}))
	add(bgp.New(bgp.Config{}))
	add(pcap.New(pcap.Config{}))
	add(flow.New(flow.Config{Settings: everything("flow")}))
	return out
}

// run counts n frames of an attack.
func run(t testing.TB, kind attack.Kind, n int) *handler.Pipeline {
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{kind.Source(n)}, Handlers: handlers(t)})
	require.NoError(t, err)
	require.NoError(t, p.Run(t.Context()))
	return p
}

// Every frame of every attack is accounted for, by the pipeline and by each handler.
func TestConservation(t *testing.T) {
	const n = 5_000
	for _, kind := range attack.Kinds() {
		t.Run(kind.Name, func(t *testing.T) {
			p := run(t, kind, n)
			a := p.Account()
			require.EqualValues(t, n, a.Offered)
			require.Equal(t, a.Offered, a.Analysed+a.Filtered+a.NotSampled+a.Undecodable+a.Dropped)
			for name, a := range p.HandlerAccounts() {
				require.Equal(t, a.Offered, a.Analysed+a.Filtered+a.NotSampled+a.Undecodable+a.Dropped, name)
			}
		})
	}
}

// The frames are what they are meant to be, and the same in each run.
func TestFrames(t *testing.T) {
	want := map[string]decode.LayerSet{
		"ordinary": decode.LayerUDP, "syn": decode.LayerTCP, "fragments": decode.LayerFragment,
		"extensions": decode.LayerIPv6, "tunnels": decode.LayerIPv4, "templates": decode.LayerUDP,
	}
	for _, kind := range attack.Kinds() {
		frames := kind.Frames(300)
		require.Len(t, frames, 300)
		require.Equal(t, frames, kind.Frames(300), kind.Name)
		p := decode.Packet{Frame: frames[1].Data, WireLen: frames[1].WireLen, Link: frames[1].Link}
		_ = decode.NewDecoder(decode.Config{}).Decode(&p)
		if layers, ok := want[kind.Name]; ok {
			require.True(t, p.Layers.Has(layers), "%s: %v", kind.Name, p.Layers)
		}
	}
	_, ok := attack.Named("no such attack")
	require.False(t, ok)
}
