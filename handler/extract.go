package handler

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"
	"time"

	"visor/decode"
	"visor/decode/bgpmsg"
	"visor/decode/dnsmsg"
	"visor/decode/dnstapmsg"
	"visor/decode/tcpstream"
	"visor/internal/hash64"
)

// extractor finds the DNS and BGP messages in a batch of packets.
type extractor struct {
	streams *tcpstream.Assembler[side]
	names   []byte          // the names of the batch's messages
	bytes   []byte          // the batch's messages that came through TCP
	carried []decode.Packet // and packets to describe these
}

// side is one direction of a TCP connection: what its messages need to be told.
type side struct {
	framer dnsmsg.Framer
	bgp    bgpmsg.Framer // of a connection that is one of BGP
	isBGP  bool
	packet decode.Packet // addresses and direction, as of its first segment; no slices
	frame  decode.Packet // the outermost packet likewise
}

// streamIdle is how long a TCP connection may be silent, in packet time, before it is given up. The reference
// waits as long.
const streamIdle = 30 * time.Second

func newExtractor(maxConns int) *extractor {
	e := &extractor{names: make([]byte, 0, 16<<10)}
	e.streams = tcpstream.New(tcpstream.Config[side]{
		Idle:     streamIdle,
		MaxConns: maxConns,
		Release: func(s *side) {
			s.framer.Reset()
			s.bgp.Reset()
		},
	})
	return e
}

// extract sets b.DNS and b.BGP from b.Packets.
func (e *extractor) extract(b *Batch) {
	e.start(b)
	for i := range b.Packets {
		frame := &b.Packets[i]
		p := frame.Innermost()
		switch {
		case p.Layers.Has(decode.LayerDNSTap):
			e.addTapped(b, p, &b.taps[i])
		case p.Layers.Has(decode.LayerFragment): // to be seen once, when the datagram is whole
		case p.Layers.Has(decode.LayerUDP):
			if client, ok := clientPort(p); ok {
				e.add(b, frame, p, p.Payload, client)
			}
		case p.Layers.Has(decode.LayerTCP):
			if _, ok := clientPort(p); ok || isBGP(p) {
				e.segment(b, frame, p)
			}
		}
	}
}

// flush sets b.DNS and b.BGP to what the streams still hold, and ends all connections.
func (e *extractor) flush(b *Batch) {
	e.start(b)
	e.streams.Flush()
	e.drain(b, nil, nil)
}

func (e *extractor) start(b *Batch) {
	b.DNS, b.BGP, e.names, e.bytes, e.carried = b.DNS[:0], b.BGP[:0], e.names[:0], e.bytes[:0], e.carried[:0]
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
	if len(b.DNS) == cap(b.DNS) {
		b.DNS = slices.Grow(b.DNS, 1)
	}
	b.DNS = b.DNS[:len(b.DNS)+1]
	m := &b.DNS[len(b.DNS)-1]
	msg, err := dnsmsg.Parse(payload)
	if err != nil {
		*m = Message{TimeNS: p.TimeNS, Frame: frame, Packet: p, Client: client, Broken: true}
		return m
	}
	start := len(e.names)
	names, q, err := msg.AppendCanonical(e.names)
	if err != nil {
		*m = Message{TimeNS: p.TimeNS, Frame: frame, Packet: p, Client: client, Msg: msg, Flow: flowHash(p)}
		return m
	}
	e.names = names
	name := dnsmsg.NameFromWire(names[start:])
	m.Frame, m.Packet, m.Msg, m.Name = frame, p, msg, name
	m.TimeNS, m.Flow, m.Hash, m.Client = p.TimeNS, flowHash(p), name.Hash(), client
	m.Question, m.TCP, m.Named, m.Broken, m.Tap, m.DNSTap = q, false, true, false, 0, nil
	return m
}

// addTapped appends the message in a dnstap frame. Its port is the client's, 0 if the frame lacks it.
func (e *extractor) addTapped(b *Batch, p *decode.Packet, tap *dnstapmsg.Message) {
	m := e.add(b, p, p, p.Payload, p.Src.Port())
	m.TCP, m.Tap, m.DNSTap, m.Flow = p.Layers.Has(decode.LayerTCP), tap.Type, tap, flowHash(p)
	m.Broken = m.Broken && p.Payload != nil // it may do without the message
}

// segment feeds a TCP segment to its stream and adds the messages that it completes.
func (e *extractor) segment(b *Batch, frame, p *decode.Packet) {
	e.streams.Feed(tcpstream.Segment{
		Key:     flowHash(p),
		Dir:     direction(p),
		Seq:     p.Seq,
		Ack:     p.Ack,
		Flags:   p.Flags,
		Payload: p.Payload,
		WireLen: len(p.Payload) + int(p.Cut),
		TimeNS:  p.TimeNS,
	})
	e.drain(b, frame, p)
}

