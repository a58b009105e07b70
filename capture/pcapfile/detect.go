package pcapfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/bits"

	"visor/internal/decompress"
)

const magicLen = 4

// Magic numbers as read in little-endian order, except those defined as bytes.
const (
	magicMicros   = 0xA1B2C3D4
	magicNanos    = 0xA1B23C4D
	magicModified = 0xA1B2CD34 // Kuznetsov's patch: longer record headers, microseconds
	magicPcapNG   = blockSection
	magicSnoop    = "snoop\x00\x00\x00"
)

var (
	errEmpty   = errors.New("empty file, where " + expected + " was expected")
	errTwice   = errors.New("compressed twice, where " + expected + " was expected")
	errForeign = errors.New("not a capture file; " + expected + " was expected")

	// errNext is returned by scan at the start of another capture file, in a concatenation of
	// several files.
	errNext = errors.New("another file begins")

	// errZeros is returned for the zeros that a crash leaves at the end of a file. They would be
	// packets of 1970 without bytes.
	errZeros = errors.New("zeros in place of a packet; the file was not written to its end")
)

const expected = "a pcap, pcapng or snoop capture, plain or in gzip, zstd or bzip2,"

// mayBegin reports whether v, the first four bytes of a record in little-endian order, is a magic
// number.
func mayBegin(v uint32) bool {
	// true for nearly all records
	if v>>16 != magicMicros>>16 && uint16(v) != 0xB2A1 && v != magicPcapNG && v != snoopStart {
		return false
	}
	switch magicNumber(v) {
	case magicMicros, magicNanos, magicModified, magicPcapNG, snoopStart:
		return true
	}
	return false
}

// magicNumber returns a pcap magic number in the byte order of its file.
func magicNumber(v uint32) uint32 {
	if byte(v) == 0xA1 {
		return bits.ReverseBytes32(v)
	}
	return v
}

// begins reports whether p, at the position of a record, begins another capture file. p has the
// length of a pcap header. An ordinary record looks the same only if its timestamp and both lengths
// have very unlikely values.
func begins(p []byte) bool {
	order := binary.ByteOrder(binary.LittleEndian)
	if p[0] == 0xA1 {
		order = binary.BigEndian
	}
	switch magicNumber(binary.LittleEndian.Uint32(p)) {
	case magicMicros, magicNanos, magicModified:
		return order.Uint16(p[4:]) == 2 && order.Uint16(p[6:]) <= 4 && order.Uint32(p[8:]) == 0
	case magicPcapNG:
		order := binary.LittleEndian.Uint32(p[blockHeader:])
		return order == byteOrderMagic || bits.ReverseBytes32(order) == byteOrderMagic
	}
	return bytes.HasPrefix(p, []byte(magicSnoop))
}

// detect returns the format of a file that begins with p, and the length of its header. It may need
// more bytes to decide.
func detect(p []byte) (f format, n int, miss missing, err error) {
	if len(p) < magicLen {
		return nil, 0, missing{"magic number", 0, magicLen}, nil
	}
	magic := binary.LittleEndian.Uint32(p)
	switch {
	case magic == magicPcapNG:
		return &pcapng{}, 0, missing{}, nil
	case bytes.HasPrefix([]byte(magicSnoop), p[:magicLen]):
		return detectSnoop(p)
	case decompress.Detect(p) != nil:
		return nil, 0, missing{}, errTwice
	}
	return detectPcap(p)
}
