package dnstapmsg

import (
	"encoding/binary"
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
	n := 1 + varintSize(uint64(body)) + body + 2
	if len(m.Identity) > 0 {
		n += 1 + varintSize(uint64(len(m.Identity))) + len(m.Identity)
	}
	return n
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
		uintSize(uint64(m.QueryPort)) + uintSize(uint64(m.ResponsePort))
	if m.HTTP > 0 {
		n += uintSize(uint64(m.HTTP)) + 1 // its tag has two bytes
	}
	for _, t := range [...]int64{m.QueryTime, m.ResponseTime} {
		if t > 0 {
			n += uintSize(uint64(t/int64(time.Second))) + 5
		}
	}
	for _, b := range [...][]byte{m.QueryAddr, m.ResponseAddr, m.Query, m.Response, m.Policy} {
		if len(b) > 0 {
			n += 1 + varintSize(uint64(len(b))) + len(b)
		}
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

func appendUint(dst []byte, number uint8, v uint64) []byte {
	if v == 0 {
		return dst
	}
	return binary.AppendUvarint(appendTag(dst, number, wireVarint), v)
}

func appendBytes(dst []byte, number uint8, b []byte) []byte {
	if len(b) == 0 {
		return dst
	}
	dst = binary.AppendUvarint(appendTag(dst, number, wireBytes), uint64(len(b)))
	return append(dst, b...)
}

// appendTime appends seconds as field number, and nanoseconds as the next one.
func appendTime(dst []byte, number uint8, ns int64) []byte {
	if ns <= 0 {
		return dst
	}
	dst = appendUint(dst, number, uint64(ns/int64(time.Second)))
	return binary.LittleEndian.AppendUint32(appendTag(dst, number+1, wireFixed32), uint32(ns%int64(time.Second)))
}

// uintSize returns the number of bytes that appendUint appends for a field number below 16.
func uintSize(v uint64) int {
	if v == 0 {
		return 0
	}
	return 1 + varintSize(v)
}

func varintSize(v uint64) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}
