package afpacket_test

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"visor/capture"
	"visor/capture/afpacket"
	"visor/capture/filter"
	"visor/capture/sourcetest"
	"visor/decode"
	"visor/handler"
	"visor/handler/dns"
	"visor/handler/network"
	"visor/internal/netns"
	"visor/internal/trafficgen"
	"visor/internal/wait"
)

const (
	sender   = netns.Sender
	receiver = netns.Receiver
)

// TestInNamespace runs the other tests in a network namespace.
func TestInNamespace(t *testing.T) {
	require.Contains(t, netns.Run(t), "--- PASS: TestNSCapture")
}

// namespace skips tests outside a namespace and creates a new pair of interfaces.
func namespace(t testing.TB) {
	netns.Inside(t)
	netns.Pair(t)
}

// send sends frames.
func send(t testing.TB, frames []capture.Frame) { transmitter(t)(frames) }

// transmitter returns a function that sends frames and does not allocate.
func transmitter(t testing.TB) func(frames []capture.Frame) {
	iface, err := net.InterfaceByName(sender)
	require.NoError(t, err)
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	require.NoError(t, unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: iface.Index}))
	return func(frames []capture.Frame) {
		for i := range frames {
			_, err := unix.Write(fd, frames[i].Data)
			for err == unix.ENOBUFS {
				time.Sleep(time.Millisecond)
				_, err = unix.Write(fd, frames[i].Data)
			}
			require.NoError(t, err)
		}
	}
}

func open(t testing.TB, cfg afpacket.Config) *afpacket.Capture {
	if cfg.Interface == "" {
		cfg.Interface = receiver
	}
	if cfg.BlockTimeout == 0 {
		cfg.BlockTimeout = 5 * time.Millisecond
	}
	live, err := afpacket.Open(cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		for _, src := range live.Sources() {
			require.NoError(t, src.Close())
		}
	})
	return live
}

// take reads n frames of src and returns them as strings.
func take(t testing.TB, src capture.Source, n int) (frames []string) {
	timeout := time.AfterFunc(20*time.Second, func() { src.Close() })
	defer timeout.Stop()
	var b capture.Batch
	for len(frames) < n {
		require.NoError(t, src.ReadBatch(&b), "after %d frames", len(frames))
		for _, f := range b.Frames {
			require.Equal(t, int(f.WireLen), len(f.Data))
			require.InDelta(t, time.Now().UnixNano(), f.TimeNS, 30e9)
			frames = append(frames, string(f.Data))
		}
	}
	require.Len(t, frames, n)
	return frames
}

func texts(frames []capture.Frame) (out []string) {
	for i := range frames {
		out = append(out, string(frames[i].Data))
	}
	return out
}

// TestNSCapture captures mixed traffic, including VLAN tags. The bytes and their order must be
// unchanged.
func TestNSCapture(t *testing.T) {
	namespace(t)
	frames, _ := trafficgen.Frames(trafficgen.Mixed(5000))
	live := open(t, afpacket.Config{})
	send(t, frames)
	got := take(t, live.Sources()[0], len(frames))
	for i, want := range texts(frames) {
		require.Equal(t, want, got[i], "frame %d", i)
	}
	require.Equal(t, afpacket.Stats{Packets: 5000}, live.Stats())
}

// TestNSReadBatchAllocs checks that a queue allocates nothing while it reads frames and waits for
// blocks.
func TestNSReadBatchAllocs(t *testing.T) {
	namespace(t)
	frames, _ := trafficgen.Frames(trafficgen.Mixed(1000))
	src, transmit := open(t, afpacket.Config{}).Sources()[0], transmitter(t)
	timeout := time.AfterFunc(time.Minute, func() { src.Close() })
	defer timeout.Stop()
	var b capture.Batch
	var failed error
	sent, taken := 0, 0
	run := func() {
		transmit(frames)
		sent += len(frames)
		for n := 0; n < len(frames) && failed == nil; taken, n = taken+len(b.Frames), n+len(b.Frames) {
			failed = src.ReadBatch(&b)
		}
	}
	// the least of some: the watcher of the interface allocates when addresses change
	allocs := testing.AllocsPerRun(10, run)
	for range 4 {
		allocs = min(allocs, testing.AllocsPerRun(10, run))
	}
	require.Zero(t, allocs)
	require.NoError(t, failed)
	require.Equal(t, sent, taken)
}

