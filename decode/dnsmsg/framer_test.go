package dnsmsg_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/decode/dnsmsg"
)

// stream returns queries for names in their TCP form.
func stream(names ...string) (b []byte) {
	for _, name := range names {
		m := query(wireName(name))
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(m))), m...)
	}
	return b
}

// names returns the names of the messages that are ready in f.
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

// TestFramerGap loses bytes of a stream of five messages: bytes between messages must not be taken
// for messages.
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
		{"into the next message", n + 10, 2*n + 5, []string{"aaaa.example", "dddd.example", "eeee.example"}},
		{"into a length", n + 10, 2*n + 1, []string{"aaaa.example", "dddd.example", "eeee.example"}},
		{"into the last message", n + 10, 4*n + 1, []string{"aaaa.example"}},
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

// TestFramerSearches loses the beginning of a stream, at every byte, and feeds the rest in pieces
// of any size, even the length alone in a segment. All messages that begin behind the loss are
// found.
func TestFramerSearches(t *testing.T) {
	want := []string{"aaaa.example", "bbbb.example", "cccc.example", "dddd.example"}
	all := stream(want...)
	n := len(all) / 4
	for from := range 2*n + 1 {
		for size := 1; size < 2*n; size++ {
			var f dnsmsg.Framer
			f.Lost()
			var got []string
			for at := from; at < len(all); at += size {
				f.Feed(all[at:min(at+size, len(all))])
				got = append(got, names(t, &f)...)
			}
			require.Equal(t, want[(from+n-1)/n:], got, "from %d in pieces of %d", from, size)
		}
	}
}

// TestFramerLengthAlone has a client that writes the length and the message separately, and a loss
// of both.
func TestFramerLengthAlone(t *testing.T) {
	var f dnsmsg.Framer
	for range 3 {
		one, two := stream("one.example"), stream("two.example")
		f.Feed(one[:2])
		require.Empty(t, names(t, &f))
		f.Feed(one[2:])
		require.Equal(t, []string{"one.example"}, names(t, &f))
		f.Gap(len(one))
		f.Feed(two[:2])
		require.Empty(t, names(t, &f))
		f.Feed(two[2:])
		require.Equal(t, []string{"two.example"}, names(t, &f))
	}
}

// TestFramerSearchesTransfer begins within a zone transfer, whose messages have records without a
// question.
func TestFramerSearchesTransfer(t *testing.T) {
	var all []byte
	for range 20 {
		m := header(7, 0x8400, 0, 20, 0, 0)
		for range 20 {
			m = append(m, record("\x01a\x07example\x00", 1, "\x0A\x00\x00\x01")...)
		}
		all = append(binary.BigEndian.AppendUint16(all, uint16(len(m))), m...)
	}
	n := len(all) / 20
	for from := 1; from < n; from++ {
		var f dnsmsg.Framer
		f.Lost()
		count := 0
		for at := from; at < len(all); at += 1460 {
			f.Feed(all[at:min(at+1460, len(all))])
			for f.Next() {
				require.Len(t, f.Message(), n-2)
				count++
			}
		}
		require.Equal(t, 19, count, "from %d", from)
	}
}

// TestFramerGivesUpSearch searches a stream that is not DNS until the search ends.
func TestFramerGivesUpSearch(t *testing.T) {
	var f dnsmsg.Framer
	f.Lost()
	noise := make([]byte, 1460)
	for range 1000 {
		f.Feed(noise)
		require.False(t, f.Next())
	}
	require.ErrorIs(t, f.Err(), dnsmsg.ErrNotDNS)
	require.Zero(t, f.Held())
}

// decoys returns n bytes with nine plausible headers in every 254 bytes, each with a name of some
// hundred labels that is never complete.
func decoys(n int) (b []byte) {
	for len(b) < n {
		for i := range 9 {
			// the length is also a label's, which skips headers
			b = append(b, byte(14*min(4, 9-i)-1), 0xFF, 7, 7, 1, 7, 0, 1, 0, 0, 0, 0, 0, 0)
		}
		b = append(b, bytes.Repeat([]byte{1, 'a'}, 64)...)
	}
	return b[:n]
}

// TestFramerSearchBoundsNames searches data made to be costly by its names, which 100 KB of zeros
// are not.
func TestFramerSearchBoundsNames(t *testing.T) {
	var searches dnsmsg.Searches
	var f dnsmsg.Framer
	f.Limit(&searches)
	f.Lost()
	for range 50 {
		f.Feed(decoys(1270))
		require.False(t, f.Next())
	}
	f.Feed(append(decoys(1270), stream("lost.example")...))
	require.Empty(t, names(t, &f))
	f.Feed(stream("found.example"))
	require.Equal(t, []string{"found.example"}, names(t, &f))
}

// lender lends up to max bytes.
type lender struct{ max, lent int }

func (l *lender) Get(n int) []byte {
	if l.lent+n > l.max {
		return nil
	}
	l.lent += n
	return make([]byte, 0, n)
}

func (l *lender) Put(b []byte) { l.lent -= cap(b) }

// TestFramerBorrows checks that a framer returns all borrowed memory. Without memory it drops a
// message, and finds the next.
func TestFramerBorrows(t *testing.T) {
	all := stream("one.example", "two.example", "three.example", "four.example")
	for _, max := range []int{1 << 20, 4} {
		for size := 1; size <= len(all); size++ {
			l := &lender{max: max}
			var f dnsmsg.Framer
			f.Borrow(l)
			count := uint64(0)
			for at := 0; at < len(all); at += size {
				f.Feed(all[at:min(at+size, len(all))])
				for f.Next() {
					count++
				}
			}
			require.Zero(t, l.lent)
			require.Equal(t, uint64(4), count+f.TakeDropped())
			if max > 4 {
				require.Equal(t, uint64(4), count)
			}
			f.Feed(all[:20])
			for f.Next() {
			}
			f.Reset()
			require.Zero(t, l.lent)
		}
	}
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

// Hostile segments spend the tries that Framers share. After that, a message in the middle of a
// segment is skipped, while one at the beginning of a segment is found. Other segments earn tries.
func TestFramerSearchBounds(t *testing.T) {
	var searches dnsmsg.Searches
	lost := func(segments ...[]byte) (messages int) {
		var f dnsmsg.Framer
		f.Limit(&searches)
		f.Lost()
		for _, s := range segments {
			f.Feed(s)
			for f.Next() {
				messages++
			}
		}
		return messages
	}
	q := query("\x03www\x07example\x00")
	message := append([]byte{0, byte(len(q))}, q...)
	noise := bytes.Repeat([]byte{0}, 1400) // every byte may begin a message
	inside := slices.Concat(noise, message)
	require.Equal(t, 1, lost(inside), "within a segment")
	for range 100 {
		require.Zero(t, lost(noise))
	}
	require.Zero(t, lost(inside), "no try is left")
	require.Equal(t, 1, lost(noise, message), "at the beginning of a segment")
	var other dnsmsg.Framer
	other.Limit(&searches)
	for range 100 {
		other.Feed(message)
		require.True(t, other.Next())
	}
	require.Equal(t, 1, lost(inside), "messages earned tries")
}
