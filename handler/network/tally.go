package network

import (
	"visor/decode"
	"visor/handler"
)

// tally counts packets of one second within a batch, in few cache lines and without branches where directions and
// protocols come in no order. The metrics get the sums.
type tally struct {
	second   handler.Second
	events   uint64
	filtered uint64
	deep     uint64
	packets  [3]uint64          // by direction
	bytes    [3]uint64          // likewise
	kinds    [layerKinds]uint64 // by network and transport layer
}

// The layers that packets are counted by are bits of an index.
const (
	layerKinds = 1 << 4
	kindIPv4   = 1
	kindIPv6   = 2
	kindUDP    = 4
	kindTCP    = 8
)

// count updates what is exact at every sampling rate.
func (t *tally) count(p *decode.Packet) {
	dir := p.Dir % 3
	t.packets[dir]++
	t.bytes[dir] += uint64(len(p.Frame))
	t.kinds[kind(p)]++
}

// kind returns the index of p's layers.
func kind(p *decode.Packet) (k uint8) {
	l := p.Layers
	if l.Has(decode.LayerIPv4) {
		k |= kindIPv4
	}
	if l.Has(decode.LayerIPv6) {
		k |= kindIPv6
	}
	if p.Inner != nil || l.Has(decode.LayerFragment) {
		l = transport(p)
	}
	if l.Has(decode.LayerUDP) {
		k |= kindUDP
	}
	if l.Has(decode.LayerTCP) {
		k |= kindTCP
	}
	return k
}

// transport returns the layers that say what p transports. It looks through IP in IP, and a datagram in fragments
// counts once: in the fragment that completes it, as the DNS message in it does, or in the first fragment if that is
// cut by the snaplen, for then none will.
func transport(p *decode.Packet) decode.LayerSet {
	for p.Inner != nil && (p.Layers.Has(decode.LayerFragment) || p.IPInIP()) {
		p = p.Inner
	}
	if p.Layers.Has(decode.LayerFragment) && p.Cut == 0 {
		return 0
	}
	return p.Layers
}

// flush adds the tally to the metrics and the account.
func (s *shard) flush() {
	m, t := s.Live, &s.sum
	if t.events == 0 {
		return
	}
	passed := t.events - t.filtered
	s.Tally.Offered += t.events
	s.Tally.Filtered += t.filtered
	s.Tally.Analysed += t.deep
	s.Tally.NotSampled += passed - t.deep
	m.DeepSamples.Add(t.deep)
	m.Filtered.Add(t.filtered)
	m.Events.Add(t.events)
	m.Total.Add(passed)
	for k, n := range t.kinds {
		addKind(m, uint8(k), n)
	}
	in, out := decode.ToHost, decode.FromHost
	m.In.Add(t.packets[in])
	m.Out.Add(t.packets[out])
	m.Unknown.Add(t.packets[decode.Unknown])
	sec := t.second.Unix()
	m.RateEvents.Add(sec, t.events)
	if passed > 0 {
		m.RateTotal.Add(sec, passed)
	}
	m.RateBytes.Add(sec, t.bytes[in]+t.bytes[out]+t.bytes[decode.Unknown])
	if n := t.packets[in]; n > 0 {
		m.RateIn.Add(sec, n)
		m.RateBytesIn.Add(sec, t.bytes[in])
	}
	if n := t.packets[out]; n > 0 {
		m.RateOut.Add(sec, n)
		m.RateBytesOut.Add(sec, t.bytes[out])
	}
	*t = tally{}
}

// addKind adds n packets of kind k.
func addKind(m *Metrics, k uint8, n uint64) {
	switch {
	case k&kindIPv4 != 0:
		m.IPv4.Add(n)
	case k&kindIPv6 != 0:
		m.IPv6.Add(n)
	}
	switch {
	case k&kindUDP != 0:
		m.UDP.Add(n)
	case k&kindTCP != 0:
		m.TCP.Add(n)
	default:
		m.OtherL4.Add(n)
	}
}
