package decode_test

import (
	"bytes"
	"fmt"
	"math/bits"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/decode"
	"visor/internal/trafficgen"
	"visor/sketch/hash64"
)

// swapped returns a raw IP packet with source and destination exchanged.
func swapped(b []byte) []byte {
	out := append([]byte(nil), b...)
	at, n := 12, 4
	if b[0]>>4 == 6 {
		at, n = 8, 16
	}
	copy(out[at:], b[at+n:at+2*n])
	copy(out[at+n:], b[at:at+n])
	return out
}

func TestFlowHasher(t *testing.T) {
	flows := decode.NewFlowHasher(hash64.Fixed())
	for _, packet := range [][]byte{ip4(17, udp(53, "abcd")), ip6(17, udp(53, "abcd"))} {
		want := flows.Hash(packet, decode.LinkRaw)
		require.NotZero(t, want)
		etherType, family := uint16(0x0800), "00000002"
		if packet[0]>>4 == 6 {
			etherType, family = 0x86DD, "0000001E"
		}
		vlan := join([]byte{0, 100, byte(etherType >> 8), byte(etherType)}, packet)
		for name, got := range map[string]uint64{
			"the other direction": flows.Hash(swapped(packet), decode.LinkRaw),
			"Ethernet":            flows.Hash(ethernet(etherType, packet), decode.LinkEthernet),
			"802.1Q":              flows.Hash(ethernet(0x8100, vlan), decode.LinkEthernet),
			"loopback":            flows.Hash(join(unhex(family), packet), decode.LinkNull),
			"SLL":                 flows.Hash(join(make([]byte, 16), packet), decode.LinkSLL),
			"SLL2":                flows.Hash(join(make([]byte, 20), packet), decode.LinkSLL2),
		} {
			require.Equal(t, want, got, name)
		}
		for n := range packet {
			if n < 20 {
				require.Zero(t, flows.Hash(packet[:n:n], decode.LinkRaw))
			}
		}
	}
	require.Equal(t, flows.Hash(ip4(17, udp(53, "")), decode.LinkRaw), flows.Hash(ip4frag(17, 7, 100, nil), decode.LinkRaw),
		"fragments have no ports")
	require.Zero(t, flows.Hash(ethernet(0x0806, make([]byte, 40)), decode.LinkEthernet))
	require.Zero(t, flows.Hash(make([]byte, 100), decode.LinkIPNet))
	discover := set(ip4(17, udp(67, "abcd")), 12, 0, 0, 0, 0)
	require.Zero(t, flows.Hash(discover, decode.LinkRaw), "DHCP")
	relayed := set(ip4(17, udp(1067, "abcd")), 20, 0, 67) // by a relay or server with another port
	require.Zero(t, flows.Hash(relayed, decode.LinkRaw), "DHCP by the source port")
	require.Zero(t, flows.Hash(ip4(47, join(unhex("0000 0800"), discover)), decode.LinkRaw), "DHCP in a tunnel")
}

// A mirror may carry queries and replies in tunnels between different hosts (found by FuzzWorkers).
func TestFlowHasherTunnels(t *testing.T) {
	flows := decode.NewFlowHasher(hash64.Fixed())
	inner := ip6(17, udp(53, "abcd"))
	want := flows.Hash(inner, decode.LinkRaw)
	replies := tunnels(swapped(inner))
	for i, tt := range tunnels(inner) {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, want, flows.Hash(tt.packet, decode.LinkRaw))
			reply := set(replies[i].packet, 12, 203, 0, 113, 9)
			require.Equal(t, want, flows.Hash(reply, decode.LinkRaw), "from another host")
			reply = ip4(4, reply)
			require.Equal(t, want, flows.Hash(ethernet(0x0800, reply), decode.LinkEthernet), "in a second tunnel")
		})
	}
}

// All fragments of a datagram have one hash, in any order: of its inner addresses if the first
// fragment comes first.
func TestFlowHasherFragments(t *testing.T) {
	const lastOfDst = 39
	inner := set(ip6(17, udp(53, strings.Repeat("x", 100))), lastOfDst, 77)
	for _, v6 := range []bool{false, true} {
		whole := udp(6081, string(join(unhex("0000 86DD 00000100"), inner)))
		parts := fragments(v6, whole, 64)
		flows := decode.NewFlowHasher(hash64.Fixed())
		hash := func(b []byte) uint64 { return flows.Hash(b, decode.LinkRaw) }
		want := hash(inner)
		for range 2 { // the ID is used again
			for _, part := range parts {
				require.Equal(t, want, hash(part))
			}
		}
		// the ID is used again, for other addresses
		other := hash(set(bytes.Clone(parts[0]), len(parts[0])-9, 9))
		require.NotEqual(t, want, other)
		require.Equal(t, other, hash(parts[1]))

		flows = decode.NewFlowHasher(hash64.Fixed())
		outer := hash(parts[2])
		require.NotEqual(t, want, outer)
		require.Equal(t, []uint64{outer, outer}, []uint64{hash(parts[0]), hash(parts[1])}, "the first comes late")
		require.Equal(t, want, hash(parts[0]), "the next datagram")
	}
}

// Tunnels and fragments do not make the reader allocate.
func TestFlowHasherAllocs(t *testing.T) {
	flows := decode.NewFlowHasher(hash64.Fixed())
	frames := append(fragments(false, udp(6081, strings.Repeat("x", 100)), 64), ip4(4, ip4(47, unhex("0000 0800"))))
	for _, tt := range tunnels(ip6(17, udp(53, "abcd"))) {
		frames = append(frames, tt.packet)
	}
	run := func() {
		for _, b := range frames {
			flows.Hash(b, decode.LinkRaw)
		}
	}
	run() // the packets of nested tunnels are kept
	require.Zero(t, testing.AllocsPerRun(10, run))
}

// TestFlowHasherSpreads has clients of one network query one server: the high bits distribute them
// about evenly over eight workers.
func TestFlowHasherSpreads(t *testing.T) {
	const clients, workers = 64 * 256, 8
	flows := decode.NewFlowHasher(hash64.Fixed())
	var share [workers]int
	for i := range clients {
		b := set(ip4(17, nil), 12, 10, 0, byte(i>>8), byte(i))
		at, _ := bits.Mul64(flows.Hash(b, decode.LinkRaw), workers)
		share[at]++
	}
	for _, n := range share {
		require.InEpsilon(t, clients/workers, n, 0.1, fmt.Sprint(share))
	}
}

func BenchmarkFlowHasher(b *testing.B) {
	frames, _ := trafficgen.Frames(trafficgen.Mixed(8192))
	flows := decode.NewFlowHasher(hash64.Fixed())
	for b.Loop() {
		for i := range frames {
			flows.Hash(frames[i].Data, frames[i].Link)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(frames)), "ns/frame")
}
