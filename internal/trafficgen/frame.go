package trafficgen

import (
	"encoding/binary"
	"math/bits"
)

// MaxFrame is the length of the longest generated frame: 1500 bytes of IP behind a VLAN tag.
const MaxFrame = etherLen + vlanLen + mtu

const (
	etherLen = 14
	vlanLen  = 4
	ip4Len   = 20
	ip6Len   = 40
	fragLen  = 8
	udpLen   = 8
	mtu      = 1500
	minEther = 60 // without the frame check sequence

	etherIPv4 = 0x0800
	etherARP  = 0x0806
	etherVLAN = 0x8100
	etherIPv6 = 0x86DD

	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoFrag   = 44
	protoICMPv6 = 58
)

// endpoint is one end of a conversation.
type endpoint struct {
	addr [16]byte // IPv4 in the first four
	mac  [6]byte
	port uint16
	ttl  uint8
	ours bool // in our network
}

// flow holds the constant properties of a conversation's frames.
type flow struct {
	ends  [2]endpoint // the client, the server
	vlan  uint16      // 0 is untagged
	label uint32      // IPv6 flow label
	v6    bool
}

// direction is the index of the sending end.
type direction = uint8

const (
	forth direction = 0
	back  direction = 1
)

func (f *flow) addrLen() int {
	if f.v6 {
		return 16
	}
	return 4
}

// mss returns the TCP maximum segment size.
func (f *flow) mss() int {
	if f.v6 {
		return mtu - ip6Len - 20
	}
	return mtu - ip4Len - 20
}

func (f *flow) appendEthernet(dst []byte, d direction, etherType uint16) []byte {
	dst = append(dst, f.ends[1-d].mac[:]...)
	dst = append(dst, f.ends[d].mac[:]...)
	if f.vlan != 0 {
		dst = binary.BigEndian.AppendUint16(dst, etherVLAN)
		dst = binary.BigEndian.AppendUint16(dst, f.vlan)
	}
	return binary.BigEndian.AppendUint16(dst, etherType)
}

// appendIP appends an IP header whose lengths and checksum are left to finishIP.
func (f *flow) appendIP(dst []byte, d direction, proto uint8, id uint16) []byte {
	src, to := &f.ends[d], &f.ends[1-d]
	if f.v6 {
		dst = binary.BigEndian.AppendUint32(dst, 6<<28|f.label)
		dst = append(dst, 0, 0, proto, src.ttl)
		dst = append(dst, src.addr[:]...)
		return append(dst, to.addr[:]...)
	}
	dst = append(dst, 0x45, 0, 0, 0, byte(id>>8), byte(id), 0x40, 0, src.ttl, proto, 0, 0)
	dst = append(dst, src.addr[:4]...)
	return append(dst, to.addr[:4]...)
}

// open appends the Ethernet and IP headers, and returns where IP begins.
func (f *flow) open(dst []byte, d direction, proto uint8, id uint16) (frame []byte, ip int) {
	if f.v6 {
		dst = f.appendEthernet(dst, d, etherIPv6)
	} else {
		dst = f.appendEthernet(dst, d, etherIPv4)
	}
	ip = len(dst)
	return f.appendIP(dst, d, proto, id), ip
}

// finishIP sets the lengths and the header checksum of the IP packet that frame ends with.
func (f *flow) finishIP(frame []byte, ip int) {
	b := frame[ip:]
	if f.v6 {
		binary.BigEndian.PutUint16(b[4:], uint16(len(b)-ip6Len))
		return
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	binary.BigEndian.PutUint16(b[10:], ^fold(sum(b[:ip4Len])))
}

// pseudo returns the sum of the pseudo header (RFC 9293 section 3.1, RFC 8200 section 8.1).
func (f *flow) pseudo(proto uint8, length int) uint64 {
	n := f.addrLen()
	return add(add(sum(f.ends[0].addr[:n]), sum(f.ends[1].addr[:n])), uint64(proto)+uint64(length))
}

// appendUDPHeader appends a UDP header without length and checksum.
func (f *flow) appendUDPHeader(dst []byte, d direction) []byte {
	dst = binary.BigEndian.AppendUint16(dst, f.ends[d].port)
	dst = binary.BigEndian.AppendUint16(dst, f.ends[1-d].port)
	return append(dst, 0, 0, 0, 0)
}

// finishUDP sets length and checksum of a UDP datagram.
func (f *flow) finishUDP(b []byte) {
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)))
	c := ^fold(add(sum(b), f.pseudo(protoUDP, len(b))))
	if c == 0 {
		c = 0xFFFF // 0 would mean that the checksum is absent
	}
	binary.BigEndian.PutUint16(b[6:], c)
}

