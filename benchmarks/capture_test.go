package benchmarks

import (
	"bufio"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/pcapfile"
	"visor/decode"
	"visor/internal/trafficgen"
)

// TestWriteHour writes a capture of 60 minutes to the file in VISOR_HOUR: mixed traffic, and in
// minute 41 an attack on names below victim.example. results/reader-2gb.txt has what visor-reader
// answers.
func TestWriteHour(t *testing.T) {
	path := os.Getenv("VISOR_HOUR")
	if path == "" {
		t.Skip("VISOR_HOUR names no file")
	}
	base, attack := trafficgen.Mixed(60*60*1400), trafficgen.RandomLabelAttack(60*2000, 90)
	base.PPS, attack.PPS, attack.Seed = 1400, 2000, 41
	attack.Start = time.Date(2026, 1, 1, 0, 41, 0, 0, time.UTC)
	src := capture.Merge(trafficgen.NewSource(base), trafficgen.NewSource(attack))
	f, err := os.Create(path)
	require.NoError(t, err)
	out := bufio.NewWriterSize(f, 1<<20)
	w, err := pcapfile.NewWriter(out, pcapfile.WriterConfig{Link: decode.LinkEthernet})
	require.NoError(t, err)
	for b := new(capture.Batch); src.ReadBatch(b) == nil; {
		for _, frame := range b.Frames {
			require.NoError(t, w.WriteFrame(frame))
		}
	}
	require.NoError(t, w.Flush())
	require.NoError(t, out.Flush())
	require.NoError(t, f.Close())
}
