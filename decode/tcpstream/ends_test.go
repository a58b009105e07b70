package tcpstream_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/decode/tcpstream"
)

func TestStart(t *testing.T) {
	midstream := func(s tcpstream.Stats) []uint64 { return []uint64{s.Connections, s.Midstream, s.Replaced} }
	run(t, []scenario{
		{
			name:  "mid-stream",
			steps: []step{a(500, "abc"), b(7000, "x"), a(503, "d")},
			want:  []string{"0 open", "0 abc", "1 open", "1 x", "0 d"},
			flush: []string{"0 end", "1 end"},
			check: midstream, count: []uint64{1, 1, 0},
		},
		{
			name:  "mid-stream with the second segment first",
			steps: []step{a(503, "def"), a(500, "abc"), a(506, "g")},
			want:  []string{"0 open", "0 def", "0 g"}, // bytes before the start do not count
			flush: []string{"0 end"},
		},
		{
			name:  "without payload there is no connection",
			steps: []step{a(500, "").ack(1000), a(500, "").flag(fin).ack(1000), b(1000, "").flag(rst)},
			check: midstream, count: []uint64{0, 0, 0},
		},
		{
			name:  "the answer to the SYN tells the start",
			steps: []step{b(999, "").flag(syn).ack(100), a(100, "abc")},
			want:  []string{"0 open start", "0 abc"},
			flush: []string{"0 end"},
			check: midstream, count: []uint64{1, 0, 0},
		},
		{
			name:  "and that the first bytes are missing",
			steps: []step{b(999, "").flag(syn).ack(100), a(103, "def"), a(100, "abc")},
			want:  []string{"0 open start", "0 abc", "0 def"},
			flush: []string{"0 end"},
		},
		{
			name:  "an answer to another SYN does not",
			steps: []step{b(999, "").flag(syn).ack(100), a(100+1<<17, "abc")},
			want:  []string{"0 open", "0 abc"},
			flush: []string{"0 end"},
		},
		{
			name:  "the acknowledgement of the other side tells what is missing",
			steps: []step{b(1000, "x").ack(100), a(103, "def"), b(1001, "y").ack(106)},
			want:  []string{"1 open", "1 x", "0 open"},
			flush: []string{"0 gap 3", "0 def", "1 y", "0 end", "1 end"},
		},
		{
			name:  "the SYN comes late, and twice",
			steps: []step{a(103, "def"), a(99, "").flag(syn), a(99, "").flag(syn), a(106, "g")},
			want:  []string{"0 open", "0 def", "0 g"},
			flush: []string{"0 end"},
			check: midstream, count: []uint64{1, 1, 0},
		},
		{
			name:  "another SYN is another connection",
			steps: handshake(a(100, "abc"), a(5000, "").flag(syn), a(5001, "xyz")),
			want:  []string{"0 open start", "0 abc", "0 end", "0 open start", "0 xyz"},
			flush: []string{"0 end"},
			check: midstream, count: []uint64{2, 0, 1},
		},
		{
			name:  "SYN far behind a stream picked up",
			steps: []step{a(1<<20, "abc"), a(99, "").flag(syn), a(100, "x")},
			want:  []string{"0 open", "0 abc", "0 end", "0 open start", "0 x"},
			flush: []string{"0 end"},
			check: midstream, count: []uint64{2, 1, 1},
		},
		{
			name:  "SYN of another connection after only an answer",
			steps: []step{b(999, "").flag(syn).ack(100), a(5000, "").flag(syn), a(5001, "x")},
			want:  []string{"0 open start", "0 x"},
			flush: []string{"0 end"},
			check: midstream, count: []uint64{1, 0, 0},
		},
		{
			name: "direction is its last bit",
			steps: []step{func() step { s := a(100, "abc"); s.Dir = 2; return s }(),
				func() step { s := b(100, "x"); s.Dir = 255; return s }()},
			want:  []string{"0 open", "0 abc", "1 open", "1 x"},
			flush: []string{"0 end", "1 end"},
		},
	})
}

