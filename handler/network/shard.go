package network

import (
	"net/netip"

	"visor/decode"
	"visor/handler"
)

// NewShard returns the part of h for one worker.
func (h *Handler) NewShard() handler.Shard {
	s := &shard{front: h.newFront(packetShapes)}
	if s.remotes != nil {
		s.remotes.leave = s.left
	}
	s.Deliver = s.deliver
	return s
}

type shard struct {
	front[Metrics]
	sizes sizes
	shape shaping
}

// deliver adds all counts to the metrics.
func (s *shard) deliver() {
	s.remotes.deliver()
	s.sizes.deliver(&s.Live.PayloadSize)
	if s.shape.used {
		s.shape.deliver(&s.Live.Shape)
	}
}

// left adds the packets of an address to the metrics.
func (s *shard) left(r *remote, hash uint64) {
	in, source := r.of(decode.ToHost)
	out, _ := r.of(decode.FromHost)
	if s.groups.Has(groupCardinality) {
		if in > 0 {
			s.Live.SrcIPsIn.Add(hash)
		}
		if out > 0 {
			s.Live.DstIPsOut.Add(hash)
		}
	}
	if in+out > 0 {
		s.addPackets(r, hash, &s.Live.Counts, in+out)
	}
	unknown, _ := r.of(decode.Unknown)
	s.addShape(r, hash, &s.Live.Shape, in+out+unknown, source || unknown > 0)
}

// Process counts the batch's packets.
func (s *shard) Process(b *handler.Batch) {
	for i := range b.Packets {
		p := &b.Packets[i]
		if !s.Events.In(p.TimeNS) {
			s.flush()
			s.Events.Begin(p.TimeNS)
		}
		s.packet(p)
	}
	s.flush()
	if s.Forward != nil {
		s.forwardMessages(b)
	}
}

func (s *shard) packet(p *decode.Packet) {
	s.Events.Offered++
	if !s.admit(p) {
		return
	}
	s.sum.count(p)
	s.sizes.count(len(p.Frame), &s.Live.PayloadSize)
	if s.shapes.shape {
		s.shape.count(&s.Live.Shape, p)
	}
	if s.Sampler.Deep() {
		s.Events.Deep++
		s.countDeep(p)
	}
}

// countDeep updates the metrics of sampled packets.
func (s *shard) countDeep(p *decode.Packet) {
	m := s.Live
	if isSYN(p) {
		m.SYN.Add(1)
	}
	if !p.Layers.Has(decode.LayerIP) {
		return
	}
	if p.Layers.Has(decode.LayerDNSTap) {
		s.tapped(p)
		return
	}
	if s.shapes.ports {
		m.countPorts(p)
	}
	switch p.Dir {
	case decode.ToHost:
		s.source(p.Src.Addr())
	case decode.FromHost:
		s.destination(p.Dst.Addr())
	default:
		if s.shapes.addresses() {
			s.remotes.note(p.Src.Addr(), roleOf(decode.Unknown, true))
		}
	}
}

// source counts a packet of a source outside the local networks.
func (s *shard) source(addr netip.Addr) {
	if s.remotes == nil {
		s.addDirect(addr, &s.Live.SrcIPsIn, &s.Live.Counts)
		return
	}
	s.remotes.note(addr, roleOf(decode.ToHost, true))
}

// destination counts a packet to a destination outside the local networks.
func (s *shard) destination(addr netip.Addr) {
	if s.remotes == nil {
		s.addDirect(addr, &s.Live.DstIPsOut, &s.Live.Counts)
		return
	}
	s.remotes.note(addr, roleOf(decode.FromHost, false))
}

// tapped counts the addresses of a dnstap message. As in pktvisor, both count: the client's as a
// source, and the server's as a destination.
func (s *shard) tapped(p *decode.Packet) {
	if p.Src.IsValid() {
		s.source(p.Src.Addr())
	}
	if p.Dst.IsValid() {
		s.destination(p.Dst.Addr())
	}
}

// flush adds the counts of a second to the metrics and the account.
func (s *shard) flush() {
	m, t := s.Live, &s.sum
	if s.Events.Offered == 0 {
		return
	}
	sec := s.Events.Unix()
	s.Flush()
	for dir := range t.dirs {
		for k, n := range t.dirs[dir].kinds {
			m.addKind(uint8(k), n)
		}
		m.RateBytes.Add(sec, t.dirs[dir].bytes)
	}
	in, out := &t.dirs[decode.ToHost], &t.dirs[decode.FromHost]
	m.In.Add(in.packets)
	m.Out.Add(out.packets)
	m.Unknown.Add(t.dirs[decode.Unknown].packets)
	if in.packets > 0 {
		m.RateIn.Add(sec, in.packets)
		m.RateBytesIn.Add(sec, in.bytes)
	}
	if out.packets > 0 {
		m.RateOut.Add(sec, out.packets)
		m.RateBytesOut.Add(sec, out.bytes)
	}
	*t = tally{}
}
