package pcapfile

import (
	"bytes"
	"compress/bzip2"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	magicLen   = 4
	zstdWindow = 128 << 20 // largest window accepted: that of zstd --long
)

// The magic numbers, as they stand in a little-endian file, except where they are bytes.
const (
	magicMicros   = 0xA1B2C3D4
	magicNanos    = 0xA1B23C4D
	magicModified = 0xA1B2CD34 // Kuznetsov's patch: longer record headers, microseconds
	magicPcapNG   = blockSection
	magicSnoop    = "snoop\x00\x00\x00"
	magicGzip     = "\x1F\x8B"
	magicZstd     = "\x28\xB5\x2F\xFD"
	magicBzip2    = "BZh"
)

// unpackers are programs for compressions that are not read here: they write to a pipe.
var unpackers = []struct{ magic, name, command string }{
	{"\xFD7zXZ\x00", "xz", "xz -dc"},
	{"\x04\x22\x4D\x18", "lz4", "lz4 -dc"},
	{"\x02\x21\x4C\x18", "lz4", "lz4 -dc"}, // its old format
	{"LZIP", "lzip", "lzip -dc"},
	{"\x1F\x9D", "compress", "gzip -dc"},
	{"PK\x03\x04", "zip", "unzip -p"},
	{"7z\xBC\xAF\x27\x1C", "7-Zip", "7z x -so"},
}

var (
	errEmpty   = errors.New("empty file, where " + expected + " was expected")
	errTwice   = errors.New("compressed twice, where " + expected + " was expected")
	errForeign = errors.New("not a capture file; " + expected + " was expected")

	// errNext is what scan returns where another capture file begins: the file is several, one after the other.
	errNext = errors.New("another file begins")
)

const expected = "a pcap, pcapng or snoop capture, plain or in gzip, zstd or bzip2,"

// compression returns what opens the compression that p begins with, or nil.
func compression(p []byte) func(io.Reader) (io.Reader, error) {
	switch {
	case bytes.HasPrefix(p, []byte(magicGzip)):
		return openGzip
	case bytes.HasPrefix(p, []byte(magicZstd)):
		return openZstd
	case bytes.HasPrefix(p, []byte(magicBzip2)):
		return openBzip2
	}
	return nil
}

// packed returns an error that names the compression which p begins with and the command that undoes it, or nil.
func packed(p []byte, name string) error {
	for _, u := range unpackers {
		if bytes.HasPrefix(p, []byte(u.magic)) {
			return fmt.Errorf("compressed by %s, which is not read here; unpack it into a pipe: %s %s | visor-reader -", u.name, u.command, name)
		}
	}
	return nil
}

func openBzip2(in io.Reader) (io.Reader, error) { return bzip2.NewReader(in), nil }

func openGzip(in io.Reader) (io.Reader, error) { return gzip.NewReader(in) }

// openZstd decodes in the goroutine that reads: nothing has to be closed.
func openZstd(in io.Reader) (io.Reader, error) {
	return zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindow))
}

// mayBegin reports whether the first four bytes of a record, as they stand in a little-endian file, are those of a
// capture file.
func mayBegin(v uint32) bool {
	if v>>16 != magicMicros>>16 && uint16(v) != 0xB2A1 && v != magicPcapNG && v != snoopStart { // nearly all records
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

// begins reports whether p, where a record was expected, begins another capture file. It has the length of a pcap
// header. A record that looks alike would need its time, its fraction of a second and its lengths to be just so.
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
	case compression(p) != nil:
		return nil, 0, missing{}, errTwice
	}
	return detectPcap(p)
}
