package attack

import (
	"encoding/binary"
	"math/rand/v2"
)

// Addresses of the attacked server, and the first of the attackers' /8.
const (
	server   = 0xC6336435 // 198.51.100.53
	attacker = 0x0B000000 // 11.0.0.0
)

const (
	protoIPIP = 4
	protoTCP  = 6
	protoUDP  = 17

	flagSYN = 0x02
	flagPSH = 0x18 // with ACK
)

var be = binary.BigEndian

// ethernet appends an Ethernet header.
func ethernet(dst []byte, etherType uint16) []byte {
	dst = append(dst, 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2)
	return be.AppendUint16(dst, etherType)
}

// packet4 appends an Ethernet frame with an IPv4 packet. fragment is the field of flags and offset.
func packet4(dst []byte, src, to uint32, proto byte, id, fragment uint16, payload []byte) []byte {
	return append(header4(ethernet(dst, 0x0800), src, to, proto, id, fragment, len(payload)), payload...)
}

// header4 appends an IPv4 header (RFC 791 section 3.1) without a checksum.
func header4(dst []byte, src, to uint32, proto byte, id, fragment uint16, payload int) []byte {
	dst = be.AppendUint16(append(dst, 0x45, 0), uint16(20+payload))
	dst = be.AppendUint16(be.AppendUint16(dst, id), fragment)
	dst = append(dst, 64, proto, 0, 0)
	return be.AppendUint32(be.AppendUint32(dst, src), to)
}

// packet6 appends an Ethernet frame with an IPv6 packet.
func packet6(dst []byte, src, to [16]byte, next byte, payload []byte) []byte {
	dst = append(ethernet(dst, 0x86DD), 0x60, 0, 0, 0)
	dst = append(be.AppendUint16(dst, uint16(len(payload))), next, 64)
	dst = append(append(dst, src[:]...), to[:]...)
	return append(dst, payload...)
}

// udp returns a UDP datagram without a checksum.
func udp(src, to uint16, payload []byte) []byte {
	b := be.AppendUint16(be.AppendUint16(nil, src), to)
	b = append(be.AppendUint16(b, uint16(8+len(payload))), 0, 0)
	return append(b, payload...)
}

// tcp returns a TCP segment without a checksum.
func tcp(src, to uint16, seq uint32, flags byte, payload []byte) []byte {
	b := be.AppendUint16(be.AppendUint16(nil, src), to)
	b = be.AppendUint32(be.AppendUint32(b, seq), 0)
	b = append(b, 5<<4, flags, 0xFF, 0xFF, 0, 0, 0, 0)
	return append(b, payload...)
}

// query returns a DNS query for a name in wire form, or a reply with the same question, by its
// flags.
func query(id, flags uint16, name []byte) []byte {
	b := be.AppendUint16(be.AppendUint16(nil, id), flags)
	b = append(b, 0, 1, 0, 0, 0, 0, 0, 0)
	return append(append(b, name...), 0, 1, 0, 1)
}

// name returns a name of labels in wire form, with its final zero.
func name(labels ...string) []byte {
	var b []byte
	for _, l := range labels {
		b = append(append(b, byte(len(l))), l...)
	}
	return append(b, 0)
}

// randomLabel returns a label of n characters.
func randomLabel(rnd *rand.Rand, n int) string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[rnd.IntN(len(letters))]
	}
	return string(b)
}

// port returns an unprivileged port.
func port(i int) uint16 { return uint16(1024 + i%60_000) }
