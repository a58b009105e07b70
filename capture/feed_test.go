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

func TestFeed(t *testing.T) {
	feed := capture.NewFeed()
	packet := []byte("a packet")
	require.True(t, feed.Packet(1, decode.LinkRaw, packet))
	packet[0] = 'X' // the Feed has a copy
	m := exchange("example.com")
	require.True(t, feed.Message(m))
	var b capture.Batch
	require.NoError(t, feed.ReadBatch(&b))
	require.Len(t, b.Frames, 2)
	require.Equal(t, capture.Frame{TimeNS: 1, Data: []byte("a packet"), WireLen: 8, Link: decode.LinkRaw}, b.Frames[0])
	require.Equal(t, m.QueryTime, b.Frames[1].TimeNS)
	require.Equal(t, decode.LinkDNSTap, b.Frames[1].Link)
	require.Equal(t, m.AppendTo(nil), b.Frames[1].Data)

	require.True(t, feed.Message(&dnstapmsg.Message{Type: dnstapmsg.ToolQuery}), "of now")
	require.NoError(t, feed.ReadBatch(&b))
	require.InDelta(t, time.Now().UnixNano(), b.Frames[0].TimeNS, 10e9)
}

// TestTapGivers runs many goroutines that each submit a query and then its response. All must be
// delivered, in order of time.
func TestFeedGivers(t *testing.T) {
	const givers, each = 16, 2000
	feed := capture.NewFeed()
	var wg sync.WaitGroup
	for g := range givers {
		wg.Go(func() {
			data := make([]byte, 6)
			for i := range each {
				data[0], data[1] = byte(g), byte(i&1)
				binary.BigEndian.PutUint32(data[2:], uint32(i/2))
				for !feed.Packet(time.Now().UnixNano(), decode.LinkRaw, data) {
					// gives the reader time, because the test must not lose a frame
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	go func() { wg.Wait(); feed.Close() }()
	var b capture.Batch
	var next [givers]uint32
	last, n := int64(0), 0
	for feed.ReadBatch(&b) == nil {
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
func TestFeedIsFull(t *testing.T) {
	feed := capture.NewFeed()
	data := make([]byte, 1000)
	taken, dropped := 0, uint64(0)
	for range 100_000 {
		if feed.Packet(1, decode.LinkRaw, data) {
			taken++
		} else {
			dropped++
		}
	}
	require.NotZero(t, dropped)
	require.Equal(t, dropped, feed.Drops())
	require.NoError(t, feed.Close())
	require.False(t, feed.Packet(1, decode.LinkRaw, data))
	require.False(t, feed.Message(exchange("late.example")))
	require.Equal(t, dropped+2, feed.Drops())
	frames, err := readAll(t, feed)
	require.ErrorIs(t, err, capture.ErrClosed)
	require.Len(t, frames, taken)
}

// TestTapWrongTimes checks that the reader does not wait for timestamps in the future.
func TestFeedWrongTimes(t *testing.T) {
	feed := capture.NewFeed()
	now := time.Now().UnixNano()
	for _, ns := range []int64{now + 1e15, 0, -5} {
		require.True(t, feed.Packet(ns, decode.LinkRaw, []byte("x")))
	}
	var b capture.Batch
	require.NoError(t, feed.ReadBatch(&b))
	require.Equal(t, []int64{-5, 0, now + 1e15}, []int64{b.Frames[0].TimeNS, b.Frames[1].TimeNS, b.Frames[2].TimeNS})
}

func TestFeedAllocs(t *testing.T) {
	feed := capture.NewFeed()
	packet, addr, query := make([]byte, 100), [4]byte{192, 0, 2, 1}, packettest.Query(1, "www.example.com", 1)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		feed.Packet(1, decode.LinkRaw, packet)
		feed.Message(&dnstapmsg.Message{Type: dnstapmsg.ClientQuery, IPv4: true, QueryAddr: addr[:], Query: query, QueryTime: 1})
	}))
}

// drained returns a Feed that a goroutine reads until the benchmark ends.
func drained(b *testing.B) *capture.Feed {
	feed := capture.NewFeed()
	done := make(chan struct{})
	go func() {
		var batch capture.Batch
		for feed.ReadBatch(&batch) == nil {
		}
		close(done)
	}()
	b.Cleanup(func() {
		feed.Close()
		<-done
		b.ReportMetric(float64(feed.Drops())/float64(b.N), "drops/op")
	})
	return feed
}

// BenchmarkFeed measures the cost of a submission, alone and with as many others as there are
// processors.
func BenchmarkFeed(b *testing.B) {
	packet := make([]byte, 100)
	m := exchange("www.example.com")
	give := map[string]func(*capture.Feed){
		"Packet":  func(feed *capture.Feed) { feed.Packet(1, decode.LinkRaw, packet) },
		"Message": func(feed *capture.Feed) { feed.Message(m) },
	}
	for _, name := range []string{"Packet", "Message"} {
		b.Run(name, func(b *testing.B) {
			feed := drained(b)
			b.ReportAllocs()
			for b.Loop() {
				give[name](feed)
			}
		})
		b.Run(name+"/parallel", func(b *testing.B) {
			feed := drained(b)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					give[name](feed)
				}
			})
		})
	}
}

func ExampleFeed() {
	feed := capture.NewFeed()
	go func() { // in a DNS server: where it has answered
		feed.Message(exchange("www.example.com"))
		feed.Close()
	}()
	var b capture.Batch // in a real program a handler.Pipeline reads the Feed
	for feed.ReadBatch(&b) == nil {
		var m dnstapmsg.Message
		if dnstapmsg.Parse(b.Frames[0].Data, &m) == nil {
			src, _ := m.Addrs()
			fmt.Println(src, len(m.Wire()), "bytes")
		}
	}
	// Output: 192.0.2.1:5000 33 bytes
}
