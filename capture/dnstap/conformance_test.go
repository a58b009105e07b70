package dnstap_test

import (
	"bytes"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/dnstap"
	"visor/capture/sourcetest"
)

// TestConformance runs the suite of sources over files, sockets and outputs.
func TestConformance(t *testing.T) {
	t.Run("File", func(t *testing.T) {
		const n = 600
		sourcetest.Run(t, sourcetest.Case{Frames: n, Open: func(t testing.TB) (capture.Source, func(int)) {
			src, err := dnstap.NewFile(bytes.NewReader(file(n)), "a")
			require.NoError(t, err)
			return src, nil
		}})
	})
	t.Run("Listener", func(t *testing.T) { // what is on its way to a socket that closes is lost
		sourcetest.Run(t, sourcetest.Case{Frames: sourcetest.Endless, Lossy: true, Open: func(t testing.TB) (capture.Source, func(int)) {
			l := listen(t, dnstap.Config{})
			conn := dial(t, l)
			send(t, conn, control(begin, contentType))
			return l, func(n int) { submit(conn, n) }
		}})
	})
	t.Run("Output", func(t *testing.T) {
		sourcetest.Run(t, sourcetest.Case{Frames: sourcetest.Endless, Open: func(t testing.TB) (capture.Source, func(int)) {
			out := dnstap.NewOutput()
			t.Cleanup(out.Close)
			go out.RunOutputLoop()
			return out.Source(), func(n int) {
				for i := range n {
					out.GetOutputChannel() <- message(i)
				}
			}
		}})
	})
}

// submit sends messages. The socket may be closed already.
func submit(conn net.Conn, n int) {
	for i := range n {
		_, _ = conn.Write(data(message(i)))
	}
}
