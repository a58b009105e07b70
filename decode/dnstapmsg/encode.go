package dnstapmsg

import (
	"encoding/binary"
	"math/bits"
	"time"
)

// AppendTo appends m as a frame that Parse reads, and returns the extended slice. Zero fields of m
// are left out. It is for programs that produce dnstap; m is not checked.
func (m *Message) AppendTo(dst []byte) []byte {
	if len(m.Identity) > 0 {
		dst = appendBytes(dst, 1, m.Identity)
	}
	dst = appendTag(dst, 14, wireBytes)
	dst = binary.AppendUvarint(dst, uint64(m.size()))
	dst = m.appendBody(dst)
	return appendUint(dst, 15, 1)
}

// Len returns the number of bytes that AppendTo appends.
func (m *Message) Len() int {
	body := m.size()
	return bytesSize(m.Identity) + 1 + varintSize(uint64(body)) + body + 2
}

// appendBody appends the embedded message. Each of its fields must be in size, too.
func (m *Message) appendBody(dst []byte) []byte {
	dst = appendUint(dst, 1, uint64(m.Type))
	dst = appendUint(dst, 2, m.family())
	dst = appendUint(dst, 3, uint64(m.Protocol))
	dst = appendBytes(dst, 4, m.QueryAddr)
	dst = appendBytes(dst, 5, m.ResponseAddr)
	dst = appendUint(dst, 6, uint64(m.QueryPort))
	dst = appendUint(dst, 7, uint64(m.ResponsePort))
	dst = appendTime(dst, 8, m.QueryTime)
	dst = appendBytes(dst, 10, m.Query)
	dst = appendTime(dst, 12, m.ResponseTime)
	dst = appendBytes(dst, 14, m.Response)
	dst = appendBytes(dst, 15, m.Policy)
	return appendUint(dst, 16, uint64(m.HTTP))
}

// size returns the number of bytes that appendBody appends.
func (m *Message) size() int {
	n := uintSize(uint64(m.Type)) + uintSize(m.family()) + uintSize(uint64(m.Protocol)) +
		uintSize(uint64(m.QueryPort)) + uintSize(uint64(m.ResponsePort)) +
		timeSize(m.QueryTime) + timeSize(m.ResponseTime) +
		bytesSize(m.QueryAddr) + bytesSize(m.ResponseAddr) + bytesSize(m.Query) + bytesSize(m.Response) + bytesSize(m.Policy)
	if m.HTTP > 0 {
		n += uintSize(uint64(m.HTTP)) + 1 // its tag has two bytes
	}
	return n
}

// family returns the socket family.
func (m *Message) family() uint64 {
	switch {
	case m.IPv4:
		return 1
	case m.IPv6:
		return 2
	}
	return 0
}

func appendTag(dst []byte, number, wire uint8) []byte {
	return binary.AppendUvarint(dst, uint64(number)<<3|uint64(wire))
}

// appendUint appends a number. Most have one byte, and so have tags of numbers below 16: these do
// without the loops of AppendUvarint, here and below, which makes AppendTo twice as fast.
func appendUint(dst []byte, number uint8, v uint64) []byte {
	switch {
	case v == 0:
		return dst
	case v < 0x80 && number < 16:
		return append(dst, number<<3|wireVarint, byte(v))
	}
	return binary.AppendUvarint(appendTag(dst, number, wireVarint), v)
}

// appendBytes appends a field with a number below 16.
func appendBytes(dst []byte, number uint8, b []byte) []byte {
	switch n := len(b); {
	case n == 0:
		return dst
	case n < 0x80:
		dst = append(dst, number<<3|wireBytes, byte(n))
	default:
		dst = binary.AppendUvarint(append(dst, number<<3|wireBytes), uint64(n))
	}
	return append(dst, b...)
}

// since1978 is the first time in ns whose seconds are a varint of five bytes. So are all later
// ones.
const since1978 = int64(1<<28) * int64(time.Second)

// appendTime appends seconds as field number, and nanoseconds as the next one.
func appendTime(dst []byte, number uint8, ns int64) []byte {
	if ns <= 0 {
		return dst
	}
	sec, rest := uint64(ns/int64(time.Second)), uint32(ns%int64(time.Second))
	if ns >= since1978 {
		dst = append(dst, number<<3|wireVarint, byte(sec)|0x80, byte(sec>>7)|0x80, byte(sec>>14)|0x80, byte(sec>>21)|0x80, byte(sec>>28))
	} else {
		dst = appendUint(dst, number, sec)
	}
	return binary.LittleEndian.AppendUint32(append(dst, (number+1)<<3|wireFixed32), rest)
}

// uintSize returns the number of bytes that appendUint appends for a field number below 16.
func uintSize(v uint64) int {
	if v == 0 {
		return 0
	}
	return 1 + varintSize(v)
}

// bytesSize returns the number of bytes that appendBytes appends.
func bytesSize(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	return 1 + varintSize(uint64(len(b))) + len(b)
}

// timeSize returns the number of bytes that appendTime appends.
func timeSize(ns int64) int {
	switch {
	case ns <= 0:
		return 0
	case ns >= since1978:
		return 1 + 5 + 5
	}
	return uintSize(uint64(ns/int64(time.Second))) + 5
}

// varintSize returns the number of bytes of a varint, which hold 7 bits each.
func varintSize(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }
