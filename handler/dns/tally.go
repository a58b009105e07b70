package dns

import (
	"visor/decode"
	"visor/decode/dnsmsg"
	"visor/handler"
)

// tally counts messages of one second within a batch, in few cache lines. It avoids branches where
// protocols and codes come in random order. The sums are added to the metrics.
type tally struct {
	kinds  [messageKinds]uint64
	rcodes [16]uint64 // of replies
	noData uint64
}

// The bits of a counter's index.
const (
	messageKinds = 1 << 5
	kindTCP      = 1
	kindIPv4     = 2
	kindIPv6     = 4
	kindReply    = 8
	kindOther    = 16 // neither UDP nor TCP
)

// count updates the metrics that are exact at every sampling rate.
func (t *tally) count(m *handler.Message, reply bool) {
	k, l := 0, m.Packet.Layers
	if m.TCP {
		k |= kindTCP
	}
	if l.Has(decode.LayerIPv4) {
		k |= kindIPv4
	}
	if l.Has(decode.LayerIPv6) {
		k |= kindIPv6
	}
	if m.DNSTapType != 0 && !l.Has(decode.LayerUDP|decode.LayerTCP) {
		k |= kindOther
	}
	if !reply {
		t.kinds[k]++
		return
	}
	t.kinds[k|kindReply]++
	if m.Msg == nil {
		return
	}
	code := m.Msg.RCode() & 15
	t.rcodes[code]++
	if code == dnsmsg.RCodeNoError && m.Msg.ANCount() == 0 {
		t.noData++
	}
}

// flush adds the counts of a second to the metrics and the account.
func (s *shard) flush() {
	b, t := s.Live, &s.sum
	if s.Events.Offered == 0 {
		return
	}
	s.Flush()
	for k, n := range t.kinds {
		addKind(b, k, n)
	}
	for code, n := range t.rcodes {
		b.addResult(dnsmsg.RCode(code), n)
	}
	b.NoData.Add(t.noData)
	*t = tally{}
}

// addKind adds n messages of kind k.
func addKind(b *Metrics, k int, n uint64) {
	switch {
	case k&kindTCP != 0:
		b.TCP.Add(n)
	case k&kindOther == 0:
		b.UDP.Add(n)
	}
	switch {
	case k&kindIPv4 != 0:
		b.IPv4.Add(n)
	case k&kindIPv6 != 0:
		b.IPv6.Add(n)
	}
	if k&kindReply != 0 {
		b.Replies.Add(n)
	} else {
		b.Queries.Add(n)
	}
}
