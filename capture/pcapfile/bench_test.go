package pcapfile_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/pcapfile"
)

const benchPackets = 1_000_000

// walk reads the first byte of every frame, as a decoder would.
func walk(b *testing.B, open func() *pcapfile.Reader) {
	var batch capture.Batch
	b.ReportAllocs()
	sum := 0
	for b.Loop() {
		r := open()
		for r.ReadBatch(&batch) == nil {
			for i := range batch.Frames {
				sum += len(batch.Frames[i].Data)
			}
		}
		_ = r.Close()
	}
	if sum == 0 {
		b.Fatal("no frames")
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchPackets), "ns/packet")
}

func benchPcap() []byte {
	data := strings.Repeat("x", 200)
	file := pcapHead(little, 0xA1B2C3D4, 2, 4, 1)
	for i := range benchPackets {
		file = append(file, pcapRec(little, i, i, data[:70+i%80], 150)...)
	}
	return file
}

func BenchmarkPcapMapped(b *testing.B) {
	path := save(b, "file", benchPcap())
	walk(b, func() *pcapfile.Reader {
		r, err := pcapfile.Open(path)
		require.NoError(b, err)
		return r
	})
}

// BenchmarkPcapBytes avoids the page faults of a fresh map.
func BenchmarkPcapBytes(b *testing.B) {
	file := benchPcap()
	walk(b, func() *pcapfile.Reader {
		r, err := pcapfile.OpenBytes(file, "bytes")
		require.NoError(b, err)
		return r
	})
}

func BenchmarkPcapStream(b *testing.B) {
	file := benchPcap()
	walk(b, func() *pcapfile.Reader {
		r, err := pcapfile.NewReader(bytes.NewReader(file), "stream")
		require.NoError(b, err)
		return r
	})
}

func BenchmarkPcapNGBytes(b *testing.B) {
	data := strings.Repeat("x", 200)
	file := concat(section(little), itf(little, 1, 0))
	for i := range benchPackets {
		data := data[:(70+i%80)&^3]
		file = append(file, block(little, 6, 0, 0, i, len(data), 150, data)...)
	}
	walk(b, func() *pcapfile.Reader {
		r, err := pcapfile.OpenBytes(file, "bytes")
		require.NoError(b, err)
		return r
	})
}
