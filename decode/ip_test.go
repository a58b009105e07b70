package decode_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/decode"
)

func TestIP(t *testing.T) {
	options := unhex("46 00 0024 0007 0000 40 11 0000 C0000201 C6336402 01010100")
	for _, tt := range []struct {
		name    string
		packet  []byte
		layers  decode.LayerSet
		payload string
		err     error
	}{
		{"IPv4", ip4(17, udp(53, "abcd")), decode.LayerIPv4 | decode.LayerUDP, "abcd", nil},
		{"IPv4 with options", join(options, udp(53, "abcd")), decode.LayerIPv4 | decode.LayerUDP, "abcd", nil},
		{"IPv4 with padding behind", join(ip4(17, udp(53, "abcd")), make([]byte, 9)), decode.LayerIPv4 | decode.LayerUDP, "abcd", nil},
		{"IPv4 whose length is left to the card", set(ip4(17, udp(53, "abcd")), 2, 0, 0), decode.LayerIPv4 | decode.LayerUDP, "abcd", nil},
		{"IPv4 header length below 20", set(ip4(17, udp(53, "")), 0, 0x44), decode.LayerIPv4 | decode.LayerMalformed, "", decode.ErrMalformed},
		{"IPv4 header longer than the packet", set(ip4(17, nil), 0, 0x4F), decode.LayerIPv4 | decode.LayerMalformed, "", decode.ErrMalformed},
		{"IPv4 total length below its header", set(ip4(17, nil), 2, 0, 19), decode.LayerIPv4 | decode.LayerMalformed, "", decode.ErrMalformed},
		{"IPv6", ip6(17, udp(53, "abcd")), decode.LayerIPv6 | decode.LayerUDP, "abcd", nil},
		{"IPv6 with padding behind", join(ip6(17, udp(53, "abcd")), make([]byte, 9)), decode.LayerIPv6 | decode.LayerUDP, "abcd", nil},
		{"IPv6 jumbogram", set(ip6(17, udp(53, "abcd")), 4, 0, 0), decode.LayerIPv6 | decode.LayerUDP, "abcd", nil},
		{"hop-by-hop, routing, options", ip6(0, join(unhex("2B00 0502 0000 0100 3C00 0000 0000 0000 1100 0104 0000 0000"), udp(53, "abcd"))),
			decode.LayerIPv6 | decode.LayerUDP, "abcd", nil},
		{"authentication header", ip6(51, join(unhex("1104 0000 00000001 00000001 0000000000000000 00000000"), udp(53, "abcd"))),
			decode.LayerIPv6 | decode.LayerUDP, "abcd", nil},
		{"extension header too long", ip6(0, unhex("11FF 0000 0000 0000")), decode.LayerIPv6 | decode.LayerMalformed, "", nil},
		{"extension header cut", ip6(0, unhex("1100")), decode.LayerIPv6 | decode.LayerMalformed, "", nil},
		{"only fragment", ip6frag(17, 0, false, udp(53, "abcd")), decode.LayerIPv6 | decode.LayerUDP, "abcd", nil},
		{"fragment header cut", ip6(44, unhex("1100 0000")), decode.LayerIPv6 | decode.LayerMalformed, "", nil},
		{"no next header", ip6(59, nil), decode.LayerIPv6, "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := decoded(decode.LinkRaw, tt.packet)
			require.ErrorIs(t, err, tt.err)
			require.Equal(t, tt.layers, p.Layers)
			require.Equal(t, tt.payload, string(p.Payload))
			require.True(t, p.Src.IsValid())
		})
	}
}

// set returns b with the bytes at offset at replaced.
func set(b []byte, at int, v ...byte) []byte {
	copy(b[at:], v)
	return b
}

func TestSnaplen(t *testing.T) {
	for _, whole := range [][]byte{ip4(17, udp(53, "abcdefgh")), ip6(17, udp(53, "abcdefgh"))} {
		p, err := decoded(decode.LinkRaw, whole[:len(whole)-5])
		require.NoError(t, err)
		require.Equal(t, "abc", string(p.Payload))
		require.Equal(t, uint32(5), p.Cut)
	}
}