func TestFIN(t *testing.T) {
	ended := func(s tcpstream.Stats) []uint64 { return []uint64{s.Finished, s.Connections, s.Late} }
	run(t, []scenario{
		{
			name: "both",
			steps: handshake(a(100, "abc").flag(fin), b(1000, "x").ack(104), b(1001, "").flag(fin).ack(104),
				a(104, "").ack(1002)),
			want:  []string{"0 open start", "0 abc", "1 open start", "1 x", "0 end", "1 end"},
			check: ended, count: []uint64{1, 1, 0},
		},
		{
			name:  "one: the other side goes on",
			steps: handshake(a(100, "abc").flag(fin), b(1000, "x").ack(104), b(1001, "y").ack(104)),
			want:  []string{"0 open start", "0 abc", "1 open start", "1 x", "1 y"},
			flush: []string{"0 end", "1 end"},
			check: ended, count: []uint64{0, 1, 0},
		},
		{
			name:  "bytes behind it are none",
			steps: handshake(a(100, "abc").flag(fin), a(102, "cXYZ"), a(103, "XYZ")),
			want:  []string{"0 open start", "0 abc"},
			flush: []string{"0 end"},
		},
		{
			name:  "before its data: what is missing comes in Reorder",
			steps: handshake(a(100, "a"), b(1000, "").flag(fin), a(103, "").flag(fin), a(101, "bc").at(99*ms)),
			want:  []string{"0 open start", "0 a", "0 bc", "0 end"},
			check: ended, count: []uint64{1, 1, 0},
		},
		{
			name:  "before all data: it is forgotten",
			steps: handshake(b(1000, "").flag(fin), a(103, "").flag(fin), a(100, "abc").at(99*ms)),
			want:  []string{"0 open start", "0 abc"},
			flush: []string{"0 end"},
			check: ended, count: []uint64{0, 1, 0},
		},
		{
			name: "before its data, which does not come in Reorder",
			steps: handshake(a(100, "abc"), b(1000, "").flag(fin), a(106, "").flag(fin),
				a(1, "").key(2).at(100*ms)),
			want:  []string{"0 open start", "0 abc", "0 gap 3", "0 end"},
			check: ended, count: []uint64{1, 1, 0},
		},
		{
			name:  "again",
			steps: handshake(a(100, "abc").flag(fin), a(103, "").flag(fin), a(103, "").flag(fin), b(1000, "").flag(fin)),
			want:  []string{"0 open start", "0 abc", "0 end"},
			check: ended, count: []uint64{1, 1, 0},
		},
		{
			name:  "of the past or a far future means nothing",
			steps: handshake(a(100, "abc"), a(101, "").flag(fin), a(100+1<<25, "").flag(fin), a(103, "d")),
			want:  []string{"0 open start", "0 abc", "0 d"},
			flush: []string{"0 end"},
		},
		{
			name:  "no payload, no event",
			steps: handshake(a(100, "").flag(fin), b(1000, "").flag(fin)),
			check: ended, count: []uint64{0, 0, 0},
		},
		{
			name: "what comes late of an ended connection begins no other",
			steps: handshake(a(100, "abc").flag(fin), b(1000, "").flag(fin), a(100, "abc").flag(fin).at(1*sec),
				a(99, "").flag(syn).at(1*sec), b(1000, "late").at(1*sec)),
			want:  []string{"0 open start", "0 abc", "0 end"},
			check: ended, count: []uint64{1, 1, 3},
		},
		{
			name: "for two seconds",
			steps: handshake(a(100, "abc").flag(fin), b(1000, "").flag(fin), a(100, "abc").at(1999*ms),
				a(100, "abc").at(2*sec)),
			want:  []string{"0 open start", "0 abc", "0 end", "0 open", "0 abc"},
			flush: []string{"0 end"},
			check: ended, count: []uint64{1, 2, 1},
		},
		{
			name: "the same ports again at once",
			steps: handshake(a(100, "abc").flag(fin), b(1000, "").flag(fin), a(70_000, "").flag(syn),
				a(70_001, "x"), a(70_002, "y")),
			want:  []string{"0 open start", "0 abc", "0 end", "0 open start", "0 x", "0 y"},
			flush: []string{"0 end"},
			check: ended, count: []uint64{1, 2, 0},
		},
	})
}

