package attack

import (
	"bytes"
	"math/rand/v2"
)

// Kinds returns all kinds of attack. The first, "ordinary", is harmless: the baseline for the
// others.
func Kinds() []Kind {
	all := []Kind{{"ordinary", "nothing: 1,000 clients ask for 1,000 names and are answered", ordinary}}
	all = append(all, dnsKinds()...)
	all = append(all, streamKinds()...)
	all = append(all, packetKinds()...)
	all = append(all, flowKinds()...)
	return append(all, collisions())
}

// ordinary is DNS from few clients for few names, with a reply after each query.
func ordinary(dst []byte, i int, rnd *rand.Rand) []byte {
	k := i / 2
	client := uint32(attacker + k*7919%1000)
	host := name("host"+string(rune('a'+k%26)), "zone"+string(rune('a'+k/26%38)), "example")
	if i%2 == 0 {
		return packet4(dst, client, server, protoUDP, uint16(i), 0, udp(port(k), 53, query(uint16(k), 0x0100, host)))
	}
	return packet4(dst, server, client, protoUDP, uint16(i), 0, udp(53, port(k), query(uint16(k), 0x8180, host)))
}

func dnsKinds() []Kind {
	ask := func(dst []byte, client uint32, i int, message []byte) []byte {
		return packet4(dst, client, server, protoUDP, uint16(i), 0, udp(port(i), 53, message))
	}
	return []Kind{
		{"labels", "lists of names, the transaction table: random labels, unanswered, each client new",
			func(dst []byte, i int, rnd *rand.Rand) []byte {
				return ask(dst, attacker+rnd.Uint32N(1<<23), i, query(uint16(i), 0x0100, name(randomLabel(rnd, 6), randomLabel(rnd, 8), "com")))
			}},
		{"nxdomain", "lists of failed names: replies to random labels",
			func(dst []byte, i int, rnd *rand.Rand) []byte {
				m := query(uint16(i), 0x8183, name(randomLabel(rnd, 12), "example", "com"))
				return packet4(dst, server, attacker+uint32(i), protoUDP, uint16(i), 0, udp(53, port(i), m))
			}},
		{"records", "the search for an OPT record: 130 additional records without one",
			func(dst []byte, i int, rnd *rand.Rand) []byte {
				m := query(uint16(i), 0x0100, name("a", "example"))
				m[10], m[11] = 0xFF, 0xFF
				m = append(m, bytes.Repeat([]byte{0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0}, 130)...)
				return ask(dst, attacker+rnd.Uint32N(1<<10), i, m)
			}},
		{"pointers", "the walk over compressed names: 110 records whose name is a pointer",
			func(dst []byte, i int, rnd *rand.Rand) []byte {
				m := query(uint16(i), 0x0100, name("a"))
				m[11] = 110
				m = append(m, bytes.Repeat([]byte{0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0}, 110)...)
				return ask(dst, attacker+rnd.Uint32N(1<<10), i, m)
			}},
	}
}

func streamKinds() []Kind {
	const connections, pieces = 65_536, 25 // 33 KB each: a SYN, and segments of 1,400 bytes
	half := make([]byte, 1400)
	half[0], half[1] = 0xFF, 0xFF // the length of a message whose rest never arrives
	middle, headers := make([]byte, 1400), costlyHeaders(1400)
	return []Kind{
		{"syn", "the table of TCP connections: SYN segments of spoofed addresses",
			func(dst []byte, i int, rnd *rand.Rand) []byte {
				return packet4(dst, attacker+uint32(i), server, protoTCP, 0, 0, tcp(port(i), 53, rnd.Uint32(), flagSYN, nil))
			}},
		{"halves", "buffers of DNS streams: half of a message on each connection",
			func(dst []byte, i int, _ *rand.Rand) []byte {
				conn, piece := i%connections, i/connections%pieces
				payload, flags, seq := middle, byte(flagPSH), uint32(1+(piece-1)*len(half))
				switch piece {
				case 0:
					payload, flags, seq = nil, flagSYN, 0
				case 1:
					payload = half
				}
				return packet4(dst, attacker+uint32(conn), server, protoTCP, 0, 0, tcp(port(conn), 53, seq, flags, payload))
			}},
		{"midway", "the search for a message in streams without a beginning: zeros, and headers with long names",
			func(dst []byte, i int, _ *rand.Rand) []byte {
				conn, piece := i%connections, i/connections
				payload := middle
				if conn%2 == 0 {
					payload = headers
				}
				seq := uint32(1 + piece*len(payload))
				return packet4(dst, attacker+uint32(conn), server, protoTCP, 0, 0, tcp(port(conn), 53, seq, flagPSH, payload))
			}},
		{"holes", "segments that wait: 60 per connection, a hole before each",
			func(dst []byte, i int, _ *rand.Rand) []byte {
				conn, j := i/60, i%60
				seq := 1000 + uint32(60-j)*200
				return packet4(dst, attacker+uint32(conn), server, protoTCP, 0, 0, tcp(port(conn), 53, seq, flagPSH, middle[:64]))
			}},
		{"bgp", "buffers of BGP streams: messages of 4,096 bytes, a byte per segment",
			func(dst []byte, i int, _ *rand.Rand) []byte {
				conn, j := i/4000, i%4000
				one := []byte{0xFF}
				switch j {
				case 16:
					one[0] = 0x10
				case 17:
					one[0] = 0
				case 18:
					one[0] = 2
				}
				return packet4(dst, attacker+uint32(conn), server, protoTCP, 0, 0, tcp(port(conn), 179, 1000+uint32(j), flagPSH, one))
			}},
	}
}

// costlyHeaders returns n bytes with nine headers of DNS messages in every 254 bytes, each with a
// name of some hundred labels that is never complete.
func costlyHeaders(n int) (b []byte) {
	for len(b) < n {
		for i := range 9 {
			// the length is also a label's, which skips headers
			b = append(b, byte(14*min(4, 9-i)-1), 0xFF, 7, 7, 1, 7, 0, 1, 0, 0, 0, 0, 0, 0)
		}
		b = append(b, bytes.Repeat([]byte{1, 'a'}, 64)...)
	}
	return b[:n]
}