func TestTransport(t *testing.T) {
	segment := "0400 0035 00000001 00000002 %s 12 0000 0000 0000"
	tcp := func(offset string) []byte { return unhex(strings.ReplaceAll(segment, "%s", offset)) }
	for _, tt := range []struct {
		name    string
		proto   byte
		data    []byte
		layers  decode.LayerSet
		payload string
	}{
		{"UDP, length 0", 17, join(unhex("0400 0035 0000 0000"), []byte("abcd")), decode.LayerUDP, "abcd"},
		{"UDP, length below its header", 17, join(unhex("0400 0035 0007 0000"), []byte("abcd")), decode.LayerUDP, "abcd"},
		{"UDP, padding behind", 17, join(unhex("0400 0035 000A 0000"), []byte("abcd")), decode.LayerUDP, "ab"},
		{"UDP, length beyond the packet", 17, join(unhex("0400 0035 00FF 0000"), []byte("abcd")), decode.LayerUDP, "abcd"},
		{"UDP, cut", 17, unhex("0400 0035 0000"), decode.LayerUDP | decode.LayerMalformed, ""},
		{"UDP, no ports", 17, unhex("0400 00"), decode.LayerUDP | decode.LayerMalformed, ""},
		{"TCP", 6, join(tcp("50"), []byte("abcd")), decode.LayerTCP, "abcd"},
		{"TCP with options", 6, join(tcp("60"), unhex("01010100"), []byte("abcd")), decode.LayerTCP, "abcd"},
		{"TCP, header longer than the packet", 6, tcp("60"), decode.LayerTCP | decode.LayerMalformed, ""},
		{"TCP, header below 20 bytes", 6, tcp("40"), decode.LayerTCP | decode.LayerMalformed, ""},
		{"TCP, cut", 6, tcp("50")[:19], decode.LayerTCP | decode.LayerMalformed, ""},
		{"SCTP", 132, join(unhex("0400 0035 00000001 00000000"), []byte("abcd")), decode.LayerSCTP, "abcd"},
		{"ICMP", 1, []byte("\x08\x00abcd"), decode.LayerICMP, "\x08\x00abcd"},
		{"ICMPv6", 58, []byte("\x80\x00abcd"), decode.LayerICMPv6, "\x80\x00abcd"},
		{"OSPF", 89, []byte("abcd"), 0, "abcd"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := decoded(decode.LinkRaw, ip4(tt.proto, tt.data))
			require.NoError(t, err)
			require.Equal(t, tt.layers|decode.LayerIPv4, p.Layers)
			require.Equal(t, tt.payload, string(p.Payload))
		})
	}
	p, err := decoded(decode.LinkRaw, ip6(6, tcp("50")))
	require.NoError(t, err)
	require.Equal(t, []uint32{1, 2}, []uint32{p.Seq, p.Ack})
	require.Equal(t, decode.FlagSYN|decode.FlagACK, p.Flags)
	require.Equal(t, "[2001:db8::2]:53", p.Dst.String())
}

type tunnel struct {
	name   string
	packet []byte
}

