package trafficgen_test

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"visor/capture"
	"visor/internal/trafficgen"
)

// recount counts frames again, with gopacket for the layers, a plain reassembly, and two DNS
// parsers.
type recount struct {
	t       *testing.T
	got     trafficgen.Truth
	names   map[string]trafficgen.Count
	clients map[netip.Addr]trafficgen.Count
	asked   map[query]int64 // time of the query
	streams map[gopacket.Flow]map[gopacket.Flow]*stream
	parts   map[fragmentKey]map[int][]byte
	now     int64

	// TCP segments: with old data, ahead of a hole, with several messages, with a part of one
	repeated, early, several, split int
}

type query struct {
	client, server netip.AddrPort
	tcp            bool
	id             uint16
	name           string
}

type fragmentKey struct {
	src, dst string
	id       uint32
}

// stream is one direction of a TCP connection.
type stream struct {
	next uint32
	held map[uint32][]byte
	data []byte
}

func newRecount(t *testing.T) *recount {
	return &recount{t: t, names: map[string]trafficgen.Count{}, clients: map[netip.Addr]trafficgen.Count{}, asked: map[query]int64{},
		streams: map[gopacket.Flow]map[gopacket.Flow]*stream{}, parts: map[fragmentKey]map[int][]byte{}}
}

func (r *recount) frame(f *capture.Frame) {
	r.got.Packets++
	r.got.Bytes += uint64(len(f.Data))
	if r.now == 0 {
		r.got.FirstNS = f.TimeNS
	}
	require.GreaterOrEqual(r.t, f.TimeNS, r.now)
	r.now, r.got.LastNS = f.TimeNS, f.TimeNS
	p := gopacket.NewPacket(f.Data, layers.LayerTypeEthernet, gopacket.DecodeOptions{NoCopy: true})
	if p.ErrorLayer() != nil {
		require.Fail(r.t, p.ErrorLayer().Error().Error(), "%x", f.Data)
	}
	require.False(r.t, p.Metadata().Truncated)
	if p.Layer(layers.LayerTypeDot1Q) != nil {
		r.got.VLAN++
	}
	if arp := p.Layer(layers.LayerTypeARP); arp != nil {
		r.got.ARP++
		return
	}
	r.ip(p, f)
}

func (r *recount) ip(p gopacket.Packet, f *capture.Frame) {
	switch ip := p.NetworkLayer().(type) {
	case *layers.IPv4:
		r.got.IPv4++
		require.Zero(r.t, slowSum(ip.Contents, nil), "IP checksum")
		if ip.Flags&layers.IPv4MoreFragments != 0 || ip.FragOffset != 0 {
			key := fragmentKey{string(ip.SrcIP), string(ip.DstIP), uint32(ip.Id)}
			r.fragment(key, int(ip.FragOffset)*8, ip.Flags&layers.IPv4MoreFragments != 0, ip.Payload)
			return
		}
	case *layers.IPv6:
		r.got.IPv6++
		require.EqualValues(r.t, ip.Length, len(ip.Payload))
		if fr, ok := p.Layer(layers.LayerTypeIPv6Fragment).(*layers.IPv6Fragment); ok {
			key := fragmentKey{string(ip.SrcIP), string(ip.DstIP), fr.Identification}
			r.fragment(key, int(fr.FragmentOffset)*8, fr.MoreFragments, fr.Payload)
			return
		}
	default:
		require.Fail(r.t, "no IP", "%x", f.Data)
	}
	r.direction(p.NetworkLayer().NetworkFlow())
	r.transport(p)
}

func (r *recount) direction(f gopacket.Flow) {
	if ours(addr(f.Dst().Raw())) {
		r.got.ToLocal++
	} else {
		require.True(r.t, ours(addr(f.Src().Raw())))
		r.got.FromLocal++
	}
}

func ours(a netip.Addr) bool {
	return netip.MustParsePrefix("192.0.2.0/24").Contains(a) || netip.MustParsePrefix("2001:db8:53::/48").Contains(a)
}

func addr(b []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(b)
	return a
}

func (r *recount) transport(p gopacket.Packet) {
	net := p.NetworkLayer()
	src, dst := net.NetworkFlow().Src().Raw(), net.NetworkFlow().Dst().Raw()
	// The layer with the transport header, cut to the IP length.
	l4 := net.LayerPayload()
	check := func(proto int) {
		pseudo := append(append([]byte{}, src...), dst...)
		pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(l4)))
		require.Zero(r.t, slowSum(append(pseudo, 0, 0, 0, byte(proto)), l4), "checksum %d", proto)
	}
	from := func(port int) netip.AddrPort { return netip.AddrPortFrom(addr(src), uint16(port)) }
	to := func(port int) netip.AddrPort { return netip.AddrPortFrom(addr(dst), uint16(port)) }
	if p.Layer(layers.LayerTypeICMPv4) != nil {
		r.got.ICMP++
		require.Zero(r.t, slowSum(l4, nil))
		return
	}
	if p.Layer(layers.LayerTypeICMPv6) != nil {
		r.got.ICMPv6++
		check(58)
		return
	}
	switch l := p.TransportLayer().(type) {
	case *layers.UDP:
		r.got.UDP++
		check(17)
		require.EqualValues(r.t, l.Length, len(l4))
		if l.SrcPort == 53 || l.DstPort == 53 {
			require.NotNil(r.t, p.Layer(layers.LayerTypeDNS))
			r.dns(l.Payload, from(int(l.SrcPort)), to(int(l.DstPort)), false)
		}
	case *layers.TCP:
		r.got.TCP++
		check(6)
		r.segment(net.NetworkFlow(), l, from(int(l.SrcPort)), to(int(l.DstPort)))
	default:
		require.Fail(r.t, "no transport", "%v", p)
	}
}

