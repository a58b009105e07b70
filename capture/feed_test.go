package capture_test

import (
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/decode/dnstapmsg"
	"visor/internal/packettest"
)

// exchange returns a message for a client's query of a name.
func exchange(name string) *dnstapmsg.Message {
	return &dnstapmsg.Message{
		Type: dnstapmsg.ClientQuery, IPv4: true, Protocol: dnstapmsg.UDP, QueryAddr: []byte{192, 0, 2, 1}, QueryPort: 5000,
		QueryTime: time.Now().UnixNano(), Query: packettest.Query(1, name, 1),
	}
}

func TestTap(t *testing.T) {
	tap := capture.NewTap()
	packet := []byte("a packet")
	require.True(t, tap.Packet(1, decode.LinkRaw, packet))
	packet[0] = 'X' // the Tap has a copy
	m := exchange("example.com")
	require.True(t, tap.Message(m))
	var b capture.Batch
	require.NoError(t, tap.ReadBatch(&b))
	require.Len(t, b.Frames, 2)
	require.Equal(t, capture.Frame{TimeNS: 1, Data: []byte("a packet"), WireLen: 8, Link: decode.LinkRaw}, b.Frames[0])
	require.Equal(t, m.QueryTime, b.Frames[1].TimeNS)
	require.Equal(t, decode.LinkDNSTap, b.Frames[1].Link)
	require.Equal(t, m.AppendTo(nil), b.Frames[1].Data)

	require.True(t, tap.Message(&dnstapmsg.Message{Type: dnstapmsg.ToolQuery}), "of now")
	require.NoError(t, tap.ReadBatch(&b))
	require.InDelta(t, time.Now().UnixNano(), b.Frames[0].TimeNS, 10e9)
}

// TestTapGivers runs many goroutines that each submit a query and then its response. All must be
// delivered, in order of time.
func TestTapGivers(t *testing.T) {
	const givers, each = 16, 2000
	tap := capture.NewTap()
	var wg sync.WaitGroup
	for g := range givers {
		wg.Go(func() {
			data := make([]byte, 6)
			for i := range each {
				data[0], data[1] = byte(g), byte(i&1)
				binary.BigEndian.PutUint32(data[2:], uint32(i/2))
				for !tap.Packet(time.Now().UnixNano(), decode.LinkRaw, data) {
					// gives the reader time, because the test must not lose a frame
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	go func() { wg.Wait(); tap.Close() }()
	var b capture.Batch
	var next [givers]uint32
	last, n := int64(0), 0
	for tap.ReadBatch(&b) == nil {
		require.LessOrEqual(t, len(b.Frames), capture.BatchSize)
		for _, f := range b.Frames {
			// A goroutine may be stopped between reading the clock and submitting, and then submit
			// a frame that is older than frames already read.
			require.GreaterOrEqual(t, f.TimeNS, last-int64(time.Second))
			last = max(last, f.TimeNS)
			g := f.Data[0]
			require.Equal(t, next[g], 2*binary.BigEndian.Uint32(f.Data[2:])+uint32(f.Data[1]), "giver %d", g)
			next[g]++
			n++
		}
	}
	require.Equal(t, givers*each, n)
}

// TestTapIsFull submits more than fits while the reader is idle. The accepted frames are delivered
// and the others are counted.
func TestTapIsFull(t *testing.T) {
	tap := capture.NewTap()
	data := make([]byte, 1000)
	taken, dropped := 0, uint64(0)
	for range 100_000 {
		if tap.Packet(1, decode.LinkRaw, data) {
			taken++
		} else {
			dropped++
		}
	}
	require.NotZero(t, dropped)
	require.Equal(t, dropped, tap.Drops())
	require.NoError(t, tap.Close())
	require.False(t, tap.Packet(1, decode.LinkRaw, data))
	require.False(t, tap.Message(exchange("late.example")))
	require.Equal(t, dropped+2, tap.Drops())
	frames, err := readAll(t, tap)
	require.ErrorIs(t, err, capture.ErrClosed)
	require.Len(t, frames, taken)
}

// TestTapWrongTimes checks that the reader does not wait for timestamps in the future.
func TestTapWrongTimes(t *testing.T) {
	tap := capture.NewTap()
	now := time.Now().UnixNano()
	for _, ns := range []int64{now + 1e15, 0, -5} {
		require.True(t, tap.Packet(ns, decode.LinkRaw, []byte("x")))
	}
	var b capture.Batch
	require.NoError(t, tap.ReadBatch(&b))
	require.Equal(t, []int64{-5, 0, now + 1e15}, []int64{b.Frames[0].TimeNS, b.Frames[1].TimeNS, b.Frames[2].TimeNS})
}

func TestTapAllocs(t *testing.T) {
	tap := capture.NewTap()
	packet, addr, query := make([]byte, 100), [4]byte{192, 0, 2, 1}, packettest.Query(1, "www.example.com", 1)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		tap.Packet(1, decode.LinkRaw, packet)
		tap.Message(&dnstapmsg.Message{Type: dnstapmsg.ClientQuery, IPv4: true, QueryAddr: addr[:], Query: query, QueryTime: 1})
	}))
}

// drained returns a Tap that a goroutine reads until the benchmark ends.
func drained(b *testing.B) *capture.Tap {
	tap := capture.NewTap()
	done := make(chan struct{})
	go func() {
		var batch capture.Batch
		for tap.ReadBatch(&batch) == nil {
		}
		close(done)
	}()
	b.Cleanup(func() {
		tap.Close()
		<-done
		b.ReportMetric(float64(tap.Drops())/float64(b.N), "drops/op")
	})
	return tap
}

// BenchmarkTap measures the cost of a submission, alone and with as many others as there are
// processors.
func BenchmarkTap(b *testing.B) {
	packet := make([]byte, 100)
	m := exchange("www.example.com")
	give := map[string]func(*capture.Tap){
		"Packet":  func(tap *capture.Tap) { tap.Packet(1, decode.LinkRaw, packet) },
		"Message": func(tap *capture.Tap) { tap.Message(m) },
	}
	for _, name := range []string{"Packet", "Message"} {
		b.Run(name, func(b *testing.B) {
			tap := drained(b)
			b.ReportAllocs()
			for b.Loop() {
				give[name](tap)
			}
		})
		b.Run(name+"/parallel", func(b *testing.B) {
			tap := drained(b)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					give[name](tap)
				}
			})
		})
	}
}

func ExampleTap() {
	tap := capture.NewTap()
	go func() { // in a DNS server: where it has answered
		tap.Message(exchange("www.example.com"))
		tap.Close()
	}()
	var b capture.Batch // in a real program a handler.Pipeline reads the Tap
	for tap.ReadBatch(&b) == nil {
		var m dnstapmsg.Message
		if dnstapmsg.Parse(b.Frames[0].Data, &m) == nil {
			src, _ := m.Addrs()
			fmt.Println(src, len(m.Wire()), "bytes")
		}
	}
	// Output: 192.0.2.1:5000 33 bytes
}
