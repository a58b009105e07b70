package bgp_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/decode/bgpmsg"
	"visor/handler"
	"visor/handler/bgp"
	"visor/handler/handlertest"
	"visor/internal/packettest"
)

const active, passive = "198.51.100.1:40000", "198.51.100.2:179"

// message returns a BGP message with a body of n bytes.
func message(typ bgpmsg.Type, n int) []byte {
	b := append(bytes.Repeat([]byte{0xFF}, 16), byte((19+n)>>8), byte(19+n), byte(typ))
	return append(b, make([]byte, n)...)
}

// session is a connection on which one side sends data in segments of a given size, starting at a
// given time.
func session(after time.Duration, size int, data []byte) []capture.Frame {
	frames := []capture.Frame{
		packettest.TCP(after, active, passive, decode.FlagSYN, 99, 0, nil),
		packettest.TCP(after, passive, active, decode.FlagSYN|decode.FlagACK, 499, 100, nil),
	}
	seq := uint32(100)
	for len(data) > 0 {
		n := min(size, len(data))
		after += time.Microsecond
		frames = append(frames, packettest.TCP(after, active, passive, decode.FlagACK, seq, 500, data[:n]))
		seq, data = seq+uint32(n), data[n:]
	}
	return append(frames, packettest.TCP(after, active, passive, decode.FlagFIN|decode.FlagACK, seq, 500, nil))
}

func stream() []byte {
	return bytes.Join([][]byte{
		message(bgpmsg.Open, 10), message(bgpmsg.Keepalive, 0), message(bgpmsg.Update, 3000), message(bgpmsg.Update, 4),
		message(bgpmsg.RouteRefresh, 4), message(bgpmsg.Notification, 2),
	}, nil)
}

func analyse(t *testing.T, frames []capture.Frame) (*bgp.Metrics, handler.Account) {
	h, err := bgp.New(bgp.Config{Settings: handler.Settings{Periods: 1}})
	require.NoError(t, err)
	p := handlertest.Analyse(t, h, capture.NewMemory(frames))
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	return bgp.From(snap), p.HandlerAccounts()["bgp"]
}

func counts(m *bgp.Metrics) []uint64 {
	return []uint64{m.Events.Value(), m.Open.Value(), m.Update.Value(), m.Notification.Value(), m.Keepalive.Value(), m.RouteRefresh.Value()}
}

// TestMessages counts the same messages for segments with many messages and for messages over many
// segments.
func TestMessages(t *testing.T) {
	for _, size := range []int{10, 100, 1400, 1 << 15} {
		m, account := analyse(t, session(0, size, stream()))
		require.Equal(t, []uint64{6, 1, 2, 1, 1, 1}, counts(m), size)
		require.Equal(t, handler.Account{Offered: 6, Analysed: 6}, account)
	}
}

// TestDisorder reads segments that are late, repeated, or from the middle of a connection.
func TestDisorder(t *testing.T) {
	frames := session(0, 500, stream())
	frames[4], frames[5] = frames[5], frames[4]
	frames = append(frames[:7], frames[6:]...)
	m, _ := analyse(t, frames)
	require.Equal(t, []uint64{6, 1, 2, 1, 1, 1}, counts(m))

	// without the SYNs, and the first segment
	m, account := analyse(t, session(0, 100, stream())[3:])
	require.Equal(t, []uint64{3, 0, 1, 1, 0, 1}, counts(m))
	require.Equal(t, handler.Account{Offered: 3, Analysed: 3}, account, "half a message at the beginning is not malformed")
}

// TestNoBGP accounts for data on the BGP port that is not BGP. pktvisor crashes on it
// (algorithms.md 8).
func TestNoBGP(t *testing.T) {
	m, account := analyse(t, session(0, 1400, []byte("GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n")))
	require.Equal(t, []uint64{0, 0, 0, 0, 0, 0}, counts(m))
	require.Equal(t, handler.Account{Offered: 1, Undecodable: 1}, account)
}

func TestConformance(t *testing.T) {
	var frames []capture.Frame
	for i := range 50 {
		frames = append(frames, session(time.Duration(i)*100*time.Millisecond, 100, stream())...)
	}
	handlertest.Run(t, func(s handler.Settings) (handler.Handler, error) { return bgp.New(bgp.Config{Settings: s}) }, frames...)
}

func Example() {
	h, err := bgp.New(bgp.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	t := &testing.T{} // a host creates and runs the pipeline itself, as package visor shows
	snap, err := handlertest.Analyse(t, h, capture.NewMemory(session(0, 1400, stream()))).Bucket(0)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(bgp.From(snap).Update.Value())
	// Output: 2
}
