package network_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/handler"
	"visor/handler/handlertest"
	"visor/handler/network"
	"visor/internal/trafficgen"
)

// shapeTruth counts what packets are with gopacket and maps.
type shapeTruth struct {
	counts  map[string]uint64
	sources map[netip.Addr]bool
}

// packet counts a frame. Addresses within own are the local networks.
func (w *shapeTruth) packet(f *capture.Frame, own decode.NetSet) {
	w.counts[fmt.Sprint("size ", f.WireLen/16*16)]++
	p := gopacket.NewPacket(f.Data, layers.LayerTypeEthernet, gopacket.Default)
	var src, dst netip.Addr
	switch ip := p.NetworkLayer().(type) {
	case *layers.IPv4:
		src, _ = netip.AddrFromSlice(ip.SrcIP)
		dst, _ = netip.AddrFromSlice(ip.DstIP)
		w.counts[fmt.Sprint("protocol ", network.Protocol(ip.Protocol))]++
		w.counts[fmt.Sprint("ttl ", ip.TTL)]++
		if ip.Flags&layers.IPv4MoreFragments != 0 || ip.FragOffset != 0 {
			w.counts["fragments"]++
		}
	case *layers.IPv6:
		src, _ = netip.AddrFromSlice(ip.SrcIP)
		dst, _ = netip.AddrFromSlice(ip.DstIP)
		proto := ip.NextHeader
		if fragment, ok := p.Layer(layers.LayerTypeIPv6Fragment).(*layers.IPv6Fragment); ok {
			proto = fragment.NextHeader
			w.counts["fragments"]++
		}
		w.counts[fmt.Sprint("protocol ", network.Protocol(proto))]++
		w.counts[fmt.Sprint("ttl ", ip.HopLimit)]++
	default:
		return
	}
	w.transport(p)
	switch {
	case own.Contains(dst): // in
		w.remote(src, true)
	case own.Contains(src):
		w.remote(dst, false)
	default:
		w.remote(src, true)
	}
}

func (w *shapeTruth) remote(addr netip.Addr, source bool) {
	bits := 24
	if addr.Is6() {
		bits = 48
	}
	if source {
		w.sources[addr] = true
	}
	w.counts[fmt.Sprint("subnet ", netip.PrefixFrom(addr, bits).Masked())]++
}

func (w *shapeTruth) transport(p gopacket.Packet) {
	switch l := p.TransportLayer().(type) {
	case *layers.UDP:
		w.counts[fmt.Sprint("src ", uint16(l.SrcPort))]++
		w.counts[fmt.Sprint("dst ", uint16(l.DstPort))]++
	case *layers.TCP:
		w.counts[fmt.Sprint("src ", uint16(l.SrcPort))]++
		w.counts[fmt.Sprint("dst ", uint16(l.DstPort))]++
		for name, is := range map[string]bool{"opening": l.SYN && !l.ACK, "opened": l.SYN && l.ACK, "fin": l.FIN, "rst": l.RST} {
			if is {
				w.counts[name]++
			}
		}
	}
	// gopacket does not look into the first fragment
	if l, ok := p.Layer(gopacket.LayerTypeFragment).(*gopacket.Fragment); ok && first(p) {
		w.counts[fmt.Sprint("src ", binary.BigEndian.Uint16(l.LayerContents()))]++
		w.counts[fmt.Sprint("dst ", binary.BigEndian.Uint16(l.LayerContents()[2:]))]++
	}
	if l, ok := p.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4); ok {
		w.counts[fmt.Sprint("icmp ", network.ICMPType(l.TypeCode.Type()))]++
	}
	if l, ok := p.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6); ok {
		w.counts[fmt.Sprint("icmp ", 256+network.ICMPType(l.TypeCode.Type()))]++
	}
}

// first reports whether p, a fragment of a UDP datagram, is the first one.
func first(p gopacket.Packet) bool {
	switch l := p.NetworkLayer().(type) {
	case *layers.IPv4:
		return l.FragOffset == 0 && l.Protocol == layers.IPProtocolUDP
	case *layers.IPv6:
		fragment, ok := p.Layer(layers.LayerTypeIPv6Fragment).(*layers.IPv6Fragment)
		return ok && fragment.FragmentOffset == 0 && fragment.NextHeader == layers.IPProtocolUDP
	}
	return false
}

