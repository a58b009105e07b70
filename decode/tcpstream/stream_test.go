package tcpstream_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/decode/tcpstream"
)

// handshake is a SYN with number 99 and its answer with 999: the streams begin at 100 and 1000.
func handshake(then ...step) []step {
	return append([]step{a(99, "").flag(syn), b(999, "").flag(syn).ack(100), a(100, "").ack(1000)}, then...)
}

func TestOrder(t *testing.T) {
	run(t, []scenario{
		{
			name:  "in order",
			steps: handshake(a(100, "abc"), a(103, "def"), b(1000, "xyz"), a(106, "g")),
			want:  []string{"0 open start", "0 abc", "0 def", "1 open start", "1 xyz", "0 g"},
			flush: []string{"0 end", "1 end"},
		},
		{
			name:  "data with the SYN",
			steps: []step{a(99, "abc").flag(syn), b(999, "").flag(syn).ack(103), a(103, "def")},
			want:  []string{"0 open start", "0 abc", "0 def"},
			flush: []string{"0 end"},
		},
		{
			name:  "two swapped",
			steps: handshake(a(103, "def"), a(100, "abc"), a(106, "g")),
			want:  []string{"0 open start", "0 abc", "0 def", "0 g"},
			flush: []string{"0 end"},
		},
		{
			name:  "backwards",
			steps: handshake(a(109, "j"), a(106, "ghi"), a(103, "def"), a(100, "abc")),
			want:  []string{"0 open start", "0 abc", "0 def", "0 ghi", "0 j"},
			flush: []string{"0 end"},
		},
		{
			name:  "two holes, filled one after the other",
			steps: handshake(a(102, "c"), a(104, "e"), a(100, "ab"), a(103, "d")),
			want:  []string{"0 open start", "0 ab", "0 c", "0 d", "0 e"},
			flush: []string{"0 end"},
			check: func(s tcpstream.Stats) []uint64 { return []uint64{s.Held, s.Bytes, s.Gaps} },
			count: []uint64{2, 5, 0},
		},
		{
			name:  "hole filled in two parts",
			steps: handshake(a(104, "e"), a(100, "ab"), a(102, "cd")),
			want:  []string{"0 open start", "0 ab", "0 cd", "0 e"},
			flush: []string{"0 end"},
		},
		{
			name:  "an answer does not overtake its question",
			steps: handshake(a(103, "def"), b(1000, "xyz"), b(1003, "w"), a(100, "abc"), b(1004, "v")),
			want:  []string{"0 open start", "1 open start", "0 abc", "0 def", "1 xyz", "1 w", "1 v"},
			flush: []string{"0 end", "1 end"},
		},
		{
			name: "the time of other connections does not end the waiting",
			steps: handshake(a(103, "def"), b(1000, "").ack(106), a(1, "x").key(2).at(5*sec), a(106, "g").at(50*ms),
				a(100, "abc").at(60*ms)),
			want:  []string{"0 open start", "key 2 0 open", "key 2 0 x", "0 abc", "0 def", "0 g"},
			flush: []string{"key 2 0 end", "0 end"},
		},
		{
			name:  "both have holes",
			steps: handshake(a(103, "def"), b(1001, "yz"), b(1000, "x"), a(100, "abc")),
			want:  []string{"0 open start", "1 open start", "0 abc", "0 def", "1 x", "1 yz"},
			flush: []string{"0 end", "1 end"},
		},
		{
			name:  "at the end too",
			steps: handshake(a(103, "def"), b(1000, "xyz")),
			want:  []string{"0 open start", "1 open start"},
			flush: []string{"0 gap 3", "0 def", "1 xyz", "0 end", "1 end"},
		},
		{
			name:  "connections do not either",
			steps: []step{a(100, "a"), a(102, "c"), a(100, "x").key(2), a(101, "b")},
			want:  []string{"0 open", "0 a", "key 2 0 open", "key 2 0 x", "0 b", "0 c"},
			flush: []string{"0 end", "key 2 0 end"},
		},
		{
			name:  "no payload, no event",
			steps: handshake(a(100, "").ack(1000), b(1000, "").ack(100)),
		},
	})
}

