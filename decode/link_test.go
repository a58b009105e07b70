package decode_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"visor/decode"
)

// headers are link headers in front of IPv4, by the registry at
// https://www.tcpdump.org/linktypes.html, with any headers between them and IP.
var headers = []struct {
	name   string
	link   decode.LinkType
	header string
	layers decode.LayerSet // in addition to IPv4 and UDP
}{
	{"Ethernet", decode.LinkEthernet, "020000000001 020000000002 0800", decode.LayerEthernet},
	{"802.1Q", decode.LinkEthernet, "020000000001 020000000002 8100 0064 0800", decode.LayerEthernet | decode.LayerVLAN},
	{"QinQ", decode.LinkEthernet, "020000000001 020000000002 88A8 0064 8100 0065 0800", decode.LayerEthernet | decode.LayerVLAN},
	{"802.3 SNAP", decode.LinkEthernet, "020000000001 020000000002 0064 AAAA03 000000 0800", decode.LayerEthernet},
	{"802.3 LLC", decode.LinkEthernet, "020000000001 020000000002 0064 060603", decode.LayerEthernet},
	{"MPLS", decode.LinkEthernet, "020000000001 020000000002 8847 00010040 00020140", decode.LayerEthernet | decode.LayerMPLS},
	{"pseudowire", decode.LinkEthernet, "020000000001 020000000002 8847 00010140 00000000 020000000003 020000000004 0800",
		decode.LayerEthernet | decode.LayerMPLS},
	{"PPPoE", decode.LinkEthernet, "020000000001 020000000002 8864 1100 0001 0022 0021", decode.LayerEthernet | decode.LayerPPPoE},
	{"VLAN, PPPoE, MPLS", decode.LinkEthernet, "020000000001 020000000002 8100 0001 8864 1100 0001 0026 0281 00010140",
		decode.LayerEthernet | decode.LayerVLAN | decode.LayerPPPoE | decode.LayerMPLS},
	{"VN-tag", decode.LinkEthernet, "020000000001 020000000002 8926 00000000 0800", decode.LayerEthernet},
	{"E-TAG", decode.LinkEthernet, "020000000001 020000000002 893F 0000 0000 0000 0800", decode.LayerEthernet},
	{"provider backbone bridge", decode.LinkEthernet, "020000000001 020000000002 88A8 0064 88E7 00000001 020000000003 020000000004 0800",
		decode.LayerEthernet | decode.LayerVLAN},
	{"FabricPath", decode.LinkEthernet, "020000000001 020000000002 8903 4020 020000000003 020000000004 8100 0064 0800",
		decode.LayerEthernet | decode.LayerVLAN},
	{"TRILL", decode.LinkEthernet, "020000000001 020000000002 22F3 0005 0001 0002 020000000003 020000000004 8100 0064 0800",
		decode.LayerEthernet | decode.LayerVLAN},
	{"TRILL, options", decode.LinkEthernet, "020000000001 020000000002 22F3 0885 0001 0002 00000001 00000002 020000000003 020000000004 0800",
		decode.LayerEthernet},
	{"Cisco MetaData", decode.LinkEthernet, "020000000001 020000000002 8909 01 01 0001 000A 0800", decode.LayerEthernet},
	{"Cisco MetaData, two options", decode.LinkEthernet, "020000000001 020000000002 8909 01 02 0001 000A 0001 000B 0800", decode.LayerEthernet},
	{"NSH", decode.LinkEthernet, "020000000001 020000000002 894F 0006 01 01 00000102 00000001 00000002 00000003 00000004", decode.LayerEthernet},
	{"NSH, Ethernet", decode.LinkEthernet, "020000000001 020000000002 894F 0002 02 03 00000102 020000000003 020000000004 0800", decode.LayerEthernet},
	{"NSH in NSH, MPLS", decode.LinkEthernet, "020000000001 020000000002 894F 0002 02 04 00000102 0002 02 05 00000102 00010140",
		decode.LayerEthernet | decode.LayerMPLS},
	{"null, little endian", decode.LinkNull, "02000000", 0},
	{"null, EtherType", decode.LinkNull, "00000800", 0},
	{"null, EtherType, little endian", decode.LinkNull, "00080000", 0},
	{"null, EtherType after HDLC", decode.LinkNull, "0F000800", 0},
	{"loop, EtherType", decode.LinkLoop, "00000800", 0},
	{"null, big endian", decode.LinkNull, "00000002", 0},
	{"loop", decode.LinkLoop, "00000002", 0},
	{"raw", decode.LinkRaw, "", 0},
	{"raw, 12", 12, "", 0},
	{"raw, 14", 14, "", 0},
	{"IPv4", decode.LinkIPv4, "", 0},
	{"SLL", decode.LinkSLL, "0000 0001 0006 020000000001 0000 0800", 0},
	{"SLL, 802.1Q", decode.LinkSLL, "0000 0001 0006 020000000001 0000 8100 0064 0800", decode.LayerVLAN},
	{"SLL2", decode.LinkSLL2, "0800 0000 00000002 0001 00 06 0200000000010000", 0},
	{"PPP", decode.LinkPPP, "FF03 0021", 0},
	{"PPP, protocol of one byte", decode.LinkPPP, "21", 0},
	{"PPP in HDLC", 50, "FF03 0021", 0},
	{"Cisco HDLC under PPP's number", 50, "0F00 0800", 0},
	{"Cisco HDLC", decode.LinkHDLC, "0F00 0800", 0},
	{"PPP over Ethernet", 51, "1100 0001 0022 0021", 0},
	{"Frame Relay", decode.LinkFrameRelay, "1841 03 CC", 0},
	{"Frame Relay, SNAP", decode.LinkFrameRelay, "1841 03 00 80 000000 0800", 0},
	{"Frame Relay, Cisco", decode.LinkFrameRelay, "1841 0800", 0},
	{"FDDI", decode.LinkFDDI, "50 020000000001 020000000002 AAAA03 000000 0800", 0},
	{"Token Ring", decode.LinkTokenRing, "1040 020000000001 020000000002 AAAA03 000000 0800", 0},
	{"Token Ring, route", decode.LinkTokenRing, "1040 020000000001 820000000002 0410 0011 AAAA03 000000 0800", 0},
	{"ATM", decode.LinkATM, "AAAA03 000000 0800", 0},
	{"pflog", decode.LinkPFLog, "3D02 0000" + zeros(60), 0},
	{"ARCnet, RFC 1201", decode.LinkARCNet, "0102 D4 00 0001", 0},
	{"ARCnet, RFC 1051", decode.LinkARCNet, "0102 F0", 0},
	{"ARCnet, exception", decode.LinkARCNet, "0102 D4 FF 00 FFFF 00 0001", 0},
	{"ARCnet of Linux", 129, "0102 0000 D4 00 0001", 0},
	{"netfilter log", decode.LinkNFLog, "0200 0000 0800 0100 0800 0003 2400 0900", 0},
	{"netfilter log, big endian", decode.LinkNFLog, "0200 0000 0008 0001 08000003 0024 0009", 0},
	{"ipnet", decode.LinkIPNet, "0102" + zeros(22), 0},
	{"Juniper", decode.LinkJuniper, "4D4743 01 020000000001 020000000002 0800", 0},
	{"Juniper, extensions", decode.LinkJuniper, "4D4743 81 0002 0000 020000000001 020000000002 0800", 0},
	{"Juniper, no link header", decode.LinkJuniper, "4D4743 02", 0},
	{"802.11", decode.LinkWiFi, wlan, 0},
	{"802.11, QoS", decode.LinkWiFi, "8801 0000 020000000001 020000000002 020000000003 1000 0000 AAAA03 000000 0800", 0},
	{"802.11, QoS, HT control", decode.LinkWiFi, "8881 0000 020000000001 020000000002 020000000003 1000 0000 00000000 AAAA03 000000 0800", 0},
	{"802.11, four addresses", decode.LinkWiFi, "0803 0000 020000000001 020000000002 020000000003 1000 020000000004 AAAA03 000000 0800", 0},
	{"802.11, aggregated", decode.LinkWiFi, "8801 0000 020000000001 020000000002 020000000003 1000 8000 020000000001 020000000002 0028 AAAA03 000000 0800", 0},
	{"radiotap", decode.LinkRadiotap, "0000 0800 00000000" + wlan, 0},
	{"AVS", decode.LinkAVS, "80211001 00000040" + zeros(56) + wlan, 0},
	{"Prism", decode.LinkPrism, "00000044 00000090" + zeros(136) + wlan, 0},
	{"AVS under the number of Prism", decode.LinkPrism, "80211001 00000040" + zeros(56) + wlan, 0},
	{"PPI, 802.11", decode.LinkPPI, "0000 1000 69000000 0100 0400 00000000" + wlan, 0},
	{"PPI, Ethernet", decode.LinkPPI, "0000 0800 01000000 020000000001 020000000002 0800", 0},
	{"PPI, raw", decode.LinkPPI, "0000 0800 65000000", 0},
	{"Broadcom", decode.LinkBRCM, "020000000001 020000000002 20000001 0800", decode.LayerEthernet},
	{"Broadcom, 802.1Q", decode.LinkBRCM, "020000000001 020000000002 20000001 8100 0064 0800", decode.LayerEthernet | decode.LayerVLAN},
	{"Broadcom, before", decode.LinkBRCMBefore, "20000001 020000000001 020000000002 0800", 0},
	{"DSA", decode.LinkDSA, "020000000001 020000000002 C00A0000 0800", decode.LayerEthernet},
	{"EDSA", decode.LinkEDSA, "020000000001 020000000002 DADA 0000 C00A0000 0800", decode.LayerEthernet},
}

