package handler

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"visor/capture"
	"visor/decode"
	"visor/decode/dnsmsg"
	"visor/decode/dnstapmsg"
	"visor/decode/proxymsg"
	"visor/decode/tcpstream"
	"visor/sketch/hash64"
)

// extractor finds the DNS and BGP messages in a batch of packets.
type extractor struct {
	hash    *hash64.Hasher // hashes names
	flows   *hash64.Hasher // hashes flows
	ports   *dnsPorts
	proxies proxies
	streams *streams
	names   []byte          // names of the batch's messages
	bytes   []byte          // the batch's messages from TCP
	carried []decode.Packet // packets that describe these messages

	notDNS uint64 // messages that cannot be DNS
	short  uint64 // messages that end within the header
}

func newExtractor(cfg *Config) *extractor {
	return &extractor{
		hash:    cfg.Hash,
		flows:   cfg.flows,
		ports:   newDNSPorts(cfg.DNSPorts),
		proxies: proxies{from: cfg.ProxyFrom},
		streams: newStreams(cfg.MaxConns, cfg.StreamBytes, !cfg.live),
		names:   make([]byte, 0, 16<<10),
	}
}

// extract sets b.DNS and b.BGP from b.Packets.
func (e *extractor) extract(b *Batch) {
	e.start(b)
	for i := range b.Packets {
		frame := &b.Packets[i]
		p := frame.Innermost()
		switch {
		case p.Layers.Has(decode.LayerDNSTap):
			e.addDNSTap(b, p, &b.taps[i])
		case p.Layers.Has(decode.LayerFragment): // processed once, when the datagram is reassembled
		case p.Layers.Has(decode.LayerUDP):
			client, ok := e.ports.client(p)
			switch {
			case !ok:
			case e.proxies.clients != nil || proxymsg.Begins(p.Payload):
				e.proxied(b, frame, p, client)
			default:
				e.add(b, frame, p, p.Payload, client, int(p.Cut))
			}
		case p.Layers.Has(decode.LayerTCP):
			if _, ok := e.ports.client(p); ok || isBGP(p) {
				e.segment(b, frame, p)
			}
		}
	}
}

// flush sets b.DNS and b.BGP to the messages that the streams still hold, and ends all connections.
func (e *extractor) flush(b *Batch) {
	e.start(b)
	e.streams.tcp.Flush()
	e.drain(b, nil, nil)
}

// advance ends the connections that are idle at nowNS. It sets b.DNS and b.BGP to the messages that
// they hold.
func (e *extractor) advance(b *Batch, nowNS int64) {
	e.start(b)
	e.streams.tcp.Advance(nowNS)
	e.drain(b, nil, nil)
}

func (e *extractor) start(b *Batch) {
	b.DNS, b.BGP, e.names, e.bytes, e.carried = b.DNS[:0], b.BGP[:0], e.names[:0], e.bytes[:0], e.carried[:0]
	e.proxies.packets = e.proxies.packets[:0]
}

// proxied adds the message in a UDP datagram that may begin with a PROXY protocol header, or that
// may answer one.
func (e *extractor) proxied(b *Batch, frame, p *decode.Packet, client uint16) {
	payload, who, ok := e.proxies.strip(p, p.Payload)
	m := e.add(b, frame, p, payload, client, int(p.Cut))
	e.proxies.datagram(m, who, ok)
}