func TestRetransmission(t *testing.T) {
	repeated := func(s tcpstream.Stats) []uint64 { return []uint64{s.Repeated, s.Bytes, s.Gaps} }
	run(t, []scenario{
		{
			name:  "whole segment",
			steps: handshake(a(100, "abc"), a(100, "abc"), a(103, "d")),
			want:  []string{"0 open start", "0 abc", "0 d"},
			flush: []string{"0 end"},
			check: repeated, count: []uint64{1, 4, 0},
		},
		{
			name:  "keep-alive",
			steps: handshake(a(100, "abc"), a(102, "\x00"), a(103, "d")),
			want:  []string{"0 open start", "0 abc", "0 d"},
			flush: []string{"0 end"},
			check: repeated, count: []uint64{1, 4, 0},
		},
		{
			name:  "with new bytes at the end",
			steps: handshake(a(100, "abc"), a(101, "BCde")),
			want:  []string{"0 open start", "0 abc", "0 de"},
			flush: []string{"0 end"},
			check: repeated, count: []uint64{0, 5, 0},
		},
		{
			name:  "held segment again",
			steps: handshake(a(103, "def"), a(103, "DEF"), a(100, "abc")),
			want:  []string{"0 open start", "0 abc", "0 def"},
			flush: []string{"0 end"},
		},
		{
			name:  "overlaps a held one in front: the first bytes seen count",
			steps: handshake(a(103, "def"), a(100, "abcDE")),
			want:  []string{"0 open start", "0 abc", "0 def"},
			flush: []string{"0 end"},
		},
		{
			name:  "covers a held one",
			steps: handshake(a(102, "c"), a(100, "abCde")),
			want:  []string{"0 open start", "0 ab", "0 c", "0 de"},
			flush: []string{"0 end"},
		},
		{
			name:  "held ones overlap each other",
			steps: handshake(a(102, "cd"), a(106, "gh"), a(101, "bCDEFGHi"), a(100, "a")),
			want:  []string{"0 open start", "0 a", "0 b", "0 cd", "0 EF", "0 gh", "0 i"},
			flush: []string{"0 end"},
		},
		{
			name:  "SYN again",
			steps: append(handshake(a(100, "abc"), a(99, "").flag(syn)), b(999, "").flag(syn).ack(100), a(103, "d")),
			want:  []string{"0 open start", "0 abc", "0 d"},
			flush: []string{"0 end"},
			check: func(s tcpstream.Stats) []uint64 { return []uint64{s.Connections, s.Replaced} },
			count: []uint64{1, 0},
		},
	})
}

func TestLoss(t *testing.T) {
	gaps := func(s tcpstream.Stats) []uint64 { return []uint64{s.Gaps, s.LostBytes} }
	acks := func(n int, seq uint32) (steps []step) {
		for range n {
			steps = append(steps, b(1000, "").ack(seq))
		}
		return steps
	}
	run(t, []scenario{
		{
			name:  "not acknowledged: it is waited for",
			steps: handshake(append([]step{a(100, "abc"), a(106, "g")}, acks(50, 103)...)...),
			want:  []string{"0 open start", "0 abc"},
			flush: []string{"0 gap 3", "0 g", "0 end"},
			check: gaps, count: []uint64{1, 3},
		},
		{
			name:  "acknowledged, and eight segments went by",
			steps: handshake(append([]step{a(100, "abc"), a(106, "g")}, acks(9, 107)...)...),
			want:  []string{"0 open start", "0 abc", "0 gap 3", "0 g"},
			flush: []string{"0 end"},
			check: gaps, count: []uint64{1, 3},
		},
		{
			name:  "acknowledged, and seven segments went by",
			steps: handshake(append([]step{a(100, "abc"), a(106, "g")}, acks(8, 107)...)...),
			want:  []string{"0 open start", "0 abc"},
			flush: []string{"0 gap 3", "0 g", "0 end"},
		},
		{
			name: "acknowledged, and Reorder went by",
			steps: handshake(a(100, "abc"), a(106, "g"), b(1000, "").ack(107).at(1*ms),
				b(1000, "").ack(107).at(100*ms), b(1000, "").ack(107).at(101*ms)),
			want:  []string{"0 open start", "0 abc", "0 gap 3", "0 g"},
			flush: []string{"0 end"},
		},
		{
			name:  "a shorter Reorder",
			cfg:   tcpstream.Config[int]{Reorder: time.Millisecond},
			steps: handshake(a(100, "abc"), a(106, "g"), b(1000, "").ack(107), b(1000, "").ack(107).at(1*ms)),
			want:  []string{"0 open start", "0 abc", "0 gap 3", "0 g"},
			flush: []string{"0 end"},
		},
		{
			name:  "acknowledged, but late",
			steps: handshake(a(100, "abc"), a(106, "g"), b(1000, "").ack(107), a(103, "def")),
			want:  []string{"0 open start", "0 abc", "0 def", "0 g"},
			flush: []string{"0 end"},
			check: gaps, count: []uint64{0, 0},
		},
		{
			name: "acknowledged in two steps, with nothing captured in between",
			steps: handshake(append([]step{a(100, "abc"), b(1000, "").ack(106), b(1000, "").ack(109), a(109, "j")},
				acks(20, 110)...)...),
			want:  []string{"0 open start", "0 abc", "0 gap 6", "0 j"},
			flush: []string{"0 end"},
			check: gaps, count: []uint64{1, 6},
		},
		{
			name:  "two holes at the end",
			steps: handshake(a(101, "b"), a(103, "d")),
			want:  []string{"0 open start"},
			flush: []string{"0 gap 1", "0 b", "0 gap 1", "0 d", "0 end"},
			check: gaps, count: []uint64{2, 2},
		},
		{
			name:  "held until Idle on a busy connection",
			steps: handshake(a(101, "b"), a(102, "c").at(14*sec), a(103, "d").at(28*sec), a(104, "e").at(31*sec)),
			want:  []string{"0 open start", "0 gap 1", "0 b", "0 c", "0 d", "0 e"},
			flush: []string{"0 end"},
		},
		{
			name: "late bytes of a gap are not told",
			steps: handshake(slices.Concat([]step{a(103, "d")}, acks(10, 104),
				[]step{a(100, "abc"), a(104, "e")})...),
			want:  []string{"0 open start", "0 gap 3", "0 d", "0 e"},
			flush: []string{"0 end"},
			check: func(s tcpstream.Stats) []uint64 { return []uint64{s.Repeated} }, count: []uint64{1},
		},
		{
			name:  "an acknowledgement too far ahead means nothing",
			steps: handshake(append([]step{a(106, "g")}, acks(20, 100+1<<24+1)...)...),
			want:  []string{"0 open start"},
			flush: []string{"0 gap 6", "0 g", "0 end"},
		},
	})
}