// drain adds the messages in what the streams deliver; frame and p are the segment that was fed, if one was.
func (e *extractor) drain(b *Batch, frame, p *decode.Packet) {
	for e.streams.Next() {
		ev := e.streams.Event()
		s := ev.State
		switch ev.Kind {
		case tcpstream.Open: // comes with the segment that opens the side
			s.know(frame, p)
			_, isDNS := clientPort(p)
			if s.isBGP = !isDNS; s.isBGP && !ev.Start {
				s.bgp.Gap() // in the middle of a message, perhaps
			}
		case tcpstream.Gap:
			s.framer.Gap(ev.Lost)
			s.bgp.Gap()
		case tcpstream.Data:
			e.data(b, s, ev.Data, arrival(ev, p))
		}
	}
}

// data adds the messages that data completes.
func (e *extractor) data(b *Batch, s *side, data []byte, now int64) {
	if !s.isBGP {
		s.framer.Feed(data)
		for s.framer.Next() {
			e.addStreamed(b, s, now)
		}
		return
	}
	s.bgp.Feed(data)
	for s.bgp.Next() {
		at := len(e.bytes)
		e.bytes = append(e.bytes, s.bgp.Message()...)
		b.BGP = append(b.BGP, BGPMessage{now, e.carry(s, now), e.bytes[at:len(e.bytes):len(e.bytes)]})
	}
	for range s.bgp.TakeMalformed() {
		b.BGP = append(b.BGP, BGPMessage{TimeNS: now, Frame: e.carry(s, now)})
	}
}

// carry returns what describes a message of a side: its outermost packet. The innermost one is behind it in e.carried.
func (e *extractor) carry(s *side, now int64) *decode.Packet {
	start := len(e.carried)
	e.carried = append(e.carried, s.frame, s.packet)
	e.carried[start].TimeNS, e.carried[start+1].TimeNS = now, now
	return &e.carried[start]
}

// isBGP knows BGP (RFC 4271).
func isBGP(p *decode.Packet) bool {
	const port = 179
	return p.Src.Port() == port || p.Dst.Port() == port
}

// arrival returns when the data of ev reached its receiver. Data that had to wait for a late segment did so with that
// segment, p, and not when it was captured.
func arrival(ev *tcpstream.Event[side], p *decode.Packet) int64 {
	if p != nil && ev.Key == flowHash(p) && ev.Dir == direction(p) {
		return p.TimeNS
	}
	return ev.TimeNS
}

// know notes the addresses of the side that sent p.
func (s *side) know(frame, p *decode.Packet) {
	s.frame, s.packet = *frame, *p
	for _, q := range []*decode.Packet{&s.frame, &s.packet} {
		q.Frame, q.Payload, q.Inner = nil, nil, nil
	}
}

// addStreamed adds the current message of a side, with packets of its own to describe it.
func (e *extractor) addStreamed(b *Batch, s *side, now int64) {
	frame := e.carry(s, now)
	packet := &e.carried[len(e.carried)-1]
	at := len(e.bytes)
	e.bytes = append(e.bytes, s.framer.Message()...) // the framer may reuse its memory within the batch
	client, _ := clientPort(packet)
	e.add(b, frame, packet, e.bytes[at:len(e.bytes):len(e.bytes)], client).TCP = true
}

// direction tells the two ends of a connection apart.
func direction(p *decode.Packet) uint8 {
	if p.Src.Compare(p.Dst) > 0 {
		return 1
	}
	return 0
}

// lost returns how many segments fitted no stream, ever.
func (e *extractor) lost() uint64 { return e.streams.Stats().OutOfWindow }

// flowHash hashes the five-tuple, the same for both directions.
func flowHash(p *decode.Packet) uint64 {
	const odd = 0xA0761D6478BD642F // bits in no order, so that no endpoint makes the product 0
	hi, lo := bits.Mul64(endpoint(p.Src)^odd, endpoint(p.Dst)^odd)
	return hi ^ lo + uint64(p.Proto)
}

// endpoint packs an IPv4 address and a port, and hashes those of IPv6.
func endpoint(a netip.AddrPort) uint64 {
	addr := a.Addr()
	if addr.Is4() {
		ip := addr.As4()
		return uint64(binary.BigEndian.Uint32(ip[:]))<<16 | uint64(a.Port())
	}
	return hash64.IPv6(addr.As16()) + uint64(a.Port())
}
