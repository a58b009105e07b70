package pcapfile_test

import (
	"bytes"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/pcapfile"
	"visor/internal/decompress"
)

// same reads a file as a whole and as a stream in small pieces. Frames and errors must be the same,
// and frames must not exceed the size of the file. Compressed files are skipped, because only the
// stream is decompressed here.
func same(t *testing.T, file []byte) {
	if decompress.Detect(file) != nil {
		t.Skip("compressed")
	}
	whole, err := pcapfile.OpenBytes(file, "fuzz")
	var all []capture.Frame
	if err == nil {
		all, err = readAll(t, whole)
	}
	stream, streamErr := pcapfile.NewReader(iotest.HalfReader(bytes.NewReader(file)), "fuzz")
	var got []capture.Frame
	if streamErr == nil {
		got, streamErr = readAll(t, stream)
	}
	require.Equal(t, all, got)
	require.Equal(t, err, streamErr)
	sum := 0
	for _, f := range all {
		sum += len(f.Data)
	}
	require.LessOrEqual(t, sum, len(file))
}

func FuzzPcap(f *testing.F) {
	head := pcapHead(little, 0xA1B2C3D4, 2, 4, 1)
	f.Add(concat(head, pcapRec(little, 1, 2, "abc", 60), pcapRec(little, 1, 2, "", 0))[4:])
	f.Add(concat(head, words(little, 1, 2, 3, 4))[4:])
	f.Add(pcapHead(little, 0xA1B2C3D4, 2, 3, 1)[4:])
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, magic := range []string{"\xd4\xc3\xb2\xa1", "\xa1\xb2\x3c\x4d", "\x34\xcd\xb2\xa1"} {
			same(t, append([]byte(magic), b...))
		}
	})
}

func FuzzPcapng(f *testing.F) {
	for _, file := range small() {
		f.Add(file.bytes)
	}
	f.Add(concat(section(big), itf(big, 1, 4, option(big, 9, "\xff"), option(big, 14, uint64(1<<63))),
		enhanced(big, 0, 1<<63, "abc", 2), block(big, 3, 9, "0123"), block(big, 2, uint16(0), uint16(0), 0, 5, 1, 60, "x")))
	f.Fuzz(same)
}
