package handler

import (
	"encoding/binary"
	"slices"

	"visor/decode"
	"visor/decode/netflow"
	"visor/decode/sflow"
)

// exportReader decodes the UDP datagrams of flow exporters.
type exportReader struct {
	netflow *netflow.Decoder
	sflow   *sflow.Decoder
	headers *decode.Decoder       // decodes sampled packets
	exports []decode.FlowDatagram // exports of the batch; spare elements remain from larger batches
	unread  unread
}

func newExportReader(fallback decode.LinkFallback) *exportReader {
	return &exportReader{
		netflow: netflow.New(netflow.Config{}),
		sflow:   sflow.New(),
		headers: decode.NewDecoder(decode.Config{Fallback: fallback, MaxDatagrams: 1, MaxFragBytes: 1}),
	}
}

// read sets b.Exports from b.Packets.
func (r *exportReader) read(b *Batch) {
	n := 0
	for i := range b.Packets {
		p := b.Packets[i].Innermost()
		if !p.Layers.Has(decode.LayerUDP) || p.Layers.Has(decode.LayerFragment|decode.LayerDNSTap) || len(p.Payload) == 0 {
			continue
		}
		if n == len(r.exports) {
			r.exports = slices.Grow(r.exports, 1)[:n+1]
		}
		r.datagram(p, &r.exports[n])
		n++
	}
	b.Flows = r.exports[:n]
}

// datagram decodes one datagram. If it begins with two zero bytes, its version has 32 bits, as in
// sFlow.
func (r *exportReader) datagram(p *decode.Packet, e *decode.FlowDatagram) {
	session := decode.FlowSession{From: p.Src, To: p.Dst}
	if len(p.Payload) < 2 || binary.BigEndian.Uint16(p.Payload) != 0 {
		r.netflow.Decode(p.TimeNS, session, p.Payload, e)
	} else {
		r.sflow.Decode(p.TimeNS, session, p.Payload, e)
	}
	r.unread.note(e)
	for i := range e.Flows {
		if f := &e.Flows[i]; f.Header != nil {
			r.headers.AddHeader(f)
		}
	}
}
