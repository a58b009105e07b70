package decode_test

import (
	"encoding/binary"
	"encoding/hex"
	"strings"

	"visor/decode"
)

// unhex returns the bytes of s, which is hexadecimal with optional spaces.
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

// ip4 returns an IPv4 packet from 192.0.2.1 to 198.51.100.2 without checksum.
func ip4(proto byte, payload []byte) []byte { return ip4frag(proto, 7, 0, payload) }

// ip4frag returns an IPv4 packet with an identifier, flags and offset as in the header.
func ip4frag(proto byte, id, frag uint16, payload []byte) []byte {
	b := unhex("4500 0000 0000 0000 40 00 0000 C0000201 C6336402")
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(payload)))
	binary.BigEndian.PutUint16(b[4:], id)
	binary.BigEndian.PutUint16(b[6:], frag)
	b[9] = proto
	return append(b, payload...)
}

const addrs6 = "20010DB8 00000000 00000000 00000001 20010DB8 00000000 00000000 00000002"

// ip6 returns an IPv6 packet from 2001:db8::1 to 2001:db8::2.
func ip6(next byte, payload []byte) []byte {
	b := unhex("6000 0000 0000 00 40" + addrs6)
	binary.BigEndian.PutUint16(b[4:], uint16(len(payload)))
	b[6] = next
	return append(b, payload...)
}

// ip6frag returns an IPv6 fragment with the identifier 7.
func ip6frag(next byte, offset int, more bool, payload []byte) []byte {
	h := []byte{next, 0, byte(offset >> 8), byte(offset), 0, 0, 0, 7}
	if more {
		h[3] |= 1
	}
	return ip6(44, append(h, payload...))
}

// udp returns a UDP datagram from port 1024 without checksum.
func udp(dst uint16, payload string) []byte {
	b := unhex("0400 0000 0000 0000")
	binary.BigEndian.PutUint16(b[2:], dst)
	binary.BigEndian.PutUint16(b[4:], uint16(8+len(payload)))
	return append(b, payload...)
}

// ethernet returns a frame.
func ethernet(etherType uint16, payload []byte) []byte {
	b := unhex("02000000 0001 02000000 0002 0000")
	binary.BigEndian.PutUint16(b[12:], etherType)
	return append(b, payload...)
}

// decoded decodes one frame.
func decoded(link decode.LinkType, frame []byte) (*decode.Packet, error) {
	p := &decode.Packet{Frame: frame, WireLen: uint32(len(frame)), Link: link}
	err := decode.NewDecoder(decode.Config{}).Decode(p)
	return p, err
}

func join(parts ...[]byte) (b []byte) {
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}
