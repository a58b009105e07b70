package dnsmsg_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/decode/dnsmsg"
)

// FuzzMessage calls all methods on arbitrary bytes: every result is within them.
func FuzzMessage(f *testing.F) {
	f.Add(query(wireName("www.example.com")))
	f.Add(response())
	for _, tt := range nameCases {
		f.Add([]byte(question(tt.wire, tt.err)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := dnsmsg.Parse(b)
		if err != nil {
			require.Less(t, len(b), dnsmsg.HeaderLen)
			return
		}
		if ecs, ok := m.ClientSubnet(); ok && ecs.Addr.IsValid() {
			require.LessOrEqual(t, int(ecs.Source), ecs.Addr.BitLen())
		}
		if e, ok := m.EDNS(); ok {
			_, _, _ = e.Cookie()
			_, _, _ = e.ExtendedError()
		}
		var name []byte
		records := 0
		rr := m.Records()
		for rr.Next() {
			records++
			if name, err = rr.AppendName(name[:0]); err == nil {
				require.LessOrEqual(t, len(name), 4*255)
			}
			_, _ = rr.AppendTarget(nil)
			_, _ = rr.Addr()
			require.LessOrEqual(t, len(rr.Data()), len(m))
		}
		if rr.Err() == nil {
			require.Equal(t, int(m.ANCount())+int(m.NSCount())+int(m.ARCount()), records)
		}
	})
}

// FuzzCanonical compares the fast path for names with the plain one, and Cut with Aggregate.
func FuzzCanonical(f *testing.F) {
	for _, tt := range nameCases {
		f.Add([]byte(question(tt.wire, tt.err)))
	}
	f.Add(query(wireName("a.b.c.d.e.example.co.uk")))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := dnsmsg.Parse(b)
		if err != nil {
			return
		}
		text, q, err := m.AppendQuestion(nil)
		out, canonical, canonicalErr := m.AppendCanonical(nil)
		require.Equal(t, err, canonicalErr)
		if err != nil {
			return
		}
		name := dnsmsg.NameFromWire(out)
		require.Equal(t, string(text), name.String())
		require.Equal(t, q.Type, canonical.Type)
		require.Equal(t, q.Class, canonical.Class)
		require.Equal(t, q.End, canonical.End)
		wire, _, err := m.AppendWireName(nil, dnsmsg.HeaderLen)
		require.NoError(t, err)
		require.Equal(t, wire, out)
		if len(name.Key()) <= 5 && len(text) >= 5 {
			return // Aggregate counts the bytes of escapes, so this name is not short
		}
		two, three := canonical.Cut(name)
		wantTwo, wantThree := name.Aggregate(text, 0)
		require.Equal(t, string(wantTwo.Key()), string(two.Key()), "%q", text)
		require.Equal(t, string(wantThree.Key()), string(three.Key()), "%q", text)
	})
}

// FuzzName makes names of arbitrary bytes: no method panics, and keys yield the same names again.
func FuzzName(f *testing.F) {
	f.Add([]byte(wireName("a.b.example.com")), 2)
	f.Add([]byte("\x03ab"), -1)
	f.Fuzz(func(t *testing.T, b []byte, labels int) {
		name := dnsmsg.NameFromWire(b[:len(b):len(b)])
		_, q, err := dnsmsg.Message(query(wireName("a.b.c.d.example.com"))).AppendCanonical(nil)
		require.NoError(t, err)
		two, three := q.Cut(name)
		for _, n := range []dnsmsg.Name{name, name.Last(labels), name.Last(labels).Last(labels), two, three, dnsmsg.NameFromKey(b)} {
			again := dnsmsg.NameFromKey(n.Key())
			require.Equal(t, n.String(), again.String())
			_ = again.Last(labels).String()
			two, three := q.Cut(again)
			_ = two.String() + three.String()
		}
	})
}

// FuzzFramer feeds any stream whole and in two pieces: the messages are the same.
func FuzzFramer(f *testing.F) {
	f.Add(stream("one.example", "two.example"), uint16(20))
	f.Add([]byte{0, 11, 0}, uint16(1))
	f.Fuzz(func(t *testing.T, b []byte, cut uint16) {
		read := func(pieces ...[]byte) (out [][]byte, err error) {
			var f dnsmsg.Framer
			for _, p := range pieces {
				f.Feed(p)
				for f.Next() {
					require.GreaterOrEqual(t, len(f.Message()), dnsmsg.HeaderLen)
					out = append(out, bytes.Clone(f.Message()))
				}
			}
			return out, f.Err()
		}
		whole, wholeErr := read(b)
		at := min(int(cut), len(b))
		parts, partsErr := read(b[:at], b[at:])
		require.Equal(t, whole, parts)
		require.Equal(t, wholeErr, partsErr)
	})
}

// FuzzFramerSearch searches any stream in pieces, with gaps, in little borrowed memory: it ends,
// and all memory is returned.
func FuzzFramerSearch(f *testing.F) {
	f.Add(stream("one.example", "two.example"), uint8(20), uint8(3))
	f.Fuzz(func(t *testing.T, b []byte, size, gap uint8) {
		l := &lender{max: 1 << 10}
		var f dnsmsg.Framer
		f.Borrow(l)
		f.Lost()
		for i := 0; len(b) > 0; i++ {
			n := min(int(size)+1, len(b))
			f.Feed(b[:n])
			for f.Next() {
				require.GreaterOrEqual(t, len(f.Message()), dnsmsg.HeaderLen)
			}
			if b = b[n:]; gap > 0 && i%int(gap) == 0 {
				f.Gap(int(gap))
			}
		}
		f.Reset()
		require.Zero(t, l.lent)
	})
}
