package decode_test

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/internal/trafficgen"
	"visor/sketch/hash64"
)

// seen is the comparable result of two decoders.
type seen struct {
	layers   decode.LayerSet
	src, dst netip.AddrPort
	payload  string
	flags    uint8
}

// slow returns gopacket's result for an Ethernet frame.
func slow(frame []byte) (s seen) {
	packet := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.NoCopy)
	var from, to netip.Addr
	var src, dst uint16
	for _, layer := range packet.Layers() {
		switch l := layer.(type) {
		case *layers.Ethernet:
			s.layers |= decode.LayerEthernet
		case *layers.Dot1Q:
			s.layers |= decode.LayerVLAN
		case *layers.ARP:
			s.layers |= decode.LayerARP
		case *layers.IPv4:
			s.layers |= decode.LayerIPv4
			from, to = addr(l.SrcIP.To4()), addr(l.DstIP.To4())
			if l.Flags&layers.IPv4MoreFragments != 0 || l.FragOffset > 0 {
				s.layers |= decode.LayerFragment
			}
		case *layers.IPv6:
			s.layers |= decode.LayerIPv6
			from, to = addr(l.SrcIP), addr(l.DstIP)
		case *layers.IPv6Fragment:
			s.layers |= decode.LayerFragment
		case *layers.UDP:
			s.layers |= decode.LayerUDP
			src, dst, s.payload = uint16(l.SrcPort), uint16(l.DstPort), string(l.Payload)
		case *layers.TCP:
			s.layers |= decode.LayerTCP
			src, dst, s.payload, s.flags = uint16(l.SrcPort), uint16(l.DstPort), string(l.Payload), l.Contents[13]
		case *layers.ICMPv4:
			s.layers |= decode.LayerICMP
		case *layers.ICMPv6:
			s.layers |= decode.LayerICMPv6
		}
	}
	s.src, s.dst = netip.AddrPortFrom(from, src), netip.AddrPortFrom(to, dst)
	return s
}

func addr(b []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(b)
	return a
}

// fast returns the Decoder's result for it.
func fast(p *decode.Packet) (s seen) {
	s.layers = p.Layers
	if p.Layers.Has(decode.LayerIP) {
		s.src, s.dst = p.Src, p.Dst
	}
	if p.Layers.Has(decode.LayerUDP | decode.LayerTCP) {
		s.payload = string(p.Payload)
	}
	if p.Layers.Has(decode.LayerTCP) {
		s.flags = p.Flags
	}
	return s
}

// TestAgainstGopacket decodes mixed traffic twice. gopacket does not look into first fragments, so
// their ports are not compared.
func TestAgainstGopacket(t *testing.T) {
	frames, truth := trafficgen.Frames(trafficgen.Mixed(20_000))
	dec := decode.NewDecoder(decode.Config{})
	whole := uint64(0)
	for i := range frames {
		p := packetOf(&frames[i])
		require.NoError(t, dec.Decode(&p))
		got, want := fast(&p), slow(frames[i].Data)
		if p.Layers.Has(decode.LayerFragment) {
			got = seen{got.layers &^ decode.LayerUDP, netip.AddrPortFrom(got.src.Addr(), 0), netip.AddrPortFrom(got.dst.Addr(), 0), "", 0}
			want.layers &^= decode.LayerUDP
		}
		require.Equal(t, want, got, "frame %d", i)
		if p.Inner != nil {
			whole++
		}
		dec.Reset()
	}
	require.Equal(t, truth.Fragments, dec.Stats().Fragments)
	require.Equal(t, truth.DNSFragmented, whole)
}

func packetOf(f *capture.Frame) decode.Packet {
	return decode.Packet{TimeNS: f.TimeNS, Frame: f.Data, WireLen: f.WireLen, Link: f.Link}
}

