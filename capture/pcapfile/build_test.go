package pcapfile_test

import (
	"encoding/binary"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/pcapfile"
	"visor/decode"
)

var (
	little = binary.LittleEndian
	big    = binary.BigEndian
)

// order is the part of a byte order that the builders need.
type order interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// words appends values: numbers in byte order o, bytes and strings unchanged.
func words(o order, values ...any) []byte {
	var b []byte
	for _, v := range values {
		switch v := v.(type) {
		case int:
			b = o.AppendUint32(b, uint32(v))
		case uint16:
			b = o.AppendUint16(b, v)
		case uint32:
			b = o.AppendUint32(b, v)
		case uint64:
			b = o.AppendUint64(b, v)
		case []byte:
			b = append(b, v...)
		case string:
			b = append(b, v...)
		}
	}
	return b
}

func concat(parts ...[]byte) (b []byte) {
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// pcapHead returns a file header with snaplen 65535.
func pcapHead(o order, magic uint32, major, minor uint16, link uint32) []byte {
	return words(o, magic, major, minor, 0, 0, 65535, link)
}

func pcapRec(o order, sec, sub int, data string, original int) []byte {
	return words(o, sec, sub, len(data), original, data)
}

// block returns a pcapng block; the body is padded.
func block(o order, kind uint32, body ...any) []byte {
	b := words(o, body...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return words(o, kind, len(b)+12, b, len(b)+12)
}

func section(o order) []byte {
	return block(o, 0x0A0D0D0A, 0x1A2B3C4D, uint16(1), uint16(0), uint64(1<<64-1))
}

func itf(o order, link uint16, snaplen int, options ...any) []byte {
	return block(o, 1, link, uint16(0), snaplen, words(o, options...))
}

// option returns one option, padded.
func option(o order, code uint16, value ...any) []byte {
	v := words(o, value...)
	b := words(o, code, uint16(len(v)), v)
	for len(b)%4 != 0 {
		b = append(b, 0xEE)
	}
	return b
}

func enhanced(o order, number int, ticks uint64, data string, original int) []byte {
	pad := make([]byte, -len(data)&3)
	return block(o, 6, number, uint32(ticks>>32), uint32(ticks), len(data), original, data, pad,
		option(o, 1, "a comment"), option(o, 0))
}

func want(timeNS int64, data string, wire uint32, link decode.LinkType) capture.Frame {
	return capture.Frame{TimeNS: timeNS, Data: []byte(data), WireLen: wire, Link: link}
}

// readAll returns copies of all frames, and the final error, or nil for io.EOF.
func readAll(t testing.TB, src capture.Source) ([]capture.Frame, error) {
	t.Helper()
	var b capture.Batch
	var out []capture.Frame
	for {
		if err := src.ReadBatch(&b); err != nil {
			require.Empty(t, b.Frames)
			require.Equal(t, err, src.ReadBatch(&b), "errors stay")
			if err == io.EOF {
				err = nil
			}
			return out, err
		}
		require.NotEmpty(t, b.Frames)
		require.LessOrEqual(t, len(b.Frames), capture.BatchSize)
		for _, f := range b.Frames {
			require.Equal(t, len(f.Data), cap(f.Data), "an append must not reach the next frame")
			require.GreaterOrEqual(t, f.WireLen, uint32(len(f.Data)))
			f.Data = append([]byte{}, f.Data...)
			out = append(out, f)
		}
	}
}

func read(t testing.TB, file []byte) ([]capture.Frame, error) {
	t.Helper()
	r, err := pcapfile.OpenBytes(file, "test")
	if err != nil {
		return nil, err
	}
	return readAll(t, r)
}
