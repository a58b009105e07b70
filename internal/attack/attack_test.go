package attack_test

import (
	"bytes"
	"context"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/pcapfile"
	"visor/decode"
	"visor/handler"
	"visor/handler/bgp"
	"visor/handler/dns"
	"visor/handler/flow"
	"visor/handler/network"
	"visor/handler/pcap"
	"visor/internal/attack"
	"visor/sketch/hash64"
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
	add(dns.NewTransactions(dns.Config{Settings: everything("dns2")}))
	add(network.New(network.Config{Settings: everything("net")}))
	add(network.NewByDirection(network.Config{Settings: everything("net2")}))
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

// The pipeline and each handler account for every frame of every attack.
func TestConservation(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out floods")
	}
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

// Names with equal hashes, which can be computed under the public key, are distinguished. A list
// holds four of them and shows the others as refused; other names stay exact. Under another key
// they are ordinary names.
func TestCollisions(t *testing.T) {
	const n = 5_000
	kind, _ := attack.Named("collisions")
	mixed := func(hash *hash64.Hasher) (*dns.Metrics, []capture.Reason) {
		ordinary, _ := attack.Named("ordinary")
		frames := append(kind.Frames(n), ordinary.Frames(n)...)
		p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{capture.NewMemory(frames)}, Handlers: handlers(t)[:1], Hash: hash})
		require.NoError(t, err)
		require.NoError(t, p.Run(t.Context()))
		snap, err := p.Bucket(0)
		require.NoError(t, err)
		return dns.From(snap), p.Reasons()
	}
	m, reasons := mixed(hash64.Random())
	exact := m.QName.Estimate()
	require.InEpsilon(t, n+26*38, exact, 0.05)
	for _, r := range reasons {
		require.NotContains(t, r.Text, "share their hash")
	}
	truth := counts(m, "host")

	m, reasons = mixed(hash64.Fixed())
	require.InDelta(t, 1+26*38, m.QName.Estimate(), 100, "all names of the attack are one for a cardinality")
	require.Equal(t, truth, counts(m, "host"))
	require.Equal(t, "left out of a list: keys that share their hash with four others", reasons[0].Text)
	require.GreaterOrEqual(t, reasons[0].Count, uint64(n-4))
	require.Len(t, counts(m, "aaaa"), 4)
}

// counts returns the entries of a list whose names begin alike.
func counts(m *dns.Metrics, prefix string) map[string]uint64 {
	out := make(map[string]uint64)
	for _, e := range m.TopQName2.Top(math.MaxInt) {
		if strings.HasPrefix(strings.TrimPrefix(e.Key.String(), "."), prefix) {
			out[e.Key.String()] = e.Lower
		}
	}
	return out
}

// A file of 24 KiB that unpacks to 256 MiB is read with the usual memory, and can be stopped.
func TestBomb(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out floods")
	}
	const size = 256 << 20
	file := attack.Bomb(size)
	require.Less(t, len(file), 25<<10)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	src, err := pcapfile.NewReader(bytes.NewReader(file), "bomb")
	require.NoError(t, err)
	frames := 0
	var b capture.Batch
	for err = src.ReadBatch(&b); err == nil; err = src.ReadBatch(&b) {
		frames += len(b.Frames)
	}
	require.ErrorIs(t, err, io.EOF)
	require.GreaterOrEqual(t, frames, size/16-1)
	runtime.ReadMemStats(&after)
	require.Less(t, after.HeapSys, before.HeapSys+32<<20) // the heap may shrink meanwhile

	src, err = pcapfile.NewReader(bytes.NewReader(attack.Bomb(64<<30)), "bomb")
	require.NoError(t, err)
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{src}, Handlers: handlers(t)})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- p.Run(ctx) }()
	require.Eventually(t, func() bool { return p.Account().Offered > 0 }, time.Minute, time.Millisecond)
	cancel()
	require.NoError(t, <-ended)
	a := p.Account()
	require.Equal(t, a.Offered, a.Analysed+a.Undecodable)

	src, err = pcapfile.NewReader(bytes.NewReader(attack.WideBomb()), "bomb")
	if err == nil {
		err = src.ReadBatch(&b)
	}
	require.ErrorContains(t, err, "window")
}

// The frames are valid, and the same in each run.
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
