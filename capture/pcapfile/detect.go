package pcapfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/bits"

	"visor/internal/decompress"
)

const magicLen = 4

// The magic numbers, as they stand in a little-endian file, except where they are bytes.
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

	// errNext is what scan returns where another capture file begins: the file is several, one
	// after the other.
	errNext = errors.New("another file begins")
)

const expected = "a pcap, pcapng or snoop capture, plain or in gzip, zstd or bzip2,"

// mayBegin reports whether the first four bytes of a record, as they stand in a little-endian file,
// are those of a capture file.
func mayBegin(v uint32) bool {
	// nearly all records
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

// begins reports whether p, where a record was expected, begins another capture file. It has the
// length of a pcap header. A record that looks alike would need its time, its fraction of a second
// and its lengths to be just so.
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

// detect returns the format of a file that begins with p, and the length of its header. More bytes
// may be needed to say.
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
