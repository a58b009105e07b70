package decode_test

import (
	"fmt"
	"math/bits"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/decode"
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

func TestFlowHash(t *testing.T) {
	for _, packet := range [][]byte{ip4(17, udp(53, "abcd")), ip6(17, udp(53, "abcd"))} {
		want := decode.FlowHash(hash64.Fixed(), packet, decode.LinkRaw)
		require.NotZero(t, want)
		etherType, family := uint16(0x0800), "00000002"
		if packet[0]>>4 == 6 {
			etherType, family = 0x86DD, "0000001E"
		}
		vlan := join([]byte{0, 100, byte(etherType >> 8), byte(etherType)}, packet)
		for name, got := range map[string]uint64{
			"the other direction": decode.FlowHash(hash64.Fixed(), swapped(packet), decode.LinkRaw),
			"Ethernet":            decode.FlowHash(hash64.Fixed(), ethernet(etherType, packet), decode.LinkEthernet),
			"802.1Q":              decode.FlowHash(hash64.Fixed(), ethernet(0x8100, vlan), decode.LinkEthernet),
			"loopback":            decode.FlowHash(hash64.Fixed(), join(unhex(family), packet), decode.LinkNull),
			"SLL":                 decode.FlowHash(hash64.Fixed(), join(make([]byte, 16), packet), decode.LinkSLL),
			"SLL2":                decode.FlowHash(hash64.Fixed(), join(make([]byte, 20), packet), decode.LinkSLL2),
		} {
			require.Equal(t, want, got, name)
		}
		for n := range packet {
			if n < 20 {
				require.Zero(t, decode.FlowHash(hash64.Fixed(), packet[:n:n], decode.LinkRaw))
			}
		}
	}
	require.Equal(t, decode.FlowHash(hash64.Fixed(), ip4(17, udp(53, "")), decode.LinkRaw), decode.FlowHash(hash64.Fixed(), ip4frag(17, 7, 100, nil), decode.LinkRaw),
		"fragments have no ports")
	require.Zero(t, decode.FlowHash(hash64.Fixed(), ethernet(0x0806, make([]byte, 40)), decode.LinkEthernet))
	require.Zero(t, decode.FlowHash(hash64.Fixed(), make([]byte, 100), decode.LinkIPNet))
}

// TestFlowHashSpreads has clients of one network query one server: the high bits distribute them
// about evenly over eight workers.
func TestFlowHashSpreads(t *testing.T) {
	const clients, workers = 64 * 256, 8
	var share [workers]int
	for i := range clients {
		b := set(ip4(17, nil), 12, 10, 0, byte(i>>8), byte(i))
		at, _ := bits.Mul64(decode.FlowHash(hash64.Fixed(), b, decode.LinkRaw), workers)
		share[at]++
	}
	for _, n := range share {
		require.InEpsilon(t, clients/workers, n, 0.1, fmt.Sprint(share))
	}
}
