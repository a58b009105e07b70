package pcapfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

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
)

var (
	errEmpty = errors.New("empty file, where " + expected + " was expected")
	errTwice = errors.New("compressed twice, where " + expected + " was expected")
)

const expected = "a pcap, pcapng or snoop capture, plain or in gzip or zstd,"

// compression returns what opens the compression that p begins with, or nil.
func compression(p []byte) func(io.Reader) (io.Reader, error) {
	switch {
	case bytes.HasPrefix(p, []byte(magicGzip)):
		return openGzip
	case bytes.HasPrefix(p, []byte(magicZstd)):
		return openZstd
	}
	return nil
}

func openGzip(in io.Reader) (io.Reader, error) { return gzip.NewReader(in) }

// openZstd decodes in the goroutine that reads: nothing has to be closed.
func openZstd(in io.Reader) (io.Reader, error) {
	return zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindow))
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
