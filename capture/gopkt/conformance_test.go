package gopkt_test

import (
	"bytes"
	"testing"

	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/gopkt"
	"visor/capture/pcapfile"
	"visor/capture/sourcetest"
	"visor/internal/packettest"
)

// TestConformance runs the suite of sources over a reader of gopacket.
func TestConformance(t *testing.T) {
	const n = 300
	var file bytes.Buffer
	w, err := pcapfile.NewWriter(&file, pcapfile.WriterConfig{Link: 1})
	require.NoError(t, err)
	for range n {
		require.NoError(t, w.WriteFrame(packettest.UDP(0, "192.0.2.1:5000", "192.0.2.53:53", []byte("x"))))
	}
	require.NoError(t, w.Flush())
	sourcetest.Run(t, sourcetest.Case{Frames: n, Open: func(t testing.TB) (capture.Source, func(int)) {
		in, err := pcapgo.NewReader(bytes.NewReader(file.Bytes()))
		require.NoError(t, err)
		src, err := gopkt.NewRecording(in, gopkt.Config{Batch: capture.BatchSize})
		require.NoError(t, err)
		return src, nil
	}})
}
