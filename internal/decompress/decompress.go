// Package decompress opens compressed recordings for sources that read them as streams.
//
//	in := bufio.NewReader(file)
//	head, _ := in.Peek(decompress.MagicLen)
//	if open := decompress.Detect(head); open != nil {
//		plain, err := open(in)
//	}
//
// Several compressed files, one after the other, are read as one. Memory is bounded by the largest
// accepted window: 128 MiB for zstd --long, and much less for files without it.
package decompress

import (
	"bytes"
	"compress/bzip2"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// MagicLen is the number of bytes that Detect and Foreign examine, if present.
const MagicLen = 6

// maxWindow is the largest accepted window of zstd: the window of zstd --long.
const maxWindow = 128 << 20

// Detect returns a function that opens the compression of a file that begins with head: gzip, zstd
// or bzip2. It returns nil for anything else. The opened reader needs no Close: it has no
// goroutine.
func Detect(head []byte) func(io.Reader) (io.Reader, error) {
	switch {
	case bytes.HasPrefix(head, []byte("\x1F\x8B")):
		return openGzip
	case bytes.HasPrefix(head, []byte("\x28\xB5\x2F\xFD")):
		return openZstd
	case bytes.HasPrefix(head, []byte("BZh")):
		return openBzip2
	}
	return nil
}

// unpackers are programs for unsupported compressions: they write to a pipe.
var unpackers = []struct{ magic, name, command string }{
	{"\xFD7zXZ\x00", "xz", "xz -dc"},
	{"\x04\x22\x4D\x18", "lz4", "lz4 -dc"},
	{"\x02\x21\x4C\x18", "lz4", "lz4 -dc"}, // the old format of lz4
	{"LZIP", "lzip", "lzip -dc"},
	{"\x1F\x9D", "compress", "gzip -dc"},
	{"PK\x03\x04", "zip", "unzip -p"},
	{"7z\xBC\xAF\x27\x1C", "7-Zip", "7z x -so"},
}

// StandardInput is the name of standard input in errors.
const StandardInput = "standard input"

// Foreign returns an error for a file that begins with head. It names the compression and a command
// that decompresses the file for reader, a command that reads a pipe. It returns nil unless that is
// a compression that Detect does not support.
func Foreign(head []byte, name, reader string) error {
	for _, u := range unpackers {
		if bytes.HasPrefix(head, []byte(u.magic)) {
			if name == StandardInput {
				return fmt.Errorf("compressed by %s, which is not read here; unpack it first, as by %s | %s", u.name, u.command, reader)
			}
			return fmt.Errorf("compressed by %s, which is not read here; unpack it into a pipe: %s %s | %s", u.name, u.command, name, reader)
		}
	}
	return nil
}

func openGzip(in io.Reader) (io.Reader, error) {
	plain, err := gzip.NewReader(in)
	return named{plain, "gzip"}, cut(err, "gzip")
}

func openBzip2(in io.Reader) (io.Reader, error) { return named{bzip2.NewReader(in), "bzip2"}, nil }

func openZstd(in io.Reader) (io.Reader, error) {
	plain, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	return named{plain, "zstd"}, cut(err, "zstd")
}

// named adds the compression's name to the error for a file that ends too early: the libraries
// return a bare io.ErrUnexpectedEOF.
type named struct {
	in          io.Reader
	compression string
}

func (n named) Read(p []byte) (int, error) {
	got, err := n.in.Read(p)
	return got, cut(err, n.compression)
}

func cut(err error, compression string) error {
	if err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%s data cut: %w", compression, err)
	}
	return err
}
