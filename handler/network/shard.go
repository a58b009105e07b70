package network

import (
	"visor/decode"
	"visor/handler"
	"visor/sketch"
)

// NewShard returns the part of h for one worker.
func (h *Handler) NewShard() handler.Shard {
	s := &shard{front: h.newFront(packetShapes)}
	s.remotes.leave = s.left
	s.Deliver = s.deliver
	return s
}

type shard struct {
	front[Metrics]
	shape shaping
}

// deliver adds all counts to the metrics.
func (s *shard) deliver() {
	s.remotes.deliver()
	if s.shape.used {
		s.shape.deliver(&s.Live.Shape)
	}
}

// left adds the packets of an address to the metrics.
func (s *shard) left(r *remote) {
	var card *sketch.Cardinality
	switch r.role.direction() {
	case decode.ToHost:
		card = &s.Live.SrcIPsIn
	case decode.FromHost:
		card = &s.Live.DstIPsOut
	}
	s.add(r, card, &s.Live.Counts, &s.Live.Shape)
}

// Process counts the batch's packets.
func (s *shard) Process(b *handler.Batch) {
	s.StartForward()
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
	if !s.admit(p) {
		return
	}
	s.Live.PayloadSize.Add(float64(len(p.Frame)))
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
		s.remotes.note(p.Src.Addr(), role(decode.ToHost)|roleSource, s.Hash)
	case decode.FromHost:
		s.remotes.note(p.Dst.Addr(), role(decode.FromHost), s.Hash)
	default:
		if s.shapes.addresses() {
			s.remotes.note(p.Src.Addr(), role(decode.Unknown)|roleSource, s.Hash)
		}
	}
}

// tapped counts the addresses of a dnstap message. As in pktvisor, both count: the client's as a
// source, and the server's as a destination.
func (s *shard) tapped(p *decode.Packet) {
	if p.Src.IsValid() {
		s.remotes.note(p.Src.Addr(), role(decode.ToHost)|roleSource, s.Hash)
	}
	if p.Dst.IsValid() {
		s.remotes.note(p.Dst.Addr(), role(decode.FromHost), s.Hash)
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