// tunnels returns IPv4 packets that carry an IPv6 packet in each kind of tunnel.
func tunnels(inner []byte) []tunnel {
	frame := ethernet(0x86DD, inner)
	withUDP := func(port uint16, head string, rest []byte) []byte {
		return ip4(17, udp(port, string(join(unhex(head), rest))))
	}
	return []tunnel{
		{"IPv6 in IPv4", ip4(41, inner)},
		{"EtherIP", ip4(97, join(unhex("3000"), frame))},
		{"GRE", ip4(47, join(unhex("0000 86DD"), inner))},
		{"GRE with checksum, key, sequence", ip4(47, join(unhex("B000 86DD 00000000 00000001 00000002"), inner))},
		{"PPTP", ip4(47, join(unhex("3081 880B 00300001 00000001 00000002 FF03 0057"), inner))},
		{"NVGRE", ip4(47, join(unhex("2000 6558 00000100"), frame))},
		{"ERSPAN II", ip4(47, join(unhex("1000 88BE 00000001 1000000000000000"), frame))},
		{"ERSPAN III", ip4(47, join(unhex("1000 22EB 00000001 200000000000000000000000"), frame))},
		{"VXLAN", withUDP(4789, "0800000000000100", frame)},
		{"VXLAN-GPE", withUDP(4790, "0C00000200000100", inner)},
		{"Geneve", withUDP(6081, "0140 6558 00000100 00000000", frame)},
		{"GTP-U", withUDP(2152, "30FF 0034 00000001", inner)},
		{"GTP-U, extension", withUDP(2152, "34FF 003C 00000001 00000085 01000100", inner)},
		{"Teredo", withUDP(3544, "0000 1234 01020304", inner)},
		{"L2TP", withUDP(1701, "0002 0001 0001 FF03 0057", inner)},
		{"MPLS over UDP", withUDP(6635, "00010140", inner)},
		{"GRE over UDP", withUDP(4754, "0000 86DD", inner)},
		{"VXLAN-GPE, NSH", withUDP(4790, "0C00000400000100 0002 02 02 00000102", inner)},
		{"TZSP", withUDP(37008, "0100 0001 0A0105 00 01", frame)},
		{"TZSP, 802.11", withUDP(37008, "0100 0012 01 0801 0000 020000000001 020000000002 020000000003 1000 AAAA03 000000 86DD", inner)},
		{"L2TPv3", ip4(115, join(unhex("0000004D"), frame))},
		{"L2TPv3, cookie", ip4(115, join(unhex("0000004D 0011223344556677"), frame))},
		{"L2TPv3, cookie and sublayer", ip4(115, join(unhex("0000004D 00112233 40000001"), frame))},
		{"L2TPv3, VLAN", ip4(115, join(unhex("0000004D 020000000001 020000000002 8100 0001 86DD"), inner))},
		{"L2TPv3, PPP", ip4(115, join(unhex("0000004D FF03 0057"), inner))},
		{"L2TPv3, IP", ip4(115, join(unhex("0000004D"), inner))},
		{"L2TPv3 over UDP", withUDP(1701, "0003 0000 0000004D", frame)},
	}
}

func TestTunnels(t *testing.T) {
	inner := ip6(17, udp(53, "abcd"))
	for _, tt := range tunnels(inner) {
		t.Run(tt.name, func(t *testing.T) {
			p, err := decoded(decode.LinkEthernet, ethernet(0x0800, tt.packet))
			require.NoError(t, err)
			require.Equal(t, "192.0.2.1", p.Src.Addr().String())
			require.NotNil(t, p.Inner)
			q := p.Innermost()
			require.Equal(t, "[2001:db8::1]:1024", q.Src.String())
			require.Equal(t, "[2001:db8::2]:53", q.Dst.String())
			require.Equal(t, "abcd", string(q.Payload))
			require.Equal(t, tt.name == "IPv6 in IPv4", p.IPInIP())
			// a cut must not cause a panic or add layers
			for n := len(tt.packet) - 1; n >= 20; n-- {
				p, err := decoded(decode.LinkEthernet, ethernet(0x0800, tt.packet[:n:n]))
				require.NoError(t, err)
				if n < len(tt.packet)-len(inner)+40 {
					require.Nil(t, p.Inner, "%d bytes", n)
				}
			}
		})
	}
}

// TestNoTunnel feeds packets that resemble a tunnel but are not one.
func TestNoTunnel(t *testing.T) {
	frame := ethernet(0x86DD, ip6(17, udp(53, "abcd")))
	for name, packet := range map[string][]byte{
		"L2TPv3, control":           ip4(115, join(unhex("00000000"), frame)),
		"L2TPv3, not IP":            ip4(115, join(unhex("0000004D"), make([]byte, 60))),
		"L2TPv3, control over UDP":  ip4(17, udp(1701, string(join(unhex("8003 0000 0000004D"), frame)))),
		"TZSP, keepalive":           ip4(17, udp(37008, string(join(unhex("0104 0001 01"), frame)))),
		"TZSP, tags without an end": ip4(17, udp(37008, "\x01\x00\x00\x01\x0A\xFF\x01")),
	} {
		p, err := decoded(decode.LinkEthernet, ethernet(0x0800, packet))
		require.NoError(t, err, name)
		require.Nil(t, p.Inner, name)
	}
}

// TestTunnelInTunnel nests deeper than the decoder follows.
func TestTunnelInTunnel(t *testing.T) {
	packet := ip4(17, udp(53, "abcd"))
	for range 100 {
		packet = ip4(4, packet)
	}
	p, err := decoded(decode.LinkRaw, packet)
	require.NoError(t, err)
	depth := 0
	for ; p.Inner != nil; p = p.Inner {
		depth++
	}
	require.Equal(t, 8, depth)
}
