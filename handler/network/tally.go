package network

import (
	"visor/decode"
	"visor/handler"
	"visor/sketch"
)

// tally counts packets of one second within a batch, in few cache lines and without branches where
// directions and protocols come in no order. The metrics get the sums.
type tally struct {
	second       handler.Second
	events       uint64
	filtered     uint64
	filteredDeep uint64 // filtered while the latest decision was to sample
	deep         uint64
	dirs         [3]volume // of what passed, by direction
}

// volume counts the packets of one direction.
type volume struct {
	packets uint64
	bytes   uint64
	kinds   [layerKinds]uint64 // packets by network and transport layer
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
	v := &t.dirs[p.Dir%3]
	v.packets++
	v.bytes += uint64(len(p.Frame))
	v.kinds[kind(p)]++
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
		l = 0
		if p = transported(p); p != nil {
			l = p.Layers
		}
	}
	if l.Has(decode.LayerUDP) {
		k |= kindUDP
	}
	if l.Has(decode.LayerTCP) {
		k |= kindTCP
	}
	return k
}

// transported returns the packet whose headers say what p transports, or nil. It looks through IP
// in IP, and a datagram in fragments counts once: in the fragment that completes it, as the DNS
// message in it does, or in the first fragment if that is cut by the snaplen, for then no fragment
// completes it.
func transported(p *decode.Packet) *decode.Packet {
	for p.Inner != nil && (p.Layers.Has(decode.LayerFragment) || p.IPInIP()) {
		p = p.Inner
	}
	if p.Layers.Has(decode.LayerFragment) && p.Cut == 0 {
		return nil
	}
	return p
}

// isSYN reports whether p transports a TCP segment with the SYN flag. It counts where the segment
// counts: pktvisor looks at the first fragment alone, which may end before the flags do.
func isSYN(p *decode.Packet) bool {
	if p.Inner != nil || p.Layers.Has(decode.LayerFragment) {
		if p = transported(p); p == nil {
			return false
		}
	}
	return p.Layers.Has(decode.LayerTCP) && p.Flags&decode.FlagSYN != 0
}

// layers are the counters of packets by their layers.
type layers struct{ ipv4, ipv6, udp, tcp, other *sketch.Counter }

// addKind adds n packets of kind k.
func addKind(k uint8, n uint64, to layers) {
	switch {
	case k&kindIPv4 != 0:
		to.ipv4.Add(n)
	case k&kindIPv6 != 0:
		to.ipv6.Add(n)
	}
	switch {
	case k&kindUDP != 0:
		to.udp.Add(n)
	case k&kindTCP != 0:
		to.tcp.Add(n)
	default:
		to.other.Add(n)
	}
}