func TestDecodeAllocs(t *testing.T) {
	frames, _ := trafficgen.Frames(trafficgen.Mixed(4096))
	dec := decode.NewDecoder(decode.Config{})
	var p decode.Packet
	run := func() {
		dec.Reset()
		for i := range frames {
			if i%256 == 0 {
				dec.Reset()
			}
			p = packetOf(&frames[i])
			if dec.Decode(&p) != nil {
				t.Fatal("undecodable")
			}
		}
	}
	run()
	require.LessOrEqual(t, testing.AllocsPerRun(10, run), 1.0, "per 4096 packets; the map of open datagrams may move")
}

// TestPacketIsReused decodes one frame after another into the same Packet: no field keeps its
// former value.
func TestPacketIsReused(t *testing.T) {
	dec := decode.NewDecoder(decode.Config{})
	p := decode.Packet{Frame: ip4(4, ip4(17, udp(53, "abcd")))[:45], Link: decode.LinkRaw}
	require.NoError(t, dec.Decode(&p))
	require.NotNil(t, p.Inner)
	p.Dir = decode.ToHost
	p.Frame, p.Link = ethernet(0x0806, nil), decode.LinkEthernet
	require.NoError(t, dec.Decode(&p))
	require.Equal(t, decode.LayerEthernet|decode.LayerARP, p.Layers)
	require.Nil(t, p.Inner)
	require.Empty(t, p.Payload)
	require.Zero(t, p.Cut)
	require.Zero(t, p.Proto)
	require.Equal(t, decode.Unknown, p.Dir)
}

// FuzzDecode decodes arbitrary bytes as any link type, several times: as fragments they may
// complete each other.
func FuzzDecode(f *testing.F) {
	for _, tt := range headers {
		f.Add(uint16(tt.link), append(unhex(tt.header), ip4(17, udp(53, "abcd"))...))
	}
	frames, _ := trafficgen.Frames(trafficgen.Mixed(200))
	for i := range frames {
		f.Add(uint16(frames[i].Link), frames[i].Data)
	}
	for _, b := range fragments(true, udp(53, "0123456789abcdef"), 16) {
		f.Add(uint16(decode.LinkRaw), b)
	}
	flows := decode.NewFlowHasher(hash64.Fixed())
	f.Fuzz(func(t *testing.T, link uint16, frame []byte) {
		before := bytes.Clone(frame)
		dec := decode.NewDecoder(decode.Config{MaxDatagrams: 4, MaxFragBytes: 100_000})
		for range 3 {
			p := decode.Packet{Frame: frame, WireLen: uint32(len(frame)), Link: decode.LinkType(link)}
			if dec.Decode(&p) != nil {
				require.True(t, p.Layers.Has(decode.LayerMalformed))
			}
			for q := &p; q != nil; q = q.Inner {
				if q.Layers.Has(decode.LayerIP) {
					require.Equal(t, q.Layers.Has(decode.LayerIPv6), q.Src.Addr().Is6())
					require.NotEqual(t, q.Layers.Has(decode.LayerIPv6), q.Layers.Has(decode.LayerIPv4))
				}
				require.LessOrEqual(t, len(q.Payload), 65535+len(frame))
			}
			flows.Hash(frame, decode.LinkType(link))
		}
		require.Equal(t, before, frame, "the frame is only borrowed")
	})
}

func BenchmarkDecode(b *testing.B) {
	for _, kind := range []struct {
		name string
		cfg  trafficgen.Config
	}{{"dns", trafficgen.VariedDNS(8192)}, {"mixed", trafficgen.Mixed(8192)}} {
		b.Run(kind.name, func(b *testing.B) {
			frames, _ := trafficgen.Frames(kind.cfg)
			dec := decode.NewDecoder(decode.Config{})
			var p decode.Packet
			b.ReportAllocs()
			for b.Loop() {
				dec.Reset()
				for i := range frames {
					p = packetOf(&frames[i])
					if dec.Decode(&p) != nil {
						b.Fatal("undecodable")
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(frames)), "ns/pkt")
			b.ReportMetric(0, "ns/op")
		})
	}
}