// Bytes that were on the wire but not captured are gaps, wherever their segment is.
func TestSnaplen(t *testing.T) {
	run(t, []scenario{
		{
			name:  "cut",
			steps: handshake(a(100, "abc").wire(10), a(110, "k")),
			want:  []string{"0 open start", "0 abc", "0 gap 7", "0 k"},
			flush: []string{"0 end"},
		},
		{
			name:  "header only",
			steps: handshake(a(100, "").wire(10), a(110, "").wire(5), b(1000, "").wire(7)),
			want:  []string{"0 open start", "0 gap 10", "0 gap 5", "1 open start", "1 gap 7"},
			flush: []string{"0 end", "1 end"},
		},
		{
			name:  "cut and out of order",
			steps: handshake(a(110, "k").wire(2), a(100, "abc").wire(10), a(112, "m")),
			want:  []string{"0 open start", "0 abc", "0 gap 7", "0 k", "0 gap 1", "0 m"},
			flush: []string{"0 end"},
		},
		{
			name:  "what is missing comes as one gap",
			steps: handshake(a(105, "").wire(5), a(110, "k"), a(100, "").wire(5)),
			want:  []string{"0 open start", "0 gap 10", "0 k"},
			flush: []string{"0 end"},
			check: func(s tcpstream.Stats) []uint64 { return []uint64{s.Gaps, s.LostBytes} }, count: []uint64{1, 10},
		},
		{
			name:  "FIN behind a cut payload",
			steps: handshake(a(100, "abc").wire(10).flag(fin), b(1000, "").flag(fin).ack(111)),
			want:  []string{"0 open start", "0 abc", "0 gap 7", "0 end"},
		},
		{
			name:  "less on the wire than captured is a lie",
			steps: handshake(a(100, "abc").wire(1), a(103, "d").wire(-5), a(104, "e")),
			want:  []string{"0 open start", "0 abc", "0 d", "0 e"},
			flush: []string{"0 end"},
		},
		{
			name:  "no segment is longer than 64 KiB",
			steps: handshake(a(100, "abc").wire(1 << 40)),
			want:  []string{"0 open start", "0 abc", "0 gap 65533"},
			flush: []string{"0 end"},
		},
	})
}

// A payload longer than any possible segment is accepted; if held, it becomes several pieces.
func TestLongPayload(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 20_000)
	as := tcpstream.New(tcpstream.Config[int]{MaxPerStream: 1 << 20})
	require.Equal(t, []string{"0 open", "0 " + long}, play(as, a(100, long)))
	next := 100 + uint32(len(long))
	require.Empty(t, play(as, a(next+1, long)))
	require.Equal(t, uint64(3), as.Stats().Held)
	events := play(as, a(next, "x"))
	require.Equal(t, "0 x", events[0])
	var got strings.Builder
	for _, ev := range events[1:] {
		got.WriteString(strings.TrimPrefix(ev, "0 "))
	}
	require.Equal(t, long, got.String())
}
