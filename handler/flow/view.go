package flow

import (
	"bytes"
	"math"
	"math/bits"
	"net/netip"
	"strconv"

	"visor/decode"
	"visor/geo"
	"visor/handler"
	"visor/internal/hash64"
	"visor/sketch"
)

// view is a record as it is counted: keys of lists made and hashed once, for all interfaces, directions and units.
type view struct {
	bytes, packets uint64 // after scaling
	l3             family
	l4             transport
	src, dst       end
	conversation   key
	dscp, ecn      key
	port           key // scratch
}

type family uint8

const (
	ipv4 family = iota // or not IP at all
	ipv6
)

func (f family) of(v4, v6 *sketch.Counter) *sketch.Counter {
	if f == ipv6 {
		return v6
	}
	return v4
}

type transport uint8

const (
	other transport = iota
	udp
	tcp
)

func (t transport) of(overUDP, overTCP, others *sketch.Counter) *sketch.Counter {
	switch t {
	case udp:
		return overUDP
	case tcp:
		return overTCP
	}
	return others
}

// end is one end of a flow.
type end struct {
	ip       netip.Addr
	ipHash   uint64
	portHash uint64 // 0 without a port
	addr     key    // or what stands for it
	port     key    // number or name; none for port 0
	both     key
	place    *geo.Location
	system   *geo.AS
}

// key is an entry of a list. It is reused: text without use is empty and none.
type key struct {
	text []byte
	hash uint64
	used bool
}

func (k *key) set(text []byte) { k.text, k.hash, k.used = text, hash64.Sum(text), true }

func (k *key) add(l *handler.TopNames, n uint64) {
	if k.used {
		l.Add(k.hash, k.text, n)
	}
}

// set sets what counters need. One of rate packets was looked at.
func (v *view) set(f *decode.Flow, rate uint32) {
	v.bytes, v.packets = scaled(f.Bytes, rate), scaled(f.Packets, rate)
	v.l3 = ipv4
	if f.Src.Is6() {
		v.l3 = ipv6
	}
	const protoTCP, protoUDP = 6, 17
	switch f.Proto {
	case protoUDP:
		v.l4 = udp
	case protoTCP:
		v.l4 = tcp
	default:
		v.l4 = other
	}
}

// scaled returns n times rate, or the highest number if that is beyond it.
func scaled(n uint64, rate uint32) uint64 {
	high, low := bits.Mul64(n, uint64(rate))
	if high != 0 {
		return math.MaxUint64
	}
	return low
}

// describe makes the keys that the enabled groups need.
func (v *view) describe(s *shard, f *decode.Flow) {
	v.src.set(s, v.l4, f.Src, f.SrcPort)
	v.dst.set(s, v.l4, f.Dst, f.DstPort)
	if s.groups.Has(groupConversations) {
		v.converse()
	}
	if s.groups.Has(groupTopToS) {
		v.dscp.set(appendDSCP(v.dscp.text[:0], f.ToS>>2))
		v.ecn.set(append(v.ecn.text[:0], ecnNames[f.ToS&3]...))
	}
}

// set makes the keys of an end.
func (e *end) set(s *shard, l4 transport, ip netip.Addr, port uint16) {
	e.ip, e.portHash = ip, 0
	e.addr.used, e.port.used, e.both.used, e.place, e.system = false, false, false, nil, nil
	if port != 0 {
		e.portHash = hash64.Uint64(uint64(port))
		e.port.set(s.appendPort(e.port.text[:0], port, l4))
	}
	if !ip.IsValid() {
		return
	}
	if ip.Is4() {
		e.ipHash = hash64.IPv4(ip.As4())
	} else {
		e.ipHash = hash64.IPv6(ip.As16())
	}
	e.addr.set(s.h.summary.appendText(e.addr.text[:0], ip, s.geo))
	if e.port.used {
		e.both.set(append(append(append(e.both.text[:0], e.addr.text...), ':'), e.port.text...))
	}
	if s.geo != nil && s.groups.Has(groupTopGeo) {
		e.place, e.system = s.geo.City(ip), s.geo.ASN(ip)
	}
}

// appendPort appends the name of a port, or its number if it has none or names are not shown.
func (s *shard) appendPort(dst []byte, port uint16, l4 transport) []byte {
	if services := s.h.cfg.Services; services != nil && s.groups.Has(groupTopPorts) {
		if name := services.Name(port, l4 == udp); name != "" {
			return append(dst, name...)
		}
	}
	return strconv.AppendUint(dst, uint64(port), 10)
}

// converse makes the key of the conversation: both ends, in an order that does not depend on the direction.
func (v *view) converse() {
	a, b := &v.src, &v.dst
	v.conversation.used = false
	if !a.both.used || !b.both.used || a.ip.IsUnspecified() || b.ip.IsUnspecified() {
		return
	}
	if bytes.Compare(a.both.text, b.both.text) > 0 {
		a, b = b, a
	}
	v.conversation.set(append(append(append(v.conversation.text[:0], a.both.text...), '/'), b.both.text...))
}

// cardinality counts the record's ends for an interface.
func (v *view) cardinality(m *Interface) {
	if v.src.ip.IsValid() {
		m.SrcIPs.Add(v.src.ipHash)
	}
	if v.dst.ip.IsValid() {
		m.DstIPs.Add(v.dst.ipHash)
	}
	if v.src.portHash != 0 {
		m.SrcPorts.Add(v.src.portHash)
	}
	if v.dst.portHash != 0 {
		m.DstPorts.Add(v.dst.portHash)
	}
	if v.conversation.used {
		m.Conversations.Add(v.conversation.hash)
	}
}

// interfaces counts the record for an interface in the lists of its device.
func (v *view) interfaces(s *shard, name string, bytes, packets *handler.TopNames) {
	v.port.set(append(v.port.text[:0], name...))
	if s.groups.Has(groupBytes) {
		v.port.add(bytes, v.bytes)
	}
	if s.groups.Has(groupPackets) {
		v.port.add(packets, v.packets)
	}
}

var ecnNames = [...]string{"Not-ECT", "ECT(1)", "ECT(0)", "CE"} // RFC 3168 section 5

// appendDSCP appends the name of a codepoint of differentiated services (RFC 4594; VOICE-ADMIT is 44 by RFC 5865, 43 in the
// reference).
func appendDSCP(dst []byte, code uint8) []byte {
	switch {
	case code&7 == 0:
		return strconv.AppendUint(append(dst, "CS"...), uint64(code>>3), 10)
	case code == 46:
		return append(dst, "EF"...)
	case code == 44:
		return append(dst, "VOICE-ADMIT"...)
	case code >= 10 && code <= 38 && code&1 == 0:
		return strconv.AppendUint(append(dst, "AF"...), uint64(code>>3*10+code>>1&3), 10)
	}
	return strconv.AppendUint(dst, uint64(code), 10)
}
