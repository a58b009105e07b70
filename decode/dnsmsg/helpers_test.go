package dnsmsg_test

import (
	"encoding/binary"
	"strings"
)

// header returns the header of a message.
func header(id, flags, qd, an, ns, ar uint16) []byte {
	var b []byte
	for _, v := range []uint16{id, flags, qd, an, ns, ar} {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return b
}

// wireName returns the wire form of a name without escapes.
func wireName(name string) string {
	var b strings.Builder
	for label := range strings.SplitSeq(name, ".") {
		if label != "" {
			b.WriteByte(byte(len(label)))
			b.WriteString(label)
		}
	}
	return b.String() + "\x00"
}

// query returns a query of type A, class IN, for a name in wire form.
func query(wire string) []byte {
	return append(header(0x1234, 0x0100, 1, 0, 0, 0), wire+"\x00\x01\x00\x01"...)
}

// record returns a record of class IN and TTL 60 whose owner is in wire form.
func record(owner string, typ uint16, data string) string {
	b := binary.BigEndian.AppendUint16([]byte(owner), typ)
	b = append(b, 0, 1, 0, 0, 0, 60)
	b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
	return string(b) + data
}

// optRecord returns an OPT record of UDP size 1232, DO set, extended RCODE bits 1.
func optRecord(options ...string) string {
	data := strings.Join(options, "")
	b := []byte{0, 0, 41, 0x04, 0xD0, 1, 0, 0x80, 0}
	b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
	return string(b) + data
}

// option returns an EDNS option.
func option(code uint16, data string) string {
	b := binary.BigEndian.AppendUint16(nil, code)
	b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
	return string(b) + data
}

// response returns a response for www.Example.com: a CNAME to it, its addresses, a name server, and
// OPT.
func response() []byte {
	b := header(0x1234, 0x8580, 1, 3, 1, 1)
	b = append(b, wireName("www.Example.com")+"\x00\x01\x00\x01"...) // example.com at 16, com at 24
	b = append(b, record("\xC0\x0C", 5, "\x03web\xC0\x10")...)
	b = append(b, record("\x03web\xC0\x10", 1, "\xC0\x00\x02\x01")...)
	b = append(b, record("\x03web\xC0\x10", 28, "\x20\x01\x0D\xB8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01")...)
	b = append(b, record("\xC0\x10", 2, "\x02ns\xC0\x18")...)
	return append(b, optRecord(option(10, "12345678"), option(8, "\x00\x01\x18\x10\xC6\x33\x64"))...)
}