// add appends the message in payload to b.DNS. The capture lacks cut bytes of it. What is known
// before the name is read is stored first, so that calls have little to save: 138 instructions
// instead of 160.
func (e *extractor) add(b *Batch, frame, p *decode.Packet, payload []byte, client uint16, cut int) *Message {
	if len(b.DNS) == cap(b.DNS) {
		b.DNS = slices.Grow(b.DNS, 1)
	}
	b.DNS = b.DNS[:len(b.DNS)+1]
	m := &b.DNS[len(b.DNS)-1]
	m.Frame, m.Packet, m.Msg, m.DNSTap = frame, p, payload, nil
	m.TimeNS, m.Client, m.TCP, m.Named, m.Broken, m.DNSTapType = p.TimeNS, client, false, false, false, 0
	if msg := dnsmsg.Message(payload); len(msg) < dnsmsg.HeaderLen || !msg.Ordinary(len(msg)+cut) && msg.Impossible(len(msg)+cut) {
		e.reject(payload)
		*m = Message{TimeNS: p.TimeNS, Frame: frame, Packet: p, Client: client, Broken: true}
		return m
	}
	m.Flow = e.flow(p)
	start := len(e.names)
	names, q, err := m.Msg.AppendCanonical(e.names)
	if err != nil {
		m.Name, m.Hash, m.Question = dnsmsg.Name{}, 0, dnsmsg.Question{}
		return m
	}
	e.names = names
	m.Name, m.Question, m.Named = dnsmsg.NameFromWire(names[start:]), q, true
	m.Hash = m.Name.Hash(e.hash)
	return m
}

// reject counts a message that cannot be DNS.
func (e *extractor) reject(msg []byte) {
	switch {
	case len(msg) >= dnsmsg.HeaderLen:
		e.notDNS++
	case len(msg) > 0: // dnstap may omit the message
		e.short++
	}
}

// addDNSTap appends the message in a dnstap frame. Its port is the client's, or 0 if the frame
// lacks it.
func (e *extractor) addDNSTap(b *Batch, p *decode.Packet, tap *dnstapmsg.Message) {
	m := e.add(b, p, p, p.Payload, p.Src.Port(), 0)
	m.TCP, m.DNSTapType, m.DNSTap, m.Flow = p.Layers.Has(decode.LayerTCP), tap.Type, tap, e.flow(p)
	m.Broken = m.Broken && p.Payload != nil // the message is optional
}

