package network

import (
	"visor/decode"
	"visor/handler/metric"
)

// shaping counts the packets of one direction before they are added to a Shape. An increment in a
// few kilobytes takes a nanosecond.
type shaping struct {
	protocols [256]uint64
	ttls      [256]uint64
	flags     [256]uint64
	sizes     [shortBins]uint64 // of packets up to 2 KiB
	fragments uint64
	used      bool
}

const shortBins = 128 // of 16 bytes each

// count counts a packet.
func (s *shaping) count(to *Shape, p *decode.Packet) {
	if p.Layers.Has(decode.LayerDNSTap) {
		return // not a packet
	}
	s.used = true
	if bin := p.WireLen / metric.SizeBin; bin < shortBins {
		s.sizes[bin]++
	} else {
		to.PacketBytes.Add(int(min(p.WireLen, 1<<16)), 1)
	}
	l := p.Layers
	if !l.Has(decode.LayerIP) {
		return
	}
	s.protocols[p.Proto]++
	s.ttls[p.TTL]++
	if l.Has(decode.LayerUDP) && !l.Has(decode.LayerFragment) {
		return
	}
	s.rare(to, p)
}

// rare counts what a UDP packet lacks.
func (s *shaping) rare(to *Shape, p *decode.Packet) {
	l := p.Layers
	if l.Has(decode.LayerFragment) {
		s.fragments++
	}
	switch {
	case l.Has(decode.LayerTCP):
		s.flags[p.Flags]++
	case len(p.Payload) == 0:
	case l.Has(decode.LayerICMP):
		to.TopICMP.Add(ICMPType(p.Payload[0]), 1)
	case l.Has(decode.LayerICMPv6):
		to.TopICMP.Add(icmpv6+ICMPType(p.Payload[0]), 1)
	}
}

// countPorts counts the ports of a packet, which a later fragment lacks.
func (c *Shape) countPorts(p *decode.Packet) {
	if !p.Layers.Has(decode.LayerUDP | decode.LayerTCP | decode.LayerSCTP) {
		return
	}
	if port := metric.Port(p.Src.Port()); !c.TopSrcPorts.AddOne(port) {
		c.TopSrcPorts.Add(port, 1)
	}
	if port := metric.Port(p.Dst.Port()); !c.TopDstPorts.AddOne(port) {
		c.TopDstPorts.Add(port, 1)
	}
}

// deliver adds the counts to the metrics and sets them to 0.
func (s *shaping) deliver(to *Shape) {
	for i := range 256 {
		if n := s.protocols[i]; n > 0 {
			to.TopProtocols.Add(Protocol(i), n)
		}
		if n := s.ttls[i]; n > 0 {
			to.TopTTL.Add(TTL(i), n)
		}
		if n := s.flags[i]; n > 0 {
			to.addFlags(uint8(i), n)
		}
	}
	for bin, n := range s.sizes {
		if n > 0 {
			to.PacketBytes.Add(bin*metric.SizeBin, n)
		}
	}
	to.Fragments.Add(s.fragments)
	*s = shaping{}
}

// addFlags adds n TCP packets with the same flags.
func (c *Shape) addFlags(flags uint8, n uint64) {
	switch {
	case flags&decode.FlagSYN == 0:
	case flags&decode.FlagACK == 0:
		c.Opening.Add(n)
	default:
		c.Opened.Add(n)
	}
	if flags&decode.FlagFIN != 0 {
		c.FIN.Add(n)
	}
	if flags&decode.FlagRST != 0 {
		c.RST.Add(n)
	}
}
