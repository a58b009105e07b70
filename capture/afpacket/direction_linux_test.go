package afpacket_test

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/afpacket"
	"visor/capture/filter"
	"visor/decode"
	"visor/handler"
	"visor/handler/network"
	"visor/internal/netns"
	"visor/internal/packettest"
	"visor/internal/wait"
)

// directions captures until n packets were counted. It returns the numbers of packets in, out and
// of unknown direction.
func directions(t *testing.T, live *afpacket.Capture, hosts decode.NetSet, n uint64, traffic func()) []uint64 {
	h, err := network.New(network.Config{Settings: handler.Settings{Periods: 1}})
	require.NoError(t, err)
	p, err := handler.NewPipeline(handler.Config{Sources: live.Sources(), Handlers: []handler.Handler{h}, Hosts: hosts})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()
	traffic()
	wait.Until(t, func() bool { return p.Account().Analysed >= n })
	cancel()
	require.NoError(t, <-done)
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	m := network.From(snap)
	return []uint64{m.In.Value(), m.Out.Value(), m.Unknown.Value()}
}

// exchange sends a UDP datagram from an address here to an address in the neighbour and back, n
// times.
func exchange(t *testing.T, here, there string, n int) {
	local := net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(here), 0))
	conn, err := net.DialUDP("udp", local, net.UDPAddrFromAddrPort(netip.MustParseAddrPort(there)))
	require.NoError(t, err)
	defer conn.Close()
	for range n {
		_, err := conn.Write([]byte("hello"))
		require.NoError(t, err)
		_, _ = conn.Read(make([]byte, 10)) // fails because the neighbour answers with an ICMP error
	}
}

// ipOnly drops packets that hosts send on their own.
var ipOnly = filter.Kernel("udp or icmp")

const (
	lan               = "visor-lan"
	hereNet, thereNet = "192.0.2.1/24", "192.0.2.2/24"
	here, there       = "192.0.2.1", "192.0.2.2:9"
)

// neighbours creates a LAN of two hosts and captures its IP packets.
func neighbours(t *testing.T) *afpacket.Capture {
	netns.Inside(t)
	neighbour := netns.Neighbour(t)
	netns.Cable(t, lan, "eth0", neighbour, hereNet, thereNet)
	t.Cleanup(func() { netns.IP(t, "link", "del", lan) })
	netns.IP(t, "link", "set", "lo", "up")
	netns.IP(t, "address", "replace", "203.0.113.53/32", "dev", "lo")
	netns.IP(t, "-n", neighbour, "route", "add", "default", "via", here)
	return open(t, afpacket.Config{Interface: lan, Filter: ipOnly})
}

// TestNSDirectionOnLAN has a peer in the same network. Its packets are in, because the addresses of
// this host decide. An address on lo belongs to this host too. pktvisor's rule, which uses the
// network of the interface, reports all of this traffic as in.
func TestNSDirectionOnLAN(t *testing.T) {
	live := neighbours(t)
	require.True(t, live.Own().Contains(netip.MustParseAddr("203.0.113.53")), "VIP on lo")
	require.False(t, live.Own().Contains(netip.MustParseAddr("192.0.2.2")), "the peer")
	got := directions(t, live, decode.NetSet{}, 12, func() {
		exchange(t, here, there, 3)
		exchange(t, "203.0.113.53", there, 3)
	})
	require.Equal(t, []uint64{6, 6, 0}, got)
}

// TestNSHostSpecWins configures networks, which then decide alone.
func TestNSHostSpecWins(t *testing.T) {
	live := neighbours(t)
	hosts, err := decode.ParseNetSet("192.0.2.2/32")
	require.NoError(t, err)
	require.Equal(t, []uint64{3, 3, 0}, directions(t, live, hosts, 6, func() { exchange(t, here, there, 3) }))
	hosts, err = decode.ParseNetSet("198.51.100.0/24")
	require.NoError(t, err)
	live = open(t, afpacket.Config{Interface: lan, Filter: ipOnly})
	require.Equal(t, []uint64{0, 0, 6}, directions(t, live, hosts, 6, func() { exchange(t, here, there, 3) }))
}

// TestNSMirrorPort captures frames for other hosts. Addresses decide, and packets between foreign
// addresses have no direction. The packet for this host's MAC address is in, whatever its address.
func TestNSMirrorPort(t *testing.T) {
	namespace(t)
	netns.IP(t, "address", "add", hereNet, "dev", receiver)
	iface, err := net.InterfaceByName(receiver)
	require.NoError(t, err)
	live := open(t, afpacket.Config{Filter: ipOnly})
	got := directions(t, live, decode.NetSet{}, 5, func() {
		frames := []capture.Frame{
			packettest.UDP(0, "198.51.100.1:1", "198.51.100.2:2", nil),
			packettest.UDP(0, "198.51.100.2:1", "198.51.100.1:2", nil),
			packettest.UDP(0, "198.51.100.2:1", here+":2", nil),
			packettest.UDP(0, here+":1", "198.51.100.2:2", nil),
			packettest.UDP(0, "198.51.100.2:1", "198.51.100.9:2", nil),
		}
		copy(frames[4].Data, iface.HardwareAddr)
		send(t, frames)
	})
	require.Equal(t, []uint64{2, 1, 2}, got)
}