func TestRST(t *testing.T) {
	ended := func(s tcpstream.Stats) []uint64 { return []uint64{s.Reset, s.OutOfWindow, s.Connections} }
	run(t, []scenario{
		{
			name:  "ends both sides, with what is held",
			steps: handshake(a(100, "abc"), a(104, "e"), b(1000, "x"), b(1001, "").flag(rst)),
			want:  []string{"0 open start", "0 abc", "1 open start", "0 gap 1", "0 e", "1 x", "0 end", "1 end"},
			check: ended, count: []uint64{1, 0, 1},
		},
		{
			name:  "with number 0, as answers have it that know none",
			steps: handshake(a(100, "abc"), b(0, "").flag(rst|ack)),
			want:  []string{"0 open start", "0 abc", "0 end"},
			check: ended, count: []uint64{1, 0, 1},
		},
		{
			name:  "that cannot be of this connection",
			steps: handshake(a(100, "abc"), a(100+1<<25, "").flag(rst), a(103, "d")),
			want:  []string{"0 open start", "0 abc", "0 d"},
			flush: []string{"0 end"},
			check: ended, count: []uint64{0, 1, 1},
		},
		{
			name:  "of nothing",
			steps: []step{a(100, "").flag(rst), a(100, "abc").flag(rst)},
			check: ended, count: []uint64{0, 0, 0},
		},
		{
			name:  "a refused SYN may be tried again",
			steps: []step{a(99, "").flag(syn), b(0, "").flag(rst), a(99, "").flag(syn), a(100, "abc")},
			want:  []string{"0 open start", "0 abc"},
			flush: []string{"0 end"},
			check: ended, count: []uint64{0, 0, 1},
		},
	})
}

func TestOutOfWindow(t *testing.T) {
	outside := func(s tcpstream.Stats) []uint64 { return []uint64{s.OutOfWindow, s.Replaced, s.Connections} }
	const far = 1<<24 + 1000
	run(t, []scenario{
		{
			name:  "once is an accident",
			steps: handshake(a(100, "abc"), a(100+far, "zzz"), a(103, "def"), a(100+far, "zzz"), a(106, "g")),
			want:  []string{"0 open start", "0 abc", "0 def", "0 g"},
			flush: []string{"0 end"},
			check: outside, count: []uint64{2, 0, 1},
		},
		{
			name:  "twice in a row is another connection",
			steps: handshake(a(100, "abc"), a(100+far, "xx"), a(102+far, "yy"), a(104+far, "zz")),
			want:  []string{"0 open start", "0 abc", "0 end", "0 open", "0 yy", "0 zz"},
			flush: []string{"0 end"},
			check: outside, count: []uint64{2, 1, 2},
		},
		{
			name:  "far behind is out of the window, too",
			steps: handshake(a(100, "abc"), a(^uint32(far), "xx"), a(103, "d")),
			want:  []string{"0 open start", "0 abc", "0 d"},
			flush: []string{"0 end"},
			check: outside, count: []uint64{1, 0, 1},
		},
		{
			name:  "the last that is believed",
			steps: handshake(a(100, "abc"), a(103+1<<24, "z")),
			want:  []string{"0 open start", "0 abc"},
			flush: []string{"0 gap 16777216", "0 z", "0 end"},
			check: outside, count: []uint64{0, 0, 1},
		},
	})
}

