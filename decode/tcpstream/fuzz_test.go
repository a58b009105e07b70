package tcpstream_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/decode/tcpstream"
)

// content fills a payload so that every byte encodes its place in sequence space.
func content(payload []byte, seq uint32) []byte {
	for i := range payload {
		payload[i] = byte(seq+uint32(i)) * 7
	}
	return payload
}

// reader checks the events of one side: bytes follow each other, and gaps have the stated length.
type reader struct {
	open bool
	any  bool // next is valid
	next byte
}

func (r *reader) take(t require.TestingT, ev *tcpstream.Event[reader]) {
	switch ev.Kind {
	case tcpstream.Open:
		require.False(t, r.open)
		r.open = true
	case tcpstream.Data:
		require.True(t, r.open)
		require.NotEmpty(t, ev.Data)
		for _, b := range ev.Data {
			if r.any && b != r.next {
				require.Fail(t, fmt.Sprintf("byte %d where %d should follow", b, r.next))
			}
			r.any, r.next = true, b+7
		}
	case tcpstream.Gap:
		require.True(t, r.open)
		require.Positive(t, ev.Lost)
		r.next += 7 * byte(ev.Lost)
	case tcpstream.End:
		require.True(t, r.open)
		r.open = false
	}
}

// FuzzAssembler feeds segments of consistent bytes in any order, cut and repeated, with any flags
// and times. The delivered bytes are in order and complete except for the gaps, and memory stays
// bounded.
func FuzzAssembler(f *testing.F) {
	f.Add([]byte("\x00\x02\x00\x00\x00\x01\x00\x10\x09\x01\x00\x10\x00\x20\x09\x01"))
	f.Add([]byte("\x02\x00\x00\x00\x00\x00\x00\x10\x10\x09\x01\x00\x00\x00\x10\x09\x01"))
	f.Fuzz(func(t *testing.T, ops []byte) {
		const maxConns, perStream, buffered = 4, 4096, 128 << 10
		as := tcpstream.New(tcpstream.Config[reader]{
			MaxConns: maxConns, MaxPerStream: perStream, Pool: tcpstream.NewPool(buffered), Idle: time.Minute,
			Release: func(r *reader) { *r = reader{} },
		})
		read := func() {
			for as.Next() {
				ev := as.Event()
				ev.State.take(t, ev)
			}
			require.LessOrEqual(t, as.Len(), maxConns)
			require.LessOrEqual(t, as.Buffered(), buffered)
		}
		now := int64(0)
		var payload [255]byte
		for ; len(ops) >= 6; ops = ops[6:] {
			n := int(ops[4])
			now += int64(int8(ops[5])) * int64(time.Second) / 4
			seq := 0xFFFFFF00 + uint32(ops[2])<<4 + uint32(ops[3]) // near the end of sequence space
			as.Feed(tcpstream.Segment{
				Key: uint64(ops[0] >> 5), Dir: ops[0] & 1, Flags: ops[1], TimeNS: now, Seq: seq, Ack: seq,
				Payload: content(payload[:n], seq+uint32(ops[1]>>1&1)), WireLen: n + int(ops[0]>>1&3),
			})
			read()
		}
		as.Flush()
		read()
		require.Zero(t, as.Len())
		require.Zero(t, as.Buffered())
	})
}

// TestAllocs plays conversations with swapped and lost segments until memory no longer grows.
func TestAllocs(t *testing.T) {
	as := tcpstream.New(tcpstream.Config[int]{MaxConns: 64})
	var payload [1000]byte
	key, bytes := uint64(0), 0
	run := func() {
		for range 100 {
			key++
			feed := func(seq uint32, flags uint8, n int) {
				as.Feed(tcpstream.Segment{Key: key, Seq: seq, Flags: flags, Payload: payload[:n]})
				for as.Next() {
					bytes += len(as.Event().Data)
				}
			}
			feed(0, syn, 0)
			feed(1001, ack, 1000) // swapped with the next
			feed(1, ack, 1000)
			feed(3001, ack, 1000) // the one before is lost
			feed(4001, ack|fin, 0)
		}
	}
	for range 10 {
		run()
	}
	require.Zero(t, testing.AllocsPerRun(10, run))
	require.Greater(t, bytes, 20*100*2000)
}

func Example() {
	as := tcpstream.New(tcpstream.Config[int]{}) // the state of a side counts its bytes
	segments := []tcpstream.Segment{
		{Key: 1, Seq: 100, Flags: tcpstream.SYN},
		{Key: 1, Seq: 107, Payload: []byte("world")}, // overtook the next one
		{Key: 1, Seq: 101, Payload: []byte("hello ")},
	}
	for _, seg := range segments {
		as.Feed(seg)
		for as.Next() {
			if ev := as.Event(); ev.Kind == tcpstream.Data {
				*ev.State += len(ev.Data)
				fmt.Printf("%s (%d bytes so far)\n", ev.Data, *ev.State)
			}
		}
	}
	// Output:
	// hello  (6 bytes so far)
	// world (11 bytes so far)
}

// BenchmarkFeed feeds segments in order, except that every tenth is swapped with the next.
func BenchmarkFeed(b *testing.B) {
	as := tcpstream.New(tcpstream.Config[int]{})
	var payload [1000]byte
	seq := uint32(1)
	feed := func(at uint32) {
		as.Feed(tcpstream.Segment{Key: 1, Seq: at, Payload: payload[:]})
		for as.Next() {
			*as.Event().State += len(as.Event().Data)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		for i := range uint32(10) {
			switch i {
			case 4:
				feed(seq + 5000)
			case 5:
				feed(seq + 4000)
			default:
				feed(seq + i*1000)
			}
		}
		seq += 10_000
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10, "ns/segment")
	b.ReportMetric(0, "ns/op")
}
