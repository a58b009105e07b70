package gopkt_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/gopkt"
	"visor/capture/pcapfile"
	"visor/decode"
	"visor/internal/sharedtest"
)

// ipv4 returns a complete IPv4 packet.
func ipv4(t testing.TB) []byte {
	buf := gopacket.NewSerializeBuffer()
	ip := &layers.IPv4{Version: 4, TTL: 9, Protocol: layers.IPProtocolUDP, SrcIP: []byte{192, 0, 2, 1}, DstIP: []byte{192, 0, 2, 2}}
	require.NoError(t, gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true}, ip, gopacket.Payload("payload!")))
	return buf.Bytes()
}

func join(parts ...[]byte) (b []byte) {
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func TestFallback(t *testing.T) {
	ip := ipv4(t)
	snap := []byte{0xAA, 0xAA, 3, 0, 0, 0, 8, 0}
	fddi := join([]byte{0x50, 1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 7}, snap)
	dot11 := join([]byte{0x08, 0x01, 0, 0, 1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 7, 1, 2, 3, 4, 5, 8, 0, 0}, snap)
	radiotap := []byte{0, 0, 8, 0, 0, 0, 0, 0} // no flags, so the frame has no checksum
	for _, tt := range []struct {
		name  string
		link  decode.LinkType
		frame []byte
		etype uint16
		want  []byte
	}{
		{"ethernet", 1, join(make([]byte, 12), []byte{8, 0}, ip), 0x0800, ip},
		{"ethernet, IPv6 cut", 1, join(make([]byte, 12), []byte{0x86, 0xDD}, []byte{0x60, 0}), 0x86DD, []byte{0x60, 0}},
		{"VLAN, ARP", 1, join(make([]byte, 12), []byte{0x81, 0, 0, 5, 8, 6}, []byte("arp")), 0x0806, []byte("arp")},
		{"raw", 12, ip, 0x0800, ip},
		{"PPP", 9, join([]byte{0xFF, 3, 0, 0x21}, ip), 0x0800, ip},
		{"FDDI", 10, join(fddi, ip), 0x0800, ip},
		{"802.11", 105, join(dot11, ip, []byte{1, 2, 3, 4}), 0x0800, ip},
		{"radiotap without check sum", 127, join(radiotap, dot11, ip), 0x0800, ip},
		{"not known", 77, ip, 0, nil},
		{"beyond gopacket's numbers", 257, join(make([]byte, 12), []byte{8, 0}, ip), 0, nil},
		{"no network packet", 1, join(make([]byte, 12), []byte{0x88, 0xCC}, []byte{0, 0}), 0, nil},
		{"nothing after the header", 1, join(make([]byte, 12), []byte{8, 0}), 0, nil},
		{"nothing", 12, nil, 0, nil}, // gopacket panics
		{"cut", 105, dot11[:5], 0, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// the bytes after the frame belong to the caller
			roomy := append(tt.frame[:len(tt.frame):len(tt.frame)], 0x11, 0x22, 0x33, 0x44, 0x55)
			etype, payload, ok := gopkt.Fallback{}.Network(tt.link, roomy[:len(tt.frame)])
			require.Equal(t, tt.etype != 0, ok)
			require.Equal(t, tt.etype, etype)
			if ok {
				require.Equal(t, tt.want, payload[:len(tt.want)])
				require.LessOrEqual(t, len(payload), len(tt.want)+4)
			}
			require.Equal(t, []byte{0x11, 0x22, 0x33, 0x44, 0x55}, roomy[len(tt.frame):])
		})
	}
}

// TestDecodeSupportsGopacketsLinks checks that decode supports all of gopacket's link types. So
// visor's programs do without Fallback and what its import costs at their start. USB is an
// exception: gopacket finds no network packets in it.
func TestDecodeSupportsGopacketsLinks(t *testing.T) {
	d := decode.NewDecoder(decode.Config{})
	known := 0
	for link := range 256 {
		name := layers.LinkType(link).String()
		if name == "UnknownLinkType" || link == int(layers.LinkTypeLinuxUSB) {
			continue
		}
		known++
		err := d.Decode(&decode.Packet{Frame: make([]byte, 64), Link: decode.LinkType(link)})
		require.NotErrorIs(t, err, decode.ErrUnknownLink, "%d %s", link, name)
	}
	require.Greater(t, known, 10)
}

func FuzzFallback(f *testing.F) {
	for _, link := range []uint16{0, 1, 9, 10, 12, 105, 113, 117, 119, 127, 189, 220} {
		f.Add(link, make([]byte, 64))
	}
	f.Fuzz(func(t *testing.T, link uint16, frame []byte) {
		etype, payload, ok := gopkt.Fallback{}.Network(decode.LinkType(link), frame)
		require.Equal(t, ok, etype != 0)
		require.LessOrEqual(t, len(payload), len(frame)+4)
	})
}

// TestFallbackCorpus passes every frame of the corpus to the Fallback. It must find as many network
// packets of these link types as tshark does.
func TestFallbackCorpus(t *testing.T) {
	root := sharedtest.Dir(t, "corpus")
	for _, path := range []string{
		"link/zeek-llc.pcap", "link/zeek-radiotap.pcap", "link/zeek-arp-who-has-wlanmon.pcap", "link/tcpdump-mpls-ldp-hello.pcap",
		"link/zeek-quic-interop-retry.pcap", "link/tcpdump-mpls-traceroute.pcap", "dns/zeek-dns-inverse-query.pcap", "bgp/tcpdump-bgp_vpn_attrset.pcap",
		"link/tcpdump-ieee802.11_htc.pcap", "link/suricata-verify-frag-ppp-ipv6-tcp.pcap",
	} {
		text, err := os.ReadFile(filepath.Join(root, "truth", path+".json"))
		require.NoError(t, err)
		var truth struct {
			Outermost map[string]int `json:"outermost"`
		}
		require.NoError(t, json.Unmarshal(text, &truth))
		count := map[uint16]int{}
		each(t, filepath.Join(root, path), func(f capture.Frame) {
			etype, _, _ := gopkt.Fallback{}.Network(f.Link, f.Data)
			count[etype]++
		})
		for name, etype := range map[string]uint16{"ip": 0x0800, "ipv6": 0x86DD, "arp": 0x0806} {
			require.Equal(t, truth.Outermost[name], count[etype], "%s: %s", path, name)
		}
	}
	hostile, err := filepath.Glob(filepath.Join(root, "*", "*.pcap*"))
	require.NoError(t, err)
	for _, path := range hostile {
		if filepath.Ext(path) != ".json" {
			each(t, path, func(f capture.Frame) { gopkt.Fallback{}.Network(f.Link, f.Data) })
		}
	}
}

// each calls do for the frames of a file before its end or the first damage.
func each(t *testing.T, path string, do func(capture.Frame)) {
	r, err := pcapfile.Open(path)
	require.NoError(t, err)
	defer r.Close()
	var b capture.Batch
	for r.ReadBatch(&b) == nil {
		for _, f := range b.Frames {
			do(f)
		}
	}
}

func BenchmarkFallback(b *testing.B) {
	frame := join(make([]byte, 12), []byte{8, 0}, ipv4(b))
	b.ReportAllocs()
	for b.Loop() {
		gopkt.Fallback{}.Network(1, frame)
	}
}