// wlan is the header of an IEEE 802.11 data frame.
const wlan = "0801 0000 020000000001 020000000002 020000000003 1000 AAAA03 000000 0800"

// zeros returns n zero bytes in hexadecimal.
func zeros(n int) (s string) {
	for range n {
		s += "00"
	}
	return s
}

func TestLinks(t *testing.T) {
	for _, tt := range headers {
		t.Run(tt.name, func(t *testing.T) {
			frame := append(unhex(tt.header), ip4(17, udp(53, "abcd"))...)
			p, err := decoded(tt.link, frame)
			require.NoError(t, err)
			require.Equal(t, tt.layers|decode.LayerIPv4|decode.LayerUDP, p.Layers)
			require.Equal(t, "192.0.2.1:1024", p.Src.String())
			require.Equal(t, "198.51.100.2:53", p.Dst.String())
			require.Equal(t, "abcd", string(p.Payload))
			require.Equal(t, uint8(17), p.Proto)
			require.Zero(t, p.Cut)
		})
	}
}

// TestLinksCut cuts each of these frames anywhere. A cut never adds layers, and a frame that ends
// in its link header is an error.
func TestLinksCut(t *testing.T) {
	for _, tt := range headers {
		head := unhex(tt.header)
		whole := append(head, ip4(17, udp(53, "abcd"))...)
		for n := range whole {
			p, err := decoded(tt.link, whole[:n:n])
			want := tt.layers | decode.LayerIPv4 | decode.LayerUDP
			require.Zero(t, p.Layers&^(want|decode.LayerMalformed), "%s cut to %d bytes: %b", tt.name, n, p.Layers)
			if n < len(head)+20 {
				require.False(t, p.Layers.Has(decode.LayerIP), "%s cut to %d bytes", tt.name, n)
			}
			if n == 0 {
				require.Error(t, err, tt.name)
				require.True(t, p.Layers.Has(decode.LayerMalformed))
			}
		}
	}
}

