package pcapfile_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/pcapfile"
	"visor/capture/sourcetest"
	"visor/internal/packettest"
)

// TestConformance runs the suite of sources over a mapped file and over a stream.
func TestConformance(t *testing.T) {
	const n = 600
	var out bytes.Buffer
	w, err := pcapfile.NewWriter(&out, pcapfile.WriterConfig{Link: 1})
	require.NoError(t, err)
	for i := range n {
		require.NoError(t, w.WriteFrame(packettest.UDP(0, "192.0.2.1:5000", "192.0.2.53:53", make([]byte, i%50))))
	}
	require.NoError(t, w.Flush())
	path := filepath.Join(t.TempDir(), "a.pcap")
	require.NoError(t, os.WriteFile(path, out.Bytes(), 0o600))
	for name, open := range map[string]func() (*pcapfile.Reader, error){
		"mapped": func() (*pcapfile.Reader, error) { return pcapfile.Open(path) },
		"stream": func() (*pcapfile.Reader, error) { return pcapfile.NewReader(bytes.NewReader(out.Bytes()), "a") },
	} {
		t.Run(name, func(t *testing.T) {
			sourcetest.Run(t, sourcetest.Case{Frames: n, Open: func(t testing.TB) (capture.Source, func(int)) {
				src, err := open()
				require.NoError(t, err)
				return src, nil
			}})
		})
	}
}
