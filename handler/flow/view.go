package flow

import (
	"math"
	"math/bits"
	"net/netip"
	"strconv"

	"visor/decode"
	"visor/geo"
	"visor/sketch"
	"visor/sketch/hash64"
)

// view is a record prepared for counting. The keys of lists are built and hashed once for all
// interfaces and directions.
type view struct {
	weight       sketch.Pair // bytes and packets, after scaling
	l3           family
	l4           transport
	src, dst     end
	conversation key
	talk         uint64 // hash of the conversation for distinct counts
	dscp, ecn    key
	system       key // scratch
}

type family uint8

const (
	ipv4 family = iota // or the protocol is not IP
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
	plain    bool   // address and port are shown as they are
	addr     key    // or the text shown instead; none if the flow is not IP
	port     key    // number or name; none for port 0
	both     key
	place    *geo.Location
	system   *geo.AS
	name     []byte // scratch
}

// set sets the fields for counters. The record was sampled at 1 in rate packets.
func (v *view) set(f *decode.Flow, rate uint32) {
	v.weight = sketch.Pair{scaled(f.Bytes, rate), scaled(f.Packets, rate)}
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

// scaled returns n times rate, saturated at the highest number.
func scaled(n uint64, rate uint32) uint64 {
	high, low := bits.Mul64(n, uint64(rate))
	if high != 0 {
		return math.MaxUint64
	}
	return low
}

// describe builds the keys that the enabled groups need.
func (v *view) describe(s *shard, f *decode.Flow) {
	v.src.set(s, v.l4, f.Src, f.SrcPort)
	v.dst.set(s, v.l4, f.Dst, f.DstPort)
	v.conversation.Clear()
	if s.groups.Has(groupConversations) {
		v.converse(s.Hash)
		if v.talk = v.conversation.Hash(); s.Shown != nil {
			a, b := v.src.whole(s.Hash), v.dst.whole(s.Hash)
			v.talk = s.Hash.Pair(min(a, b), max(a, b))
		}
	}
	if s.groups.Has(groupTopToS) {
		v.dscp.text = appendDSCP(append(v.dscp.text[:0], formText), f.ToS>>2)
		v.dscp.setForm(s.Hash.Sum(v.dscp.text[1:]))
		v.ecn.setText(s.Hash, []byte(ecnNames[f.ToS&3]))
	}
}

// set builds the keys of an end.
func (e *end) set(s *shard, l4 transport, ip netip.Addr, port uint16) {
	e.ip, e.portHash, e.plain, e.place, e.system = ip, 0, true, nil, nil
	e.addr.Clear()
	e.port.Clear()
	e.both.Clear()
	if port != 0 {
		e.setPort(s, l4, port)
	}
	if !ip.IsValid() {
		return
	}
	e.setAddr(s)
	if e.port.IsSet() && s.groups&(groupTopIPPorts|groupConversations) != 0 {
		e.both.setBoth(s.Hash, &e.addr, &e.port)
	}
	if s.geo != nil && s.groups.Has(groupTopGeo) {
		e.place, e.system = s.geo.City(ip), s.geo.ASN(ip)
	}
}

func (e *end) setPort(s *shard, l4 transport, port uint16) {
	e.portHash = s.Hash.Uint64(uint64(port))
	if services := s.h.cfg.Services; services != nil && s.groups.Has(groupTopPorts) {
		if name := services.Name(port, l4 == udp); name != "" {
			e.name, e.plain = append(e.name[:0], name...), false
			e.port.setText(s.Hash, e.name)
			return
		}
	}
	e.port.setPort(e.portHash, port)
}

func (e *end) setAddr(s *shard) {
	e.ipHash = s.Hash.Addr(e.ip)
	if s.h.summary.none && s.Shown == nil {
		e.addr.setAddr(e.ipHash, e.ip)
		return
	}
	shown := s.Shown.Addr(e.ip)
	if text, ok := s.h.summary.appendText(e.name[:0], e.ip, shown, s.geo); ok {
		e.name, e.plain = text, false
		e.addr.setText(s.Hash, text)
		return
	}
	e.plain = e.plain && s.Shown == nil
	e.addr.setAddr(s.Hash.Addr(shown), shown)
}

// whole returns a hash of the address and the port, whole even if lists show another address. An
// address with a text counts as that text.
func (e *end) whole(h *hash64.Hasher) uint64 {
	if e.addr.isText() {
		return h.Pair(e.addr.Hash(), e.portHash)
	}
	return h.Pair(e.ipHash, e.portHash)
}

// converse builds the key of the conversation: both ends, in an order independent of the direction.
func (v *view) converse(h *hash64.Hasher) {
	a, b := &v.src, &v.dst
	if a.both.IsSet() && b.both.IsSet() && !a.ip.IsUnspecified() && !b.ip.IsUnspecified() {
		v.conversation.setPair(h, &a.both, &b.both)
	}
}

// distinct counts the record's ends for an interface, except ends already counted.
func (v *view) distinct(m *Interface, old seen) {
	if v.src.ip.IsValid() && !old.src {
		m.SrcIPs.Add(v.src.ipHash)
	}
	if v.dst.ip.IsValid() && !old.dst {
		m.DstIPs.Add(v.dst.ipHash)
	}
	if v.src.portHash != 0 && !old.srcPort {
		m.SrcPorts.Add(v.src.portHash)
	}
	if v.dst.portHash != 0 && !old.dstPort {
		m.DstPorts.Add(v.dst.portHash)
	}
	if v.conversation.IsSet() {
		m.Conversations.Add(v.talk)
	}
}

var ecnNames = [...]string{"Not-ECT", "ECT(1)", "ECT(0)", "CE"} // RFC 3168 section 5

// appendDSCP appends the name of a codepoint of differentiated services (RFC 4594; VOICE-ADMIT is
// 44 by RFC 5865, 43 in pktvisor).
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
