package mock

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
)

// endpoint is one end of a conversation.
type endpoint struct {
	addr netip.Addr
	port uint16
}

// The protocol numbers of IP.
const (
	protoICMP = 1
	protoTCP  = 6
	protoUDP  = 17
)

const (
	etherIPv4 = 0x0800
	etherARP  = 0x0806
	etherIPv6 = 0x86DD
)

// ethernet returns a frame between this host's router and a server.
func ethernet(etherType uint16, payload []byte) []byte {
	b := append(make([]byte, 0, 14+len(payload)), 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2)
	b = binary.BigEndian.AppendUint16(b, etherType)
	return append(b, payload...)
}

// packet returns the frame of an IP packet. The checksum of the payload, if it has one, is at sum.
func packet(src, dst netip.Addr, proto byte, payload []byte, sum int) []byte {
	var b []byte
	etherType := uint16(etherIPv4)
	if src.Is4() {
		b = binary.BigEndian.AppendUint16([]byte{0x45, 0}, uint16(20+len(payload)))
		b = append(b, 0, 0, 0x40, 0, 64, proto, 0, 0)
	} else {
		etherType = etherIPv6
		b = binary.BigEndian.AppendUint16([]byte{0x60, 0, 0, 0}, uint16(len(payload)))
		b = append(b, proto, 64)
	}
	b = append(b, src.AsSlice()...)
	b = append(b, dst.AsSlice()...)
	if src.Is4() {
		binary.BigEndian.PutUint16(b[10:], checksum(b, 0))
	}
	pseudo := uint32(0)
	if proto != protoICMP {
		pseudo = uint32(proto) + uint32(len(payload))
		pseudo += uint32(^checksum(append(src.AsSlice(), dst.AsSlice()...), 0))
	}
	binary.BigEndian.PutUint16(payload[sum:], checksum(payload, pseudo))
	return ethernet(etherType, append(b, payload...))
}

// checksum returns the Internet checksum (RFC 1071) of b and an initial sum.
func checksum(b []byte, sum uint32) uint16 {
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xFFFF {
		sum = sum>>16 + sum&0xFFFF
	}
	return ^uint16(sum)
}

// udp returns the frame of a datagram.
func udp(src, dst endpoint, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, src.port)
	b = binary.BigEndian.AppendUint16(b, dst.port)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	return packet(src.addr, dst.addr, protoUDP, append(append(b, 0, 0), payload...), 6)
}

// The flags of TCP.
const (
	fin = 1
	syn = 2
	psh = 8
	ack = 16
)

// tcp returns the frame of a segment.
func tcp(src, dst endpoint, seq, acked uint32, flags byte, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, src.port)
	b = binary.BigEndian.AppendUint16(b, dst.port)
	b = binary.BigEndian.AppendUint32(b, seq)
	b = binary.BigEndian.AppendUint32(b, acked)
	b = append(b, 5<<4, flags, 0xFF, 0xFF, 0, 0, 0, 0)
	return packet(src.addr, dst.addr, protoTCP, append(b, payload...), 16)
}

// exchange returns the frames of a TCP connection with a request and a response.
func exchange(rnd *rand.Rand, client, server endpoint, request, response []byte) [][]byte {
	c, s := rnd.Uint32(), rnd.Uint32()
	c2, s2 := c+1+uint32(len(request)), s+1+uint32(len(response))
	return [][]byte{
		tcp(client, server, c, 0, syn, nil),
		tcp(server, client, s, c+1, syn|ack, nil),
		tcp(client, server, c+1, s+1, ack, nil),
		tcp(client, server, c+1, s+1, psh|ack, request),
		tcp(server, client, s+1, c2, psh|ack, response),
		tcp(client, server, c2, s2, fin|ack, nil),
		tcp(server, client, s2, c2+1, fin|ack, nil),
		tcp(client, server, c2+1, s2+1, ack, nil),
	}
}

// ping returns the frame of an echo request (type 8) or reply (type 0).
func ping(src, dst netip.Addr, typ byte, id uint16) []byte {
	b := binary.BigEndian.AppendUint16([]byte{typ, 0, 0, 0}, id)
	return packet(src, dst, protoICMP, append(b, make([]byte, 50)...), 2)
}

// arp returns the frame of an ARP request (1) or reply (2).
func arp(operation byte, src, dst netip.Addr) []byte {
	b := append([]byte{0, 1, 8, 0, 6, 4, 0, operation}, 2, 0, 0, 0, 0, 2)
	b = append(append(b, src.AsSlice()...), 2, 0, 0, 0, 0, 1)
	return ethernet(etherARP, append(b, dst.AsSlice()...))
}