func TestIdle(t *testing.T) {
	idle := func(s tcpstream.Stats) []uint64 { return []uint64{s.Idle, s.Connections} }
	run(t, []scenario{
		{
			name: "silence ends a connection, when another segment tells the time",
			steps: []step{a(100, "abc"), a(104, "e"), a(1, "x").key(2).at(15 * sec),
				a(2, "y").key(2).at(30 * sec)},
			want: []string{"0 open", "0 abc", "key 2 0 open", "key 2 0 x",
				"0 gap 1", "0 e", "0 end", "key 2 0 y"},
			flush: []string{"key 2 0 end"},
			check: idle, count: []uint64{1, 2},
		},
		{
			name: "either direction breaks it",
			steps: handshake(a(100, "abc"), b(1000, "").ack(103).at(14*sec), b(1000, "").ack(103).at(28*sec),
				a(103, "d").at(42*sec)),
			want:  []string{"0 open start", "0 abc", "0 d"},
			flush: []string{"0 end"},
			check: idle, count: []uint64{0, 1},
		},
		{
			name: "one wrong time stamp does not",
			steps: []step{a(100, "abc"), a(1, "x").key(2).at(math.MaxInt64), a(103, "d").at(1 * sec),
				a(104, "e").at(2 * sec)},
			want:  []string{"0 open", "0 abc", "key 2 0 open", "key 2 0 x", "0 d", "0 e"},
			flush: []string{"key 2 0 end", "0 end"}, // the longest silent one first
			check: idle, count: []uint64{0, 2},
		},
		{
			name:  "time runs backwards",
			steps: []step{a(100, "abc").at(100 * sec), a(103, "d").at(99 * sec), a(104, "e").at(-math.MaxInt64)},
			want:  []string{"0 open", "0 abc", "0 d", "0 e"},
			flush: []string{"0 end"},
			check: idle, count: []uint64{0, 1},
		},
		{
			name: "a clock set back counts on from there",
			steps: []step{a(100, "abc").at(100 * sec), a(1, "x").key(2), a(2, "y").key(2).at(15 * sec),
				a(3, "z").key(2).at(30 * sec)},
			want:  []string{"0 open", "0 abc", "key 2 0 open", "key 2 0 x", "key 2 0 y", "0 end", "key 2 0 z"},
			flush: []string{"key 2 0 end"},
			check: idle, count: []uint64{1, 2},
		},
		{
			name:  "a SYN without an answer ends without a word",
			steps: []step{a(99, "").flag(syn), a(1, "x").key(2).at(15 * sec), a(2, "y").key(2).at(31 * sec)},
			want:  []string{"key 2 0 open", "key 2 0 x", "key 2 0 y"},
			flush: []string{"key 2 0 end"},
			check: idle, count: []uint64{0, 1},
		},
		{
			name:  "a shorter Idle",
			cfg:   tcpstream.Config[int]{Idle: time.Second},
			steps: []step{a(100, "abc"), a(1, "x").key(2).at(sec / 2), a(2, "y").key(2).at(sec)},
			want:  []string{"0 open", "0 abc", "key 2 0 open", "key 2 0 x", "0 end", "key 2 0 y"},
			flush: []string{"key 2 0 end"},
			check: idle, count: []uint64{1, 2},
		},
	})
}

func TestAdvance(t *testing.T) {
	as := tcpstream.New(tcpstream.Config[int]{})
	for key := range uint64(100) {
		play(as, a(100, "abc").key(key))
	}
	as.Advance(15 * sec)
	require.Empty(t, read(as))
	require.Equal(t, 100, as.Len())
	as.Advance(30 * sec)
	require.Len(t, read(as), 100, "all of them, however many")
	require.Zero(t, as.Len())
	require.Equal(t, uint64(100), as.Stats().Idle)

	play(as, a(100, "abc"), a(104, "e"), a(105, "").flag(fin), b(1, "").flag(fin))
	as.Advance(30*sec + 100*ms)
	require.Equal(t, []string{"0 gap 1", "0 e", "0 end"}, read(as), "both have finished, and the rest did not come")
	require.Equal(t, uint64(1), as.Stats().Finished)
}

// A stepped connection ages by its own segments and by Advance. Others change nothing, whatever
// their times are.
func TestStepped(t *testing.T) {
	own := []step{
		a(100, "abc"), a(104, "e").at(2 * sec), a(105, "f").at(-sec), // a hole, and a late segment
		a(106, "g").at(20 * sec), b(1, "x").at(21 * sec).ack(107),
	}
	first := func(events []string) []string { // of the first connection
		return slices.DeleteFunc(events, func(event string) bool { return strings.HasPrefix(event, "key 2") })
	}
	with := func(other ...step) (events []string, stats tcpstream.Stats) {
		as := tcpstream.New(tcpstream.Config[int]{Stepped: true})
		for i, s := range own {
			events = append(events, play(as, s)...)
			if i < len(other) {
				play(as, other[i].key(2))
			}
		}
		as.Advance(31 * sec)
		require.Empty(t, first(read(as)), "the hole is 29 s old")
		as.Advance(35 * sec)
		events = append(events, read(as)...)
		events = append(events, play(as, a(107, "h").at(50*sec))...)
		as.Advance(80 * sec)
		return first(append(events, read(as)...)), as.Stats()
	}
	want, stats := with()
	require.Equal(t, []string{"0 open", "0 abc", "1 open", "0 gap 1", "0 e", "0 f", "0 g", "1 x", "0 h", "0 end", "1 end"}, want)
	require.Equal(t, uint64(1), stats.Idle)
	got, _ := with(a(1, "x").at(math.MaxInt64), a(2, "y").at(-math.MaxInt64), a(3, "z").at(10_000*sec))
	require.Equal(t, want, got)
}
