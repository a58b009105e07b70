// Package decompress opens compressed recordings, which sources read as they come.
//
//	in := bufio.NewReader(file)
//	head, _ := in.Peek(decompress.MagicLen)
//	if open := decompress.Detect(head); open != nil {
//		plain, err := open(in)
//	}
//
// Several compressed files, one after the other, are read as one. Memory is that of the largest window accepted: 128 MiB of
// zstd --long, and much less of files that were written without it.
package decompress

import (
	"bytes"
	"compress/bzip2"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// MagicLen is how many bytes Detect looks at.
const MagicLen = 4

// maxWindow is the largest window of zstd that is accepted: that of zstd --long.
const maxWindow = 128 << 20

// Detect returns what opens the compression of a file that begins with head: gzip, zstd or bzip2. It returns nil for anything
// else. What is opened needs no Close: it has no goroutine.
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

func openGzip(in io.Reader) (io.Reader, error) { return gzip.NewReader(in) }

func openBzip2(in io.Reader) (io.Reader, error) { return bzip2.NewReader(in), nil }

func openZstd(in io.Reader) (io.Reader, error) {
	return zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
}
