package attack

import (
	"bytes"
	"math/rand/v2"
)

// moreFragments is the flag of RFC 791 section 3.1; farthest is the last offset, in units of 8
// bytes.
const (
	moreFragments = 0x2000
	farthest      = 8188
)

func packetKinds() []Kind {
	eight, large := make([]byte, 8), make([]byte, 1400)
	tags := bytes.Repeat([]byte{0, 1, 0x81, 0}, 370)
	nested := nest(60)
	extensions := bytes.Repeat([]byte{60, 0, 1, 4, 0, 0, 0, 0}, 170)
	return []Kind{
		{"fragments", "datagrams that wait: fragments of 8 bytes from the end to the start, 1,000 datagrams in turn",
			func(dst []byte, i int, _ *rand.Rand) []byte {
				k, piece := i%1000, i/1000
				at := uint16(8190 - 2*(piece%4095))
				return packet4(dst, attacker+uint32(k), server, protoUDP, uint16(piece/4095), moreFragments|at, eight)
			}},
		{"far-fragments", "buffers of datagrams: a new datagram each time, with 8 bytes near its end",
			func(dst []byte, i int, _ *rand.Rand) []byte {
				return packet4(dst, attacker+uint32(i), server, protoUDP, uint16(i), moreFragments|farthest, eight)
			}},
		{"new-fragments", "the table of datagrams: a new datagram each time",
			func(dst []byte, i int, _ *rand.Rand) []byte {
				return packet4(dst, attacker+uint32(i), server, protoUDP, uint16(i), moreFragments, large)
			}},
		{"vlans", "the walk over link headers: 370 VLAN tags",
			func(dst []byte, _ int, _ *rand.Rand) []byte { return append(ethernet(dst, 0x8100), tags...) }},
		{"tunnels", "nesting: 60 IPv4 headers in one another",
			func(dst []byte, _ int, _ *rand.Rand) []byte { return append(ethernet(dst, 0x0800), nested...) }},
		{"extensions", "the walk over IPv6 extension headers: 170 of them",
			func(dst []byte, i int, _ *rand.Rand) []byte {
				src := [16]byte{0x20, 0x01, 0x0D, 0xB8, 15: byte(i)}
				return packet6(dst, src, src, 60, extensions)
			}},
		{"ports", "lists of addresses and ports: all different in every packet",
			func(dst []byte, i int, rnd *rand.Rand) []byte {
				return packet4(dst, rnd.Uint32(), rnd.Uint32(), protoUDP, uint16(i), 0, udp(port(rnd.IntN(60_000)), port(rnd.IntN(60_000)), large[:64]))
			}},
	}
}

// nest returns depth nested IPv4 headers around a DNS query.
func nest(depth int) []byte {
	inner := udp(1024, 53, query(1, 0x0100, name("a", "example")))
	proto := byte(protoUDP)
	for range depth {
		inner = append(header4(nil, attacker, server, proto, 1, 0, len(inner)), inner...)
		proto = protoIPIP
	}
	return inner
}

func flowKinds() []Kind {
	export := func(dst []byte, exporter uint32, datagram []byte) []byte {
		return packet4(dst, exporter, server, protoUDP, 0, 0, udp(9999, 2055, datagram))
	}
	return []Kind{
		{"interfaces", "metrics by interface: one NetFlow exporter with 65,535 of them",
			func(dst []byte, i int, rnd *rand.Rand) []byte { return export(dst, attacker, netflow5(i, 65_535, rnd)) }},
		{"exporters", "metrics by device: each datagram from another NetFlow exporter",
			func(dst []byte, i int, rnd *rand.Rand) []byte {
				return export(dst, attacker+uint32(i), netflow5(0, 8, rnd))
			}},
		{"templates", "tables of templates: IPFIX templates of 340 fields, each of another domain",
			func(dst []byte, i int, _ *rand.Rand) []byte { return export(dst, attacker+uint32(i%100), template(i)) }},
	}
}

// netflow5 returns a datagram of 30 records; the interfaces of the i-th datagram continue from the
// previous one.
func netflow5(i, interfaces int, rnd *rand.Rand) []byte {
	const records = 30
	b := make([]byte, 24+48*records)
	be.PutUint16(b, 5)
	be.PutUint16(b[2:], records)
	be.PutUint32(b[16:], uint32(i*records))
	for r := range records {
		rec := b[24+48*r:]
		be.PutUint32(rec, rnd.Uint32())
		be.PutUint32(rec[4:], rnd.Uint32())
		be.PutUint16(rec[12:], uint16(1+(i*records+r)%interfaces))
		be.PutUint16(rec[14:], uint16(1+(i*records+r+7)%interfaces))
		be.PutUint32(rec[16:], 10)
		be.PutUint32(rec[20:], 1000)
		be.PutUint16(rec[32:], uint16(rnd.Uint32()))
		be.PutUint16(rec[34:], uint16(rnd.Uint32()))
		rec[38] = protoUDP
	}
	return b
}

// template returns an IPFIX message with one template.
func template(i int) []byte {
	const fields = 340
	b := be.AppendUint16(make([]byte, 0, 16+8+4*fields), 10)
	b = be.AppendUint16(b, uint16(16+8+4*fields))
	b = append(b, 0, 0, 0, 0)
	b = be.AppendUint32(be.AppendUint32(b, uint32(i)), uint32(i))
	b = be.AppendUint16(append(b, 0, 2), uint16(8+4*fields))
	b = be.AppendUint16(be.AppendUint16(b, uint16(256+i%60_000)), fields)
	return append(b, bytes.Repeat([]byte{0, 8, 0, 4}, fields)...)
}
