package network

import (
	"visor/decode"
)

// tally counts packets of one second within a batch, in few cache lines. It avoids branches where
// directions and protocols come in random order. The sums are added to the metrics.
type tally struct {
	dirs [3]volume // packets that passed, by direction
}

// volume counts the packets of one direction.
type volume struct {
	packets uint64
	bytes   uint64
	kinds   [layerKinds]uint64 // packets by network and transport layer
}

// The bits of an index of packet layers.
const (
	layerKinds = 1 << 4
	kindIPv4   = 1
	kindIPv6   = 2
	kindUDP    = 4
	kindTCP    = 8
)

// count updates the metrics that are exact at every sampling rate.
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

// transported returns the packet whose headers describe the transport of p, or nil. It looks
// through IP in IP. A fragmented datagram counts once, in the fragment that completes it, like its
// DNS message. If the snaplen cuts the first fragment, the datagram counts there, because it is
// never completed.
func transported(p *decode.Packet) *decode.Packet {
	for p.Inner != nil && (p.Layers.Has(decode.LayerFragment) || p.IPInIP()) {
		p = p.Inner
	}
	if p.Layers.Has(decode.LayerFragment) && p.Cut == 0 {
		return nil
	}
	return p
}

// isSYN reports whether p transports a TCP segment with the SYN flag. A fragmented segment counts
// once. Unlike visor, pktvisor reads the first fragment only, which may end before the flags.
func isSYN(p *decode.Packet) bool {
	if p.Inner != nil || p.Layers.Has(decode.LayerFragment) {
		if p = transported(p); p == nil {
			return false
		}
	}
	return p.Layers.Has(decode.LayerTCP) && p.Flags&decode.FlagSYN != 0
}

// addKind adds n packets of kind k.
func (c *Counts) addKind(k uint8, n uint64) {
	switch {
	case k&kindIPv4 != 0:
		c.IPv4.Add(n)
	case k&kindIPv6 != 0:
		c.IPv6.Add(n)
	}
	switch {
	case k&kindUDP != 0:
		c.UDP.Add(n)
	case k&kindTCP != 0:
		c.TCP.Add(n)
	default:
		c.OtherL4.Add(n)
	}
}
