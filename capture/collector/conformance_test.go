package collector_test

import (
	"testing"

	"visor/capture"
	"visor/capture/sourcetest"
)

// TestConformance runs the suite of sources. Datagrams in the kernel's buffer are lost with Close.
func TestConformance(t *testing.T) {
	sourcetest.Run(t, sourcetest.Case{Frames: sourcetest.Endless, Lossy: true, Open: func(t testing.TB) (capture.Source, func(int)) {
		src, conn := listen(t, "127.0.0.1:0")
		return src, func(n int) {
			for i := range n {
				_, _ = conn.Write([]byte{0, 5, byte(i)}) // the port may be closed already
			}
		}
	}})
}