func TestOtherProtocols(t *testing.T) {
	for _, tt := range []struct {
		name, frame string
		link        decode.LinkType
		layers      decode.LayerSet
		err         error
	}{
		{"ARP", "FFFFFFFFFFFF 020000000002 0806 0001", decode.LinkEthernet, decode.LayerEthernet | decode.LayerARP, nil},
		{"LLDP", "0180C200000E 020000000002 88CC 0000", decode.LinkEthernet, decode.LayerEthernet, nil},
		{"spanning tree", "0180C2000000 020000000002 0026 424203 0000", decode.LinkEthernet, decode.LayerEthernet, nil},
		{"PPPoE discovery", "020000000001 020000000002 8864 1109 0000 0000", decode.LinkEthernet,
			decode.LayerEthernet | decode.LayerPPPoE, nil},
		{"PPP LCP", "FF03 C021 01", decode.LinkPPP, 0, nil},
		{"raw of no version", "00", decode.LinkRaw, decode.LayerMalformed, decode.ErrMalformed},
		{"unknown link", "00", 4711, decode.LayerMalformed, decode.ErrUnknownLink},
		{"Juniper without its magic number", "00000000", decode.LinkJuniper, decode.LayerMalformed, decode.ErrMalformed},
		{"MPLS without a bottom", "020000000001 020000000002 8847 00010040", decode.LinkEthernet,
			decode.LayerEthernet | decode.LayerMPLS | decode.LayerMalformed, decode.ErrTruncated},
		{"ARCnet, in parts", "0102 D4 01 0001 45", decode.LinkARCNet, 0, nil},
		{"802.11, acknowledgment", "D400 0000 020000000001", decode.LinkWiFi, 0, nil},
		{"802.11, encrypted", "0841 0000 020000000001 020000000002 020000000003 1000 AAAA03 000000 0800", decode.LinkWiFi, 0, nil},
		{"802.11, no data", "4801 0000 020000000001 020000000002 020000000003 1000", decode.LinkWiFi, 0, nil},
		{"802.11, later fragment", "0801 0000 020000000001 020000000002 020000000003 1100 AAAA03 000000 0800", decode.LinkWiFi, 0, nil},
		{"PPI in PPI", "0000 0800 C0000000 0000 0800 65000000", decode.LinkPPI, decode.LayerMalformed, decode.ErrMalformed},
		{"NSH of no length", "020000000001 020000000002 894F 0000 02 01 00000102", decode.LinkEthernet,
			decode.LayerEthernet | decode.LayerMalformed, decode.ErrMalformed},
		{"netfilter log without a packet", "0200 0000", decode.LinkNFLog, 0, nil},
		{"netfilter log, attribute too long", "0200 0000 FF00 0100", decode.LinkNFLog, decode.LayerMalformed, decode.ErrMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := decoded(tt.link, unhex(tt.frame))
			require.ErrorIs(t, err, tt.err)
			require.Equal(t, tt.layers, p.Layers)
		})
	}
}

// fallback finds IPv4 behind one byte.
type fallback struct{ decode.LinkType }

func (f fallback) Network(link decode.LinkType, frame []byte) (uint16, []byte, bool) {
	if link != f.LinkType || len(frame) == 0 {
		return 0, nil, false
	}
	return 0x0800, frame[1:], true
}

func TestFallback(t *testing.T) {
	dec := decode.NewDecoder(decode.Config{Fallback: fallback{4711}})
	p := decode.Packet{Frame: append([]byte{0}, ip4(17, udp(53, "abcd"))...), Link: 4711}
	require.NoError(t, dec.Decode(&p))
	require.True(t, p.Layers.Has(decode.LayerUDP))
	p.Link = 4712
	require.ErrorIs(t, dec.Decode(&p), decode.ErrUnknownLink)
	require.Equal(t, decode.LayerMalformed, p.Layers)
}
