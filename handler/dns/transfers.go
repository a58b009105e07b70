package dns

import (
	"visor/decode/dnsmsg"
	"visor/handler"
	"visor/handler/metric"
)

// transfers are the latest copies of zones. The first message of a copy has the zone in its
// question; later ones may have no question (RFC 5936 section 2.2).
type transfers struct {
	latest [16]transfer
	next   int
}

type transfer struct {
	flow uint64
	id   uint16
	text []byte // the client and the zone; empty if there is none
}

const typeIXFR, typeAXFR dnsmsg.Type = 251, 252

// copies reports whether a reply has a part of a zone. The reply to IXFR of a client whose zone is
// up to date has one record.
func copies(m *handler.Message) bool {
	if m.Msg == nil || m.Msg.RCode() != dnsmsg.RCodeNoError || m.Msg.ANCount() == 0 {
		return false
	}
	return !m.Named || m.Type == typeAXFR || m.Type == typeIXFR && m.Msg.ANCount() > 1
}

// find returns the copy that a reply belongs to, or nil.
func (t *transfers) find(m *handler.Message) *transfer {
	for i := range t.latest {
		if x := &t.latest[i]; x.flow == m.Flow && x.id == m.Msg.ID() && len(x.text) > 0 {
			return x
		}
	}
	return nil
}

// countTransfer counts a reply over TCP if it has a part of a zone.
func (s *front[M]) countTransfer(m *handler.Message, to *metric.TopNames) {
	if s.clients == nil || !copies(m) {
		return
	}
	x := s.transfers.find(m)
	if x == nil && m.Named {
		x = s.beginTransfer(m)
	}
	if x != nil {
		to.Add(s.Hash.Sum(x.text), x.text, uint64(len(m.Msg)))
	}
}

// beginTransfer keeps the client and the zone of a copy, in place of an earlier one.
func (s *front[M]) beginTransfer(m *handler.Message) *transfer {
	x := &s.transfers.latest[s.transfers.next%len(s.transfers.latest)]
	s.transfers.next++
	x.flow, x.id = m.Flow, m.Msg.ID()
	addr, _ := m.Ends()
	client := s.mask.address(addressOf(addr))
	zone, _ := s.mask.nameOf(m)
	x.text = zone.AppendText(append(client.addr().AppendTo(x.text[:0]), ' '))
	return x
}
