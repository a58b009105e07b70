// Package packettest builds single frames and DNS messages for tests:
//
//	q := packettest.Query(1, "www.example.com", 28)
//	frames := []capture.Frame{
//		packettest.UDP(0, "192.0.2.1:5000", "198.51.100.1:53", q),
//		packettest.UDP(1e6, "198.51.100.1:53", "192.0.2.1:5000", packettest.Reply(q, 0, 1)),
//	}
//
// Package trafficgen generates whole traffic. Invalid arguments cause a panic.
package packettest

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"
	"time"

	"visor/capture"
	"visor/decode"
	"visor/decode/dnstapmsg"
)

const (
	protoTCP = 6
	protoUDP = 17
)

// start is the zero of the frames' times.
var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()

// UDP returns an Ethernet frame with a UDP datagram, captured at a time after 2026-01-01 00:00 UTC.
// Addresses have ports. Checksums are zero.
func UDP(after time.Duration, from, to string, payload []byte) capture.Frame {
	src, dst := netip.MustParseAddrPort(from), netip.MustParseAddrPort(to)
	b := ports(src, dst)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	b = append(b, 0, 0)
	return frame(after, src.Addr(), dst.Addr(), protoUDP, append(b, payload...))
}

// TCP returns an Ethernet frame with a TCP segment. Times, addresses and checksums are like UDP's.
func TCP(after time.Duration, from, to string, flags uint8, seq, ack uint32, payload []byte) capture.Frame {
	src, dst := netip.MustParseAddrPort(from), netip.MustParseAddrPort(to)
	b := ports(src, dst)
	b = binary.BigEndian.AppendUint32(b, seq)
	b = binary.BigEndian.AppendUint32(b, ack)
	b = append(b, 5<<4, flags, 0xFF, 0xFF, 0, 0, 0, 0)
	return frame(after, src.Addr(), dst.Addr(), protoTCP, append(b, payload...))
}

func ports(src, dst netip.AddrPort) []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, src.Port()), dst.Port())
}

// frame returns an Ethernet frame with an IP packet.
func frame(after time.Duration, src, dst netip.Addr, proto byte, payload []byte) capture.Frame {
	b := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}
	if src.Is4() {
		b = append(b, 0x08, 0x00, 0x45, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(20+len(payload)))
		b = append(b, 0, 0, 0, 0, 64, proto, 0, 0)
	} else {
		b = append(b, 0x86, 0xDD, 0x60, 0, 0, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
		b = append(b, proto, 64)
	}
	b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
	b = append(b, payload...)
	return capture.Frame{TimeNS: start + int64(after), Data: b, WireLen: uint32(len(b)), Link: decode.LinkEthernet}
}

// DNSTap returns a dnstap frame, at the time of its message.
func DNSTap(m dnstapmsg.Message) capture.Frame {
	b := m.AppendTo(nil)
	return capture.Frame{TimeNS: m.TimeNS(), Data: b, WireLen: uint32(len(b)), Link: decode.LinkDNSTap}
}

// Query returns a DNS query for a name without escapes, of a type and class IN. With options, it
// has an OPT record with them.
func Query(id uint16, name string, qtype uint16, options ...[]byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, id)
	b = append(b, 1, 0, 0, 1, 0, 0, 0, 0, 0, byte(min(len(options), 1)))
	for label := range strings.SplitSeq(name, ".") {
		if label != "" {
			b = append(append(b, byte(len(label))), label...)
		}
	}
	b = binary.BigEndian.AppendUint16(append(b, 0), qtype)
	b = append(b, 0, 1)
	if len(options) == 0 {
		return b
	}
	var data []byte
	for _, o := range options {
		data = append(data, o...)
	}
	b = append(b, 0, 0, 41, 4, 0xD0, 0, 0, 0, 0)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(data))), data...)
}

// ECS returns an EDNS option with a client subnet, as "192.0.2.0/24" (RFC 7871 section 6).
func ECS(subnet string) []byte {
	p := netip.MustParsePrefix(subnet)
	family := byte(2)
	if p.Addr().Is4() {
		family = 1
	}
	addr := p.Addr().AsSlice()[:(p.Bits()+7)/8]
	return append([]byte{0, 8, 0, byte(4 + len(addr)), 0, family, byte(p.Bits()), 0}, addr...)
}

// Reply returns a reply to a query without OPT, with a code and n records of the queried type, of
// four bytes each.
func Reply(query []byte, rcode byte, answers int) []byte {
	return SignedReply(query, rcode, answers, 0)
}

// SignedReply returns a Reply with additional RRSIG records in its answer section.
func SignedReply(query []byte, rcode byte, answers, signatures int) []byte {
	const rrsig = 46
	b := append([]byte(nil), query...)
	b[2] |= 0x80
	b[3] |= rcode
	binary.BigEndian.PutUint16(b[6:], uint16(answers+signatures))
	qtype := binary.BigEndian.Uint16(b[len(b)-4:])
	for i := range answers + signatures {
		if i == answers {
			qtype = rrsig
		}
		b = binary.BigEndian.AppendUint16(append(b, 0xC0, 0x0C), qtype)
		b = append(b, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, byte(i))
	}
	return b
}

// Stream returns messages in their TCP form, each with its length in front (RFC 1035 section
// 4.2.2).
func Stream(messages ...[]byte) (b []byte) {
	for _, m := range messages {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(m))), m...)
	}
	return b
}

// Hex returns the bytes of s, which is hexadecimal with optional spaces.
func Hex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}
