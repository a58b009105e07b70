package handler_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/handler"
	"visor/internal/packettest"
)

// bgpUpdate returns an UPDATE of n bytes, behind a marker.
func bgpUpdate(n int) []byte {
	b := append(bytes.Repeat([]byte{0xFF}, 16), byte(n>>8), byte(n), 2)
	return append(b, make([]byte, n-len(b))...)
}

// segments returns one direction of a connection from a position in b on, in segments of size
// bytes.
func segments(src, dst string, b []byte, from, size int) (frames []capture.Frame) {
	for at := from; at < len(b); at += size {
		frames = append(frames, packettest.TCP(0, src, dst, flagPSHACK, uint32(at), 1, b[at:min(at+size, len(b))]))
	}
	return frames
}

// TestStreamReasons has streams with unread parts. Each has its reason, and a complete stream has
// none.
func TestStreamReasons(t *testing.T) {
	const router, peer = "192.0.2.1:40001", "192.0.2.2:179"
	update := bytes.Repeat(bgpUpdate(1000), 3)
	reply := packettest.Stream(packettest.Reply(packettest.Query(1, "zone.example", 1), 0, 50))
	transfer := bytes.Repeat(reply, 3)
	withoutOne := func(frames []capture.Frame, n int) []capture.Frame {
		return append(frames[:n:n], frames[n+1:]...)
	}
	http := newTalk()
	http.client(flagPSHACK, []byte("\x00\x01GET / HTTP/1.1\r\n\r\n"))
	for _, tt := range []struct {
		name   string
		frames []capture.Frame
		want   string
	}{
		{"BGP from a boundary on", segments(router, peer, update, 1000, 500), ""},
		{"BGP from within a message on", segments(router, peer, update, 300, 700), "BGP stream without its beginning: it is read from its first whole message on: 1\n"},
		{"BGP within one message", segments(router, peer, bgpUpdate(4000), 300, 700), "BGP stream without its beginning: it is read from its first whole message on: 1\n"},
		{"BGP with a hole", withoutOne(segments(router, peer, update, 0, 500), 2), "DNS or BGP stream with missing segments: messages in them are not read; gaps: 1\n"},
		{"BGP that ends early", segments(router, peer, update[:2500], 0, 500), "DNS or BGP stream that ends within a message: 1\n"},
		{"DNS from a boundary on", segments(answerer, asker, transfer, len(reply), 500), ""},
		{"DNS from within a message on", segments(answerer, asker, transfer, 100, 500), "DNS stream without its beginning: it is read from its first whole message on: 1\n"},
		{"DNS that ends early", segments(answerer, asker, transfer[:len(transfer)-5], 0, 500), "DNS or BGP stream that ends within a message: 1\n"},
		{"another protocol", http.frames, "TCP stream that is not DNS, on a DNS port: 1\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, summarise(t, handler.Config{}, tt.frames...).reasons())
		})
	}
}