// TestNSRouter forwards packets. They have no direction, although they are sent to the MAC address
// of the interface. The capture notices at run time that the interface forwards.
func TestNSRouter(t *testing.T) {
	namespace(t)
	netns.IP(t, "address", "add", hereNet, "dev", receiver)
	iface, err := net.InterfaceByName(receiver)
	require.NoError(t, err)
	through := []capture.Frame{packettest.UDP(0, "198.51.100.2:1", "198.51.100.1:2", nil)}
	copy(through[0].Data, iface.HardwareAddr)
	live := open(t, afpacket.Config{Filter: ipOnly})
	direction := func() decode.Direction {
		var b capture.Batch
		send(t, through)
		require.NoError(t, live.Sources()[0].ReadBatch(&b))
		return b.Frames[0].Dir
	}
	require.Equal(t, decode.ToHost, direction())
	require.NoError(t, os.WriteFile("/proc/sys/net/ipv4/conf/"+receiver+"/forwarding", []byte("1"), 0o644))
	wait.Until(t, func() bool { return direction() == decode.Unknown })

	live = open(t, afpacket.Config{Filter: ipOnly})
	got := directions(t, live, decode.NetSet{}, 3, func() {
		send(t, append(through,
			packettest.UDP(0, "198.51.100.2:1", here+":2", nil), packettest.UDP(0, here+":1", "198.51.100.2:2", nil)))
	})
	require.Equal(t, []uint64{1, 1, 1}, got)
}

// TestNSBridge captures on a port of a bridge and on the bridge. Addresses decide.
func TestNSBridge(t *testing.T) {
	namespace(t)
	netns.IP(t, "link", "add", "br0", "type", "bridge")
	t.Cleanup(func() { netns.IP(t, "link", "del", "br0") })
	netns.IP(t, "link", "set", receiver, "master", "br0")
	netns.IP(t, "link", "set", "br0", "up")
	netns.IP(t, "address", "add", hereNet, "dev", "br0")
	iface, err := net.InterfaceByName("br0")
	require.NoError(t, err)
	frames := []capture.Frame{
		packettest.UDP(0, "198.51.100.1:1", "198.51.100.2:2", nil),
		packettest.UDP(0, "198.51.100.1:1", here+":2", nil),
	}
	for i := range frames {
		copy(frames[i].Data, iface.HardwareAddr)
		sumIPv4(frames[i].Data[14:34])
	}
	for _, name := range []string{receiver, "br0"} {
		live := open(t, afpacket.Config{Interface: name, Filter: ipOnly})
		require.Equal(t, []uint64{1, 0, 1}, directions(t, live, decode.NetSet{}, 2, func() { send(t, frames) }), name)
	}
}

// TestNSDirectionOnLoopback has addresses of this host on both ends. Each packet is counted once,
// as in. A host_spec with only the server's address separates queries from replies.
func TestNSDirectionOnLoopback(t *testing.T) {
	netns.Inside(t)
	netns.IP(t, "link", "set", "lo", "up")
	server, err := decode.ParseNetSet("127.0.0.53/32")
	require.NoError(t, err)
	for _, tt := range []struct {
		hosts decode.NetSet
		want  []uint64
	}{{decode.NetSet{}, []uint64{6, 0, 0}}, {server, []uint64{3, 3, 0}}} {
		live := open(t, afpacket.Config{Interface: "lo", Filter: ipOnly})
		got := directions(t, live, tt.hosts, 6, func() { exchange(t, "127.0.0.1", "127.0.0.53:9", 3) })
		require.Equal(t, tt.want, got)
	}
}

// TestNSVanishedWhileDown deletes an interface that is down, which the kernel does not report to
// the socket. The capture must end.
func TestNSVanishedWhileDown(t *testing.T) {
	namespace(t)
	live := open(t, afpacket.Config{})
	gone := make(chan error, 1)
	go func() { gone <- live.Sources()[0].ReadBatch(&capture.Batch{}) }()
	netns.IP(t, "link", "set", receiver, "down")
	netns.IP(t, "link", "del", receiver)
	require.ErrorContains(t, wait.Receive(t, gone, "the end"), "interface "+receiver+" is gone")
}

// sumIPv4 sets the checksum of an IPv4 header, which bridges with netfilter require.
func sumIPv4(header []byte) {
	sum := uint32(0)
	for i := 0; i < len(header); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(header[i:]))
	}
	binary.BigEndian.PutUint16(header[10:], ^uint16(sum+sum>>16))
}

// TestNSOwnIsKeptCurrent adds and removes addresses during a capture.
func TestNSOwnIsKeptCurrent(t *testing.T) {
	namespace(t)
	netns.IP(t, "link", "set", "lo", "up")
	live := open(t, afpacket.Config{})
	vip, any := netip.MustParseAddr("203.0.113.99"), netip.MustParseAddr("198.51.100.77")
	require.False(t, live.Own().Contains(vip))
	netns.IP(t, "address", "add", "203.0.113.99/32", "dev", "lo")
	wait.Until(t, func() bool { return live.Own().Contains(vip) })
	netns.IP(t, "address", "del", "203.0.113.99/32", "dev", "lo")
	wait.Until(t, func() bool { return !live.Own().Contains(vip) })
	netns.IP(t, "route", "add", "local", "198.51.100.0/24", "dev", "lo")
	wait.Until(t, func() bool { return live.Own().Contains(any) })
	netns.IP(t, "address", "add", "2001:db8::1/64", "dev", "lo", "nodad")
	wait.Until(t, func() bool { return live.Own().Contains(netip.MustParseAddr("2001:db8::1")) })
	require.False(t, live.Own().Contains(netip.MustParseAddr("2001:db8::2")))
}
