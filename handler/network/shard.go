package network

import (
	"visor/decode"
	"visor/handler"
)

// NewShard returns the part of h for one worker.
func (h *Handler) NewShard() handler.Shard { return &shard{front: h.newFront()} }

type shard struct{ front[Metrics] }

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
	if p.Dir == decode.Unknown {
		return
	}
	// a selection instead of branches, because directions come in random order
	remote, card := &p.Src, &m.SrcIPsIn
	if p.Dir == decode.FromHost {
		remote, card = &p.Dst, &m.DstIPsOut
	}
	s.remote(remote.Addr(), card, &m.Counts)
}

// tapped counts the addresses of a dnstap message. As in pktvisor, both count: the client's as a
// source, and the server's as a destination.
func (s *shard) tapped(p *decode.Packet) {
	m := s.Live
	if p.Src.IsValid() {
		s.remote(p.Src.Addr(), &m.SrcIPsIn, &m.Counts)
	}
	if p.Dst.IsValid() {
		s.remote(p.Dst.Addr(), &m.DstIPsOut, &m.Counts)
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