func (r *recount) fragment(key fragmentKey, offset int, more bool, data []byte) {
	r.got.UDP++
	r.got.Fragments++
	if offset > 0 {
		r.got.LaterFragments++
	}
	r.got.FromLocal++
	parts := r.parts[key]
	if parts == nil {
		parts = map[int][]byte{-1: nil}
		r.parts[key] = parts
	}
	parts[offset] = data
	if !more {
		parts[-1] = make([]byte, offset+len(data))
	}
	whole, n := parts[-1], 0
	for off, part := range parts {
		if off >= 0 && whole != nil {
			n += copy(whole[off:], part)
		}
	}
	if whole == nil || n < len(whole) {
		return
	}
	delete(r.parts, key)
	src, dst := addr([]byte(key.src)), addr([]byte(key.dst))
	pseudo := append([]byte(key.src), key.dst...)
	pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(whole)))
	require.Zero(r.t, slowSum(append(pseudo, 0, 0, 0, 17), whole), "checksum of fragments")
	r.got.DNSFragmented++
	r.dns(whole[8:], netip.AddrPortFrom(src, binary.BigEndian.Uint16(whole)), netip.AddrPortFrom(dst, binary.BigEndian.Uint16(whole[2:])), false)
}

func (r *recount) segment(flow gopacket.Flow, l *layers.TCP, from, to netip.AddrPort) {
	if l.SrcPort != 53 && l.DstPort != 53 {
		return
	}
	if r.streams[flow] == nil {
		r.streams[flow] = map[gopacket.Flow]*stream{}
	}
	s := r.streams[flow][l.TransportFlow()]
	if l.SYN {
		s = &stream{next: l.Seq + 1, held: map[uint32][]byte{}}
		r.streams[flow][l.TransportFlow()] = s
	}
	require.NotNil(r.t, s, "no SYN")
	if n := len(l.Payload); n > 0 {
		switch ahead := int32(l.Seq - s.next); {
		case ahead < 0:
			r.repeated++
		case ahead > 0:
			r.early++
		}
		s.held[l.Seq] = l.Payload
	}
	for s.held[s.next] != nil {
		b := s.held[s.next]
		s.next += uint32(len(b))
		s.data = append(s.data, b...)
	}
	messages := r.got.DNSTCP
	for len(s.data) >= 2 && len(s.data) >= 2+int(binary.BigEndian.Uint16(s.data)) {
		n := 2 + int(binary.BigEndian.Uint16(s.data))
		r.got.DNSTCP++
		r.dns(s.data[2:n], from, to, true)
		s.data = s.data[n:]
	}
	if r.got.DNSTCP > messages+1 {
		r.several++
	}
	if len(s.data) > 0 {
		r.split++
	}
	if l.FIN {
		require.Empty(r.t, s.data)
	}
}

func (r *recount) dns(b []byte, from, to netip.AddrPort, tcp bool) {
	var msg layers.DNS
	require.NoError(r.t, msg.DecodeFromBytes(b, gopacket.NilDecodeFeedback))
	var again dnsmessage.Message
	require.NoError(r.t, again.Unpack(b))
	require.Len(r.t, msg.Questions, 1)
	require.Len(r.t, again.Answers, int(msg.ANCount))
	name := strings.ToLower(string(msg.Questions[0].Name))
	require.Equal(r.t, name+".", strings.ToLower(again.Questions[0].Name.String()))
	qtype := msg.Questions[0].Type
	if !msg.QR {
		r.got.DNSQueries++
		r.got.QTypes[qtype]++
		r.count(name, from.Addr(), trafficgen.Count{Queries: 1})
		r.asked[query{from, to, tcp, msg.ID, name}] = r.now
		return
	}
	r.got.DNSResponses++
	r.got.ResponseQTypes[qtype]++
	r.got.RCodes[msg.ResponseCode]++
	r.count(name, to.Addr(), trafficgen.Count{Responses: 1})
	if msg.TC {
		r.got.DNSTruncated++
	} else if msg.ResponseCode == 0 && msg.ANCount == 0 {
		r.got.NoData++
	}
	key := query{to, from, tcp, msg.ID, name}
	if at, ok := r.asked[key]; ok {
		r.matched(r.now - at)
		delete(r.asked, key)
	}
}

func (r *recount) matched(latency int64) {
	g := &r.got
	if g.Matched == 0 || latency < g.MinLatency {
		g.MinLatency = latency
	}
	g.MaxLatency = max(g.MaxLatency, latency)
	g.LatencyNS += latency
	g.Matched++
}

func (r *recount) count(name string, client netip.Addr, c trafficgen.Count) {
	for _, p := range []func(f func(trafficgen.Count) trafficgen.Count){
		func(f func(trafficgen.Count) trafficgen.Count) { r.names[name] = f(r.names[name]) },
		func(f func(trafficgen.Count) trafficgen.Count) { r.clients[client] = f(r.clients[client]) },
	} {
		p(func(old trafficgen.Count) trafficgen.Count {
			return trafficgen.Count{Queries: old.Queries + c.Queries, Responses: old.Responses + c.Responses}
		})
	}
}

// slowSum is the literal algorithm of RFC 1071.
func slowSum(a, b []byte) uint16 {
	var s uint32
	for _, part := range [][]byte{a, b} {
		for i, c := range part {
			if i%2 == 0 {
				s += uint32(c) << 8
			} else {
				s += uint32(c)
			}
			s = s>>16 + s&0xFFFF
		}
	}
	return ^uint16(s)
}