// shapeLists are the lists of a Shape by the kinds of the truth.
var shapeLists = map[string][]string{
	"protocol": {"top_protocol"}, "ttl": {"top_ttl"}, "icmp": {"top_icmp"}, "src": {"top_src_port"}, "dst": {"top_dst_port"},
	"subnet": {"top_ipv4_subnet", "top_ipv6_subnet"},
}

// TestShape compares version 1.0 with gopacket and maps. Of several workers, each has a part.
func TestShape(t *testing.T) {
	frames, _ := trafficgen.Frames(trafficgen.Mixed(20_000))
	own, err := decode.ParseNetSet(trafficgen.LocalNets)
	require.NoError(t, err)
	truth := shapeTruth{counts: map[string]uint64{}, sources: map[netip.Addr]bool{}}
	for i := range frames {
		truth.packet(&frames[i], own)
	}
	h, err := network.New(network.Config{Settings: handler.Settings{Periods: 1, TopN: 1 << 17}})
	require.NoError(t, err)
	p := handlertest.Analyse(t, h, capture.NewMemory(frames))
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	m := network.From(snap)
	require.Equal(t, []uint64{truth.counts["fragments"], truth.counts["opening"], truth.counts["opened"], truth.counts["fin"], truth.counts["rst"]},
		[]uint64{m.Fragments.Value(), m.Opening.Value(), m.Opened.Value(), m.FIN.Value(), m.RST.Value()})
	require.InEpsilon(t, len(truth.sources), m.Sources.Estimate(), 0.03)
	for size, n := range m.PacketBytes.Bins() {
		require.Equal(t, truth.counts[fmt.Sprint("size ", size)], n, "size %d", size)
	}
	require.EqualValues(t, len(frames), m.PacketBytes.Count())
	for kind, lists := range shapeLists {
		seen := 0
		for _, v := range snap.Modules[0].Values() {
			for _, list := range lists {
				if v.Prom != "packets_"+list {
					continue
				}
				seen += len(v.Items)
				for _, it := range v.Items {
					want := truth.counts[kind+" "+it.Name]
					require.True(t, it.Lower <= want && want <= it.Estimate, "%s %s: %d, not %d to %d", list, it.Name, want, it.Lower, it.Estimate)
					require.True(t, v.Error > 0 || it.Estimate == want, "%s %s is exact", list, it.Name)
				}
			}
		}
		require.NotZero(t, seen, kind)
	}
}

// TestShapeByDirection adds up the directions of version 2.0 to version 1.0.
func TestShapeByDirection(t *testing.T) {
	frames, _ := trafficgen.Frames(trafficgen.Mixed(5000))
	v1, err := network.New(network.Config{Settings: handler.Settings{Periods: 1}})
	require.NoError(t, err)
	v2, err := network.NewByDirection(network.Config{Settings: handler.Settings{Periods: 1}})
	require.NoError(t, err)
	one, err := handlertest.Analyse(t, v1, capture.NewMemory(frames)).Bucket(0)
	require.NoError(t, err)
	two, err := handlertest.Analyse(t, v2, capture.NewMemory(frames)).Bucket(0)
	require.NoError(t, err)
	m := network.From(one)
	var got [5]uint64
	for _, d := range network.FromByDirection(two).Directions.All() {
		for i, n := range []uint64{d.Fragments.Value(), d.Opening.Value(), d.PacketBytes.Count(), d.TopSrcPorts.Total(), d.TopProtocols.Total()} {
			got[i] += n
		}
	}
	require.Equal(t, [5]uint64{m.Fragments.Value(), m.Opening.Value(), m.PacketBytes.Count(), m.TopSrcPorts.Total(), m.TopProtocols.Total()}, got)
	require.NotZero(t, got[1])
}

func TestShapeNames(t *testing.T) {
	require.Equal(t, "ICMP 8 echo request", network.ICMPType(8).String())
	require.Equal(t, "ICMPv6 200", network.ICMPType(456).String())
	require.Equal(t, []string{"UDP", "253"}, []string{network.Protocol(17).String(), network.Protocol(253).String()})
	require.Equal(t, []string{"192.0.2.0/24", "2001:db8:53::/48"},
		[]string{network.Subnet4{192, 0, 2}.String(), network.Subnet6{0x20, 1, 0x0D, 0xB8, 0, 0x53}.String()})
	require.Negative(t, network.Subnet6{1}.Compare(network.Subnet6{2}))
}