// TestNSQueues spreads traffic over queues. Every packet arrives once, and the packets of a
// conversation arrive in one queue. The kernel reassembles IPv4 fragments before it chooses the
// queue.
func TestNSQueues(t *testing.T) {
	namespace(t)
	frames, truth := trafficgen.Frames(trafficgen.Config{Packets: 20_000, Mix: trafficgen.Mix{DNS: 80, TCP: 20}})
	live := open(t, afpacket.Config{Queues: 3})
	h, err := dns.New(dns.Config{Settings: handler.Settings{Periods: 1}})
	require.NoError(t, err)
	n, err := network.New(network.Config{Settings: handler.Settings{Periods: 1}})
	require.NoError(t, err)
	p, err := handler.NewPipeline(handler.Config{Sources: live.Sources(), Handlers: []handler.Handler{h, n}})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()
	send(t, frames)
	wait.Until(t, func() bool { return p.Account().Analysed == truth.Packets })
	cancel()
	require.NoError(t, <-done)
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	d := dns.From(snap)
	require.Equal(t, []uint64{truth.DNSQueries, truth.DNSResponses}, []uint64{d.Queries.Value(), d.Replies.Value()})
	require.Equal(t, truth.Matched, d.Trans.Value())
	require.Equal(t, truth.TCP, network.From(snap).TCP.Value())
	require.Equal(t, handler.Account{Offered: truth.Packets, Analysed: truth.Packets}, p.Account())
}

// TestNSDrops fills a small ring that is never read. The packets captured and dropped must add up
// to the packets sent.
func TestNSDrops(t *testing.T) {
	namespace(t)
	frames, _ := trafficgen.Frames(trafficgen.Mixed(20_000))
	live := open(t, afpacket.Config{RingSize: 1 << 20})
	send(t, frames)
	stats := live.Stats()
	require.Equal(t, uint64(20_000), stats.Packets)
	require.NotZero(t, stats.Drops)
	take(t, live.Sources()[0], int(stats.Packets-stats.Drops))
	require.Equal(t, stats.Drops, capture.DropsOf(live.Sources()[0]))
}

// TestNSDownAndUp continues when the interface is up again and ends when it is deleted.
func TestNSDownAndUp(t *testing.T) {
	namespace(t)
	frames, _ := trafficgen.Frames(trafficgen.VariedDNS(10))
	live := open(t, afpacket.Config{})
	src := live.Sources()[0]
	for range 3 {
		send(t, frames)
		require.Equal(t, texts(frames), take(t, src, 10))
		down := make(chan []string)
		go func() { down <- take(t, src, 10) }() // waits while the interface is down
		netns.IP(t, "link", "set", receiver, "down")
		time.Sleep(50 * time.Millisecond)
		netns.IP(t, "link", "set", receiver, "up")
		time.Sleep(50 * time.Millisecond)
		send(t, frames)
		require.Equal(t, texts(frames), <-down)
	}
	gone := make(chan error)
	go func() { gone <- src.ReadBatch(&capture.Batch{}) }()
	time.Sleep(20 * time.Millisecond)
	netns.IP(t, "link", "del", receiver)
	require.ErrorContains(t, wait.Receive(t, gone, "the end of the source"), "interface "+receiver+" is gone")
}

