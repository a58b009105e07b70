package dnsmsg_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/decode/dnsmsg"
)

// stream returns queries for names, as they go over TCP.
func stream(names ...string) (b []byte) {
	for _, name := range names {
		m := query(wireName(name))
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(m))), m...)
	}
	return b
}

// names returns the names of the messages that f has ready.
func names(t require.TestingT, f *dnsmsg.Framer) (out []string) {
	for f.Next() {
		name, _, err := f.Message().AppendQuestion(nil)
		require.NoError(t, err)
		out = append(out, string(name))
	}
	return out
}

func TestFramerSplits(t *testing.T) {
	want := []string{"one.example", "two.example", "three.example"}
	all := stream(want...)
	for size := 1; size <= len(all); size++ {
		var f dnsmsg.Framer
		var got []string
		for at := 0; at < len(all); at += size {
			f.Feed(all[at:min(at+size, len(all))])
			got = append(got, names(t, &f)...)
		}
		require.Equal(t, want, got, "in pieces of %d", size)
		require.NoError(t, f.Err())
	}
}

func TestFramerNotDNS(t *testing.T) {
	var f dnsmsg.Framer
	f.Feed([]byte{0, 11, 1, 2, 3})
	require.False(t, f.Next())
	require.ErrorIs(t, f.Err(), dnsmsg.ErrNotDNS)
	f.Feed(stream("a.example"))
	require.False(t, f.Next(), "nothing more comes")
	f.Reset()
	f.Feed(stream("a.example"))
	require.Equal(t, []string{"a.example"}, names(t, &f))

	f.Reset()
	f.Feed([]byte{0})
	require.False(t, f.Next())
	f.Feed([]byte{3, 0})
	require.False(t, f.Next())
	require.ErrorIs(t, f.Err(), dnsmsg.ErrNotDNS, "a length that came in two pieces")
}

// TestFramerGap loses bytes of a stream of five messages: what lies between must not be taken for messages.
func TestFramerGap(t *testing.T) {
	all := stream("aaaa.example", "bbbb.example", "cccc.example", "dddd.example", "eeee.example")
	n := len(all) / 5
	for _, tt := range []struct {
		name     string
		from, to int
		want     []string
	}{
		{"within a message", n + 10, n + 20, []string{"aaaa.example", "cccc.example", "dddd.example", "eeee.example"}},
		{"to a message's end", n + 10, 2 * n, []string{"aaaa.example", "cccc.example", "dddd.example", "eeee.example"}},
		{"a whole message", n, 2 * n, []string{"aaaa.example", "cccc.example", "dddd.example", "eeee.example"}},
		{"into the next message", n + 10, 2*n + 5, []string{"aaaa.example"}}, // nothing says where one begins
		{"into a length", n + 10, 2*n + 1, []string{"aaaa.example"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var f dnsmsg.Framer
			f.Feed(all[:tt.from])
			got := names(t, &f)
			f.Gap(tt.to - tt.from)
			f.Feed(all[tt.to:])
			got = append(got, names(t, &f)...)
			require.Equal(t, tt.want, got)
		})
	}
}

// TestFramerGapsInOneMessage loses two parts of a message.
func TestFramerGapsInOneMessage(t *testing.T) {
	all := stream("aaaa.example", "bbbb.example")
	var f dnsmsg.Framer
	f.Feed(all[:5])
	require.Empty(t, names(t, &f))
	f.Gap(5)
	f.Feed(all[10:12])
	require.Empty(t, names(t, &f))
	f.Gap(5)
	f.Feed(all[17:])
	require.Equal(t, []string{"bbbb.example"}, names(t, &f))
}

// TestFramerResumes begins to listen where a message begins, after a loss that nothing is known of.
func TestFramerResumes(t *testing.T) {
	all := stream("aaaa.example", "bbbb.example")
	var f dnsmsg.Framer
	f.Gap(1)
	f.Feed(all[7 : len(all)/2])
	require.Empty(t, names(t, &f), "the middle of a message")
	f.Feed(all[len(all)/2:])
	require.Equal(t, []string{"bbbb.example"}, names(t, &f))
}

func TestFramerAllocs(t *testing.T) {
	all := stream("one.example", "two.example", "three.example")
	var f dnsmsg.Framer
	n := 0
	run := func() {
		for at := 0; at < len(all); at += 20 {
			f.Feed(all[at:min(at+20, len(all))])
			for f.Next() {
				n++
			}
		}
	}
	run()
	require.Zero(t, testing.AllocsPerRun(100, run))
	require.Equal(t, 102*3, n)
}
