package bgpmsg_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/decode/bgpmsg"
)

// message returns a message with a body of n bytes.
func message(typ bgpmsg.Type, n int) []byte {
	b := append(bytes.Repeat([]byte{0xFF}, 16), byte((19+n)>>8), byte(19+n), byte(typ))
	return append(b, make([]byte, n)...)
}

func stream(messages ...[]byte) []byte { return bytes.Join(messages, nil) }

// read feeds pieces of a size and returns the types of the messages.
func read(f *bgpmsg.Framer, data []byte, size int) (types []bgpmsg.Type) {
	for len(data) > 0 {
		n := min(size, len(data))
		f.Feed(data[:n])
		for f.Next() {
			types = append(types, f.Message().Type())
		}
		data = data[n:]
	}
	return types
}

// TestFramer finds the same messages however the stream is cut.
func TestFramer(t *testing.T) {
	data := stream(message(bgpmsg.Open, 10), message(bgpmsg.Update, 4000), message(bgpmsg.Keepalive, 0), message(bgpmsg.Keepalive, 0),
		message(bgpmsg.RouteRefresh, 4), message(bgpmsg.Notification, 2), message(bgpmsg.Update, 60_000))
	for _, size := range []int{1, 7, 19, 1460, 1 << 20} {
		var f bgpmsg.Framer
		require.Equal(t, []bgpmsg.Type{bgpmsg.Open, bgpmsg.Update, bgpmsg.Keepalive, bgpmsg.Keepalive, bgpmsg.RouteRefresh, bgpmsg.Notification, bgpmsg.Update},
			read(&f, data, size), size)
		require.Zero(t, f.TakeMalformed())
	}
}

// TestMalformed counts each malformed stretch once, and continues with the next message.
func TestMalformed(t *testing.T) {
	keepalive := message(bgpmsg.Keepalive, 0)
	for what, junk := range map[string][]byte{
		"another protocol": []byte("GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n"),
		"unknown type":     message(9, 0), "long keepalive": message(bgpmsg.Keepalive, 1), "short open": message(bgpmsg.Open, 1),
		"length of zero": append(bytes.Repeat([]byte{0xFF}, 16), 0, 0, 4),
	} {
		for _, size := range []int{1, 20, 1 << 20} {
			var f bgpmsg.Framer
			types := read(&f, stream(keepalive, junk, keepalive, keepalive), size)
			require.Equal(t, []bgpmsg.Type{bgpmsg.Keepalive, bgpmsg.Keepalive, bgpmsg.Keepalive}, types, "%s, %d", what, size)
			require.EqualValues(t, 1, f.TakeMalformed(), what)
			require.Zero(t, f.TakeMalformed(), what)
		}
	}
}

// TestGap continues behind the lost bytes, at the next message.
func TestGap(t *testing.T) {
	var f bgpmsg.Framer
	update, keepalive := message(bgpmsg.Update, 100), message(bgpmsg.Keepalive, 0)
	require.Empty(t, read(&f, update[:50], 50))
	f.Gap()
	require.Equal(t, []bgpmsg.Type{bgpmsg.Keepalive}, read(&f, stream(update[90:], keepalive), 1000))
	require.Zero(t, f.TakeMalformed(), "what was lost is not malformed")
	f.Feed(update[:30])
	require.False(t, f.Next())
	f.Reset()
	require.Equal(t, []bgpmsg.Type{bgpmsg.Keepalive}, read(&f, keepalive, 5))
}

func TestAllocs(t *testing.T) {
	var f bgpmsg.Framer
	data := stream(message(bgpmsg.Update, 100), message(bgpmsg.Keepalive, 0))
	read(&f, data, 50)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		for i := 0; i < len(data); i += 50 {
			f.Feed(data[i:min(i+50, len(data))])
			for f.Next() {
			}
		}
	}))
}

// FuzzFramer finds the same in one piece and in many.
func FuzzFramer(f *testing.F) {
	f.Add(stream(message(bgpmsg.Open, 10), []byte("junk"), message(bgpmsg.Keepalive, 0)), uint8(7))
	f.Fuzz(func(t *testing.T, data []byte, size uint8) {
		var whole, cut bgpmsg.Framer
		require.Equal(t, read(&whole, data, 1<<20), read(&cut, data, int(size)+1))
		require.Equal(t, whole.TakeMalformed(), cut.TakeMalformed())
	})
}

func ExampleFramer() {
	var f bgpmsg.Framer
	f.Feed(stream(message(bgpmsg.Open, 10), message(bgpmsg.Keepalive, 0)))
	for f.Next() {
		fmt.Println(f.Message().Type() == bgpmsg.Open, len(f.Message().Body()))
	}
	// Output:
	// true 10
	// false 0
}