// segment feeds a TCP segment to its stream and adds the messages that it completes.
func (e *extractor) segment(b *Batch, frame, p *decode.Packet) {
	e.streams.tcp.Feed(tcpstream.Segment{
		Key:     e.flow(p),
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

// drain adds the messages in the data that the streams deliver. Arguments frame and p describe the
// segment just fed, if any.
func (e *extractor) drain(b *Batch, frame, p *decode.Packet) {
	for e.streams.tcp.Next() {
		ev := e.streams.tcp.Event()
		switch ev.Kind {
		case tcpstream.Open: // arrives with the segment that opens the side
			_, isDNS := e.ports.client(p)
			*ev.State = e.streams.open(frame, p, isDNS, ev.Start)
			if e.ports.has(p.Dst.Port()) {
				e.proxies.forget(ev.Key)
			}
		case tcpstream.Gap:
			e.streams.gap(*ev.State, ev.Lost)
		case tcpstream.Data:
			e.data(b, *ev.State, ev.Data, ev.TimeNS)
		}
	}
}

// data adds the messages completed by data, which arrived at nowNS. A message has the time of the
// latest segment that holds a part of it, even if that segment waited for an earlier one.
func (e *extractor) data(b *Batch, s *side, data []byte, nowNS int64) {
	if s.bgp != nil {
		e.dataBGP(b, s, data, nowNS)
	} else {
		e.dataDNS(b, s, data, nowNS)
	}
	e.streams.account(s)
	e.streams.link(s)
	e.streams.relieve()
}

func (e *extractor) dataDNS(b *Batch, s *side, data []byte, nowNS int64) {
	if s.begins {
		rest, h, ok := e.streams.introduced(s, data)
		if ok {
			from := s.packet.packet(nowNS)
			if who, ok := e.proxies.believe(&from, h); ok {
				e.proxies.note(e.flow(&from), nowNS, who)
			}
		}
		data = rest
	}
	at := nowNS
	if s.framer.Held() > 0 {
		at = max(nowNS, s.heldNS)
	}
	s.framer.Feed(data)
	for s.framer.Next() {
		e.addStreamed(b, s, at)
		at = nowNS
	}
	s.heldNS = at
}

func (e *extractor) dataBGP(b *Batch, s *side, data []byte, nowNS int64) {
	at := nowNS
	if s.bgp.Held() > 0 {
		at = max(nowNS, s.heldNS)
	}
	s.bgp.Feed(data)
	for s.bgp.Next() {
		frame, _ := e.carry(s, at)
		b.BGP = append(b.BGP, BGPMessage{at, frame, e.keep(s.bgp.Message())})
		at = nowNS
	}
	for range s.bgp.TakeMalformed() {
		frame, _ := e.carry(s, nowNS)
		b.BGP = append(b.BGP, BGPMessage{TimeNS: nowNS, Frame: frame})
	}
	s.heldNS = at
}

// keep copies a message of a stream, because the stream may reuse its memory within the batch.
func (e *extractor) keep(msg []byte) []byte {
	at := len(e.bytes)
	e.bytes = append(e.bytes, msg...)
	return e.bytes[at:len(e.bytes):len(e.bytes)]
}

// carry returns the outermost and the innermost packet that describe a message of a side.
func (e *extractor) carry(s *side, nowNS int64) (frame, packet *decode.Packet) {
	e.carried = append(e.carried, s.packet.packet(nowNS))
	packet = &e.carried[len(e.carried)-1]
	if s.frame == nil {
		return packet, packet
	}
	e.carried = append(e.carried, s.frame.packet(nowNS))
	return &e.carried[len(e.carried)-1], packet
}

// addStreamed adds the current message of a side and the packets that describe it.
func (e *extractor) addStreamed(b *Batch, s *side, nowNS int64) {
	frame, packet := e.carry(s, nowNS)
	client, _ := e.ports.client(packet)
	m := e.add(b, frame, packet, e.keep(s.framer.Message()), client, 0)
	m.TCP = true
	e.proxies.connection(m)
}

// isBGP reports whether the ports are those assigned to BGP (RFC 4271).
func isBGP(p *decode.Packet) bool {
	const port = 179
	return p.Src.Port() == port || p.Dst.Port() == port
}

// direction distinguishes the two ends of a connection.
func direction(p *decode.Packet) uint8 {
	if p.Src.Compare(p.Dst) > 0 {
		return 1
	}
	return 0
}

// lost returns the total number of segments that fit no stream.
func (e *extractor) lost() uint64 { return e.streams.tcp.Stats().OutOfWindow }

// appendReasons appends the reasons why messages were not found or not read.
func (e *extractor) appendReasons(out []capture.Reason) []capture.Reason {
	for _, r := range []capture.Reason{
		{Text: "not DNS, on a DNS port", Count: e.notDNS},
		{Text: "DNS message that ends within its header", Count: e.short},
	} {
		if r.Count > 0 {
			out = append(out, r)
		}
	}
	return e.streams.appendReasons(e.proxies.appendReasons(out))
}

// flow hashes the five-tuple, the same for both directions. The key is a secret of the pipeline, so
// hashes of different hosts cannot be compared.
func (e *extractor) flow(p *decode.Packet) uint64 {
	src, dst := p.Src.Addr(), p.Dst.Addr()
	var x, y uint64
	if src.Is4() && dst.Is4() { // endpoint does the same in a call that is not inlined
		a, b := src.As4(), dst.As4()
		x = uint64(binary.BigEndian.Uint32(a[:]))<<16 | uint64(p.Src.Port())
		y = uint64(binary.BigEndian.Uint32(b[:]))<<16 | uint64(p.Dst.Port())
	} else {
		x, y = e.endpoint(p.Src), e.endpoint(p.Dst)
	}
	return e.flows.Pair(min(x, y), max(x, y)) + uint64(p.Proto)
}

// endpoint packs an IPv4 address and a port, or the hash of an IPv6 address and a port.
func (e *extractor) endpoint(a netip.AddrPort) uint64 {
	addr := a.Addr()
	if addr.Is4() {
		ip := addr.As4()
		return uint64(binary.BigEndian.Uint32(ip[:]))<<16 | uint64(a.Port())
	}
	return e.flows.IPv6(addr.As16()) + uint64(a.Port())
}