// TestNSLoopback captures each packet once, although it leaves and arrives on the same interface.
func TestNSLoopback(t *testing.T) {
	namespace(t)
	netns.IP(t, "link", "set", "lo", "up")
	live := open(t, afpacket.Config{Interface: "127.0.0.1"})
	require.Equal(t, "lo", live.Interface())
	conn, err := net.Dial("udp", "127.0.0.1:53")
	require.NoError(t, err)
	defer conn.Close()
	for i := range 5 {
		// The port is closed: from the second datagram on, each causes an ICMP error.
		_, _ = fmt.Fprintf(conn, "datagram %d", i)
	}
	counts := map[string]int{}
	for _, frame := range take(t, live.Sources()[0], 6) {
		p := decode.Packet{Frame: []byte(frame), Link: decode.LinkEthernet}
		require.NoError(t, decode.NewDecoder(decode.Config{}).Decode(&p))
		if p.Layers.Has(decode.LayerUDP) {
			counts[string(p.Payload)]++
		}
	}
	for text, n := range counts {
		require.Equal(t, 1, n, text)
	}
	require.GreaterOrEqual(t, len(slices.Collect(maps.Keys(counts))), 3)
}

func TestNSFilter(t *testing.T) {
	namespace(t)
	frames, truth := trafficgen.Frames(trafficgen.VariedDNS(1000))
	live := open(t, afpacket.Config{Filter: filter.Kernel("ip")})
	send(t, frames)
	take(t, live.Sources()[0], int(truth.IPv4))
	require.Equal(t, afpacket.Stats{Packets: truth.IPv4}, live.Stats())

	for _, expr := range []string{
		"geneve 5 and host 10.0.0.1", "geneve or ip", "protochain 58", "tcp[tcpflags] & tcp-syn != 0 and len / ip[8] > ip[ip[0] & 0xf]",
		"pppoes and mpls 5 and ip6 net 2001:db8::/32", "ether host 0:0:0:0:0:1 or llc ui",
	} {
		open(t, afpacket.Config{Filter: filter.Kernel(expr)})
	}
	var hosts []string
	for i := range 3000 {
		hosts = append(hosts, fmt.Sprintf("10.0.%d.%d", i/256, i%256))
	}
	for expr, reason := range map[string]string{
		"port nosuch": "'nosuch' is not a port",
		"vlan 5":      "'vlan' cannot be run by the kernel",
		"src host (" + strings.Join(hosts, " or ") + ")": "the kernel takes 1 to 4096",
	} {
		_, err := afpacket.Open(afpacket.Config{Interface: receiver, Filter: filter.Kernel(expr)})
		require.ErrorContains(t, err, reason)
	}
}

func TestNSAddresses(t *testing.T) {
	namespace(t)
	netns.IP(t, "address", "add", "192.0.2.5/24", "dev", receiver)
	live := open(t, afpacket.Config{Interface: "192.0.2.5"})
	require.Equal(t, receiver, live.Interface())
	require.True(t, live.Own().Contains(netip.MustParseAddr("192.0.2.5")))

	frames, _ := trafficgen.Frames(trafficgen.VariedDNS(1000))
	send(t, frames)
	auto := open(t, afpacket.Config{Interface: "auto"})
	require.Contains(t, []string{sender, receiver}, auto.Interface())
}

func TestNSClose(t *testing.T) {
	namespace(t)
	live := open(t, afpacket.Config{})
	src := live.Sources()[0]
	ended := make(chan error)
	go func() { ended <- src.ReadBatch(&capture.Batch{}) }()
	time.Sleep(20 * time.Millisecond)
	require.NoError(t, src.Close())
	require.NoError(t, src.Close(), "twice")
	require.ErrorIs(t, <-ended, capture.ErrClosed)
	require.ErrorIs(t, src.ReadBatch(&capture.Batch{}), capture.ErrClosed)
}

// TestNSConformance runs the suite of sources. Frames in the ring are lost with Close.
func TestNSConformance(t *testing.T) {
	namespace(t)
	sourcetest.Run(t, sourcetest.Case{Frames: sourcetest.Endless, Lossy: true, Open: func(t testing.TB) (capture.Source, func(int)) {
		return open(t, afpacket.Config{}).Sources()[0], func(n int) {
			frames, _ := trafficgen.Frames(trafficgen.Mixed(n))
			send(t, frames)
		}
	}})
}