// finish sets all fields that depend on the bytes after the IP header. It pads received frames to
// Ethernet's minimum.
func (f *flow) finish(frame []byte, ip int, d direction, proto uint8) []byte {
	f.finishIP(frame, ip)
	b := frame[ip+f.ipLen():]
	switch proto {
	case protoUDP:
		f.finishUDP(b)
	case protoTCP:
		binary.BigEndian.PutUint16(b[16:], ^fold(add(sum(b), f.pseudo(proto, len(b)))))
	case protoICMPv6:
		binary.BigEndian.PutUint16(b[2:], ^fold(add(sum(b), f.pseudo(proto, len(b)))))
	case protoICMP:
		binary.BigEndian.PutUint16(b[2:], ^fold(sum(b)))
	}
	return f.pad(frame, d)
}

func (f *flow) ipLen() int {
	if f.v6 {
		return ip6Len
	}
	return ip4Len
}

// pad fills a received frame up to Ethernet's minimum; sent frames are captured before padding.
func (f *flow) pad(frame []byte, d direction) []byte {
	if f.ends[1-d].ours && len(frame) < minEther {
		var zero [minEther]byte
		frame = append(frame, zero[len(frame):]...)
	}
	return frame
}

// TCP flags.
const (
	flagFIN = 1 << iota
	flagSYN
	flagRST
	flagPSH
	flagACK
)

// appendTCPHeader appends a TCP header without its checksum; a SYN has options.
func (f *flow) appendTCPHeader(dst []byte, d direction, seq, ack uint32, flags uint8) []byte {
	dst = binary.BigEndian.AppendUint16(dst, f.ends[d].port)
	dst = binary.BigEndian.AppendUint16(dst, f.ends[1-d].port)
	dst = binary.BigEndian.AppendUint32(dst, seq)
	dst = binary.BigEndian.AppendUint32(dst, ack)
	if flags&flagSYN == 0 {
		return append(dst, 5<<4, flags, 0xFA, 0xF0, 0, 0, 0, 0)
	}
	mss := f.mss()
	dst = append(dst, 8<<4, flags, 0xFF, 0xFF, 0, 0, 0, 0)
	// MSS, SACK permitted, window scale
	return append(dst, 2, 4, byte(mss>>8), byte(mss), 4, 2, 1, 1, 3, 3, 7, 0)
}

// fragmentSize returns how many bytes of an IP payload go into one fragment.
func (f *flow) fragmentSize() int {
	if f.v6 {
		return (mtu - ip6Len - fragLen) &^ 7
	}
	return (mtu - ip4Len) &^ 7
}

// appendFragment appends the frame of one fragment: payload is its part, at this offset of a UDP
// datagram.
func (f *flow) appendFragment(dst []byte, d direction, id uint32, offset int, more bool, payload []byte) []byte {
	var flag uint16
	if f.v6 {
		dst, ip := f.open(dst, d, protoFrag, 0)
		if more {
			flag = 1
		}
		dst = append(dst, protoUDP, 0)
		dst = binary.BigEndian.AppendUint16(dst, uint16(offset)|flag)
		dst = binary.BigEndian.AppendUint32(dst, id)
		dst = append(dst, payload...)
		f.finishIP(dst, ip)
		return f.pad(dst, d)
	}
	if more {
		flag = 1 << 13
	}
	dst, ip := f.open(dst, d, protoUDP, uint16(id))
	binary.BigEndian.PutUint16(dst[ip+6:], uint16(offset/8)|flag)
	dst = append(dst, payload...)
	f.finishIP(dst, ip)
	return f.pad(dst, d)
}

// sum adds up b as 64-bit big-endian words in ones' complement (RFC 1071); an odd end is filled
// with zeros.
func sum(b []byte) uint64 {
	var s, carry uint64
	for len(b) >= 8 {
		s, carry = bits.Add64(s, binary.BigEndian.Uint64(b), carry)
		b = b[8:]
	}
	var tail [8]byte
	copy(tail[:], b)
	s, carry = bits.Add64(s, binary.BigEndian.Uint64(tail[:]), carry)
	return s + carry
}

func add(a, b uint64) uint64 {
	s, carry := bits.Add64(a, b, 0)
	return s + carry
}

// fold reduces a sum to 16 bits.
func fold(s uint64) uint16 {
	s = s>>32 + s&0xFFFFFFFF
	s = s>>32 + s&0xFFFFFFFF
	s = s>>16 + s&0xFFFF
	s = s>>16 + s&0xFFFF
	return uint16(s>>16 + s)
}
