package dnsmsg_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/decode/dnsmsg"
)

var nameCases = []struct {
	name string
	wire string // after the header; a pointer's target counts from the header's start
	text string
	err  error
}{
	{"plain", wireName("www.example.com"), "www.example.com", nil},
	{"upper case", wireName("wWw.EXAMPLE.Com"), "www.example.com", nil},
	{"root", "\x00", "", nil},
	{"one label", wireName("com"), "com", nil},
	{"hyphen, underscore, digits", wireName("_a-1._tcp.x9"), "_a-1._tcp.x9", nil},
	{"dot in a label", "\x03a.b\x03com\x00", `a\.b.com`, nil},
	{"backslash in a label", "\x02a\\\x00", `a\\`, nil},
	{"space, zero, high byte", "\x04\x00 \xFFz\x00", `\000\032\255z`, nil},
	{"delete is not printable", "\x01\x7F\x00", `\127`, nil},
	{"letters beside the alphabet", "\x04@[`{\x00", "@[`{", nil},
	{"high bytes that look like letters", "\x02\xC1\xDA\x00", `\193\218`, nil},
	{"label of 63 bytes", "\x3F" + strings.Repeat("A", 63) + "\x00", strings.Repeat("a", 63), nil},
	{"255 bytes", longName(255), "", nil},
	{"256 bytes", longName(256), "", dnsmsg.ErrMalformed},
	{"label type 0x40", "\x40\x00\x00\x00\x00\x00", "", dnsmsg.ErrMalformed},
	{"label type 0x80", "\x01a\x80\x00\x00\x00\x00", "", dnsmsg.ErrMalformed},
	{"pointer to itself", "\xC0\x0C", "", dnsmsg.ErrMalformed},
	{"pointer forwards", "\xC0\x20", "", dnsmsg.ErrMalformed},
	{"pointer into the header", "\x01a\xC0\x00", "", dnsmsg.ErrMalformed},
	{"pointer loop", "\x01a\xC0\x0C", "", dnsmsg.ErrMalformed},
	{"label cut", "\x0Aabc", "", dnsmsg.ErrTruncated},
	{"nothing", "", "", dnsmsg.ErrTruncated},
}

// longName returns a name of n bytes on the wire, 255 at least.
func longName(n int) string {
	label := "\x3F" + strings.Repeat("x", 63)
	n -= 3*len(label) + 2
	return strings.Repeat(label, 3) + string(rune(n)) + strings.Repeat("y", n) + "\x00"
}

// question returns a message whose first QNAME begins with wire. A case that ends early gets no
// type and class.
func question(wire string, err error) dnsmsg.Message {
	b := append(header(1, 0, 1, 0, 0, 0), wire...)
	if err != dnsmsg.ErrTruncated {
		b = append(b, 0, 28, 0, 1)
	}
	return b
}

func TestQuestionNames(t *testing.T) {
	for _, tt := range nameCases {
		t.Run(tt.name, func(t *testing.T) {
			m := question(tt.wire, tt.err)
			dst := []byte("before:")
			text, q, err := m.AppendQuestion(dst)
			out, canonical, canonicalErr := m.AppendCanonical(dst)
			require.ErrorIs(t, err, tt.err)
			require.ErrorIs(t, canonicalErr, tt.err)
			if tt.err != nil {
				require.Equal(t, "before:", string(text))
				require.Equal(t, "before:", string(out))
				return
			}
			name := dnsmsg.NameFromWire(out[len(dst):])
			require.Equal(t, string(text[len(dst):]), name.String())
			if tt.text != "" {
				require.Equal(t, tt.text, name.String())
			}
			require.True(t, name.Whole())
			require.Equal(t, dnsmsg.TypeAAAA, q.Type)
			require.Equal(t, uint16(1), q.Class)
			require.Equal(t, len(m), q.End)
			require.Equal(t, q.End, canonical.End)
		})
	}
}

func TestQuestionWithoutTypeAndClass(t *testing.T) {
	m := dnsmsg.Message(append(header(1, 0, 1, 0, 0, 0), wireName("example.com")+"\x00\x01\x00"...))
	_, _, err := m.AppendQuestion(nil)
	require.ErrorIs(t, err, dnsmsg.ErrTruncated)
	_, _, err = m.AppendCanonical(nil)
	require.ErrorIs(t, err, dnsmsg.ErrTruncated)
}

func TestNoQuestion(t *testing.T) {
	m := dnsmsg.Message(append(header(1, 0, 0, 1, 0, 0), record("\x00", 1, "abcd")...))
	_, _, err := m.AppendQuestion(nil)
	require.ErrorIs(t, err, dnsmsg.ErrNoQuestion)
	_, _, err = m.AppendCanonical(nil)
	require.ErrorIs(t, err, dnsmsg.ErrNoQuestion)
}

func TestQuestionExact(t *testing.T) {
	name, _, err := dnsmsg.Message(query(wireName("Www.eXample.com"))).AppendQuestionExact(nil)
	require.NoError(t, err)
	require.Equal(t, "Www.eXample.com", string(name))
}

func TestCompressedNames(t *testing.T) {
	// At 12 "Example.com", at 25 "www" and a pointer to it, at 31 a pointer to that, at 33 an
	// unrelated name.
	m := dnsmsg.Message(append(header(1, 0, 0, 0, 0, 0), "\x07Example\x03com\x00\x03www\xC0\x0C\xC0\x19\x02ok\xC0\x1F"...))
	for _, tt := range []struct {
		at, end int
		text    string
	}{
		{12, 25, "example.com"},
		{25, 31, "www.example.com"},
		{31, 33, "www.example.com"},
		{33, 38, "ok.www.example.com"},
	} {
		text, end, err := m.AppendName(nil, tt.at)
		require.NoError(t, err)
		require.Equal(t, tt.text, string(text))
		require.Equal(t, tt.end, end)
		wire, end, err := m.AppendWireName(nil, tt.at)
		require.NoError(t, err)
		require.Equal(t, wireName(tt.text), string(wire))
		require.Equal(t, tt.end, end)
	}
	for _, at := range []int{-1, 0, 11, len(m), len(m) + 1} {
		_, _, err := m.AppendName(nil, at)
		require.ErrorIs(t, err, dnsmsg.ErrTruncated, "at %d", at)
		_, _, err = m.AppendWireName(nil, at)
		require.ErrorIs(t, err, dnsmsg.ErrTruncated, "at %d", at)
	}
}

// TestPointerChain has more pointers than any name needs. All point backwards, so the chain ends;
// the work is bounded anyway.
func TestPointerChain(t *testing.T) {
	b := append(header(1, 0, 0, 0, 0, 0), 0, 0)
	for len(b) < 12+2+2*127 {
		at := len(b) - 2
		b = append(b, 0xC0|byte(at>>8), byte(at))
	}
	m := dnsmsg.Message(b)
	_, _, err := m.AppendName(nil, len(b)-2)
	require.ErrorIs(t, err, dnsmsg.ErrMalformed)
	_, _, err = m.AppendName(nil, len(b)-4)
	require.NoError(t, err)
}

func TestCut(t *testing.T) {
	for _, tt := range []struct{ name, two, three string }{
		{"", "", ""},
		{"a", "a", ""},
		{"com", "com", ""},
		{"a.com", "a.com", ""},
		{"foo.bar.com", ".bar.com", "foo.bar.com"},
		{"biz.foo.bar.com", ".bar.com", ".foo.bar.com"},
		{"x.y.biz.foo.bar.com", ".bar.com", ".foo.bar.com"},
	} {
		out, q, err := dnsmsg.Message(query(wireName(tt.name))).AppendCanonical(nil)
		require.NoError(t, err)
		two, three := q.Cut(dnsmsg.NameFromWire(out))
		require.Equal(t, tt.two, two.String(), tt.name)
		require.Equal(t, tt.three, three.String(), tt.name)
	}
}

func TestLast(t *testing.T) {
	name := dnsmsg.NameFromWire([]byte(wireName("a.b.example.com")))
	require.Equal(t, ".com", name.Last(1).String())
	require.Equal(t, ".b.example.com", name.Last(3).String())
	require.Equal(t, "a.b.example.com", name.Last(4).String())
	require.Equal(t, "a.b.example.com", name.Last(9).String())
	require.Equal(t, ".com", name.Last(3).Last(1).String(), "a part of a part")
	require.False(t, name.Last(3).Whole())
	require.True(t, name.Last(4).Whole())
	require.True(t, dnsmsg.Name{}.IsRoot())
	require.True(t, dnsmsg.Name{}.Last(2).IsRoot())
}

// A Name built from a caller's bytes has no byte behind it that a part could use.
func TestNameOfOwnBytes(t *testing.T) {
	key := []byte("\x01a\x07example\x03com")
	name := dnsmsg.NameFromKey(key[:len(key):len(key)])
	require.Equal(t, "a.example.com", name.String())
	require.Equal(t, ".example.com", name.Last(2).String())
	_, q, err := dnsmsg.Message(query(wireName("b.a.example.com"))).AppendCanonical(nil)
	require.NoError(t, err)
	two, three := q.Cut(dnsmsg.Name{})
	require.True(t, two.IsRoot() && three.IsRoot(), "the question of another name")
	require.Equal(t, string(key), string(name.Key()))
	require.Equal(t, name.Last(2), dnsmsg.NameFromKey(name.Last(2).Key()))
}

func TestNameAllocs(t *testing.T) {
	msgs := manyQueries()[:256]
	buf := make([]byte, 0, 1024)
	require.Zero(t, testing.AllocsPerRun(10, func() {
		for _, m := range msgs {
			out, q, err := m.AppendCanonical(buf[:0])
			if err != nil {
				t.Fatal(err)
			}
			two, _ := q.Cut(dnsmsg.NameFromWire(out))
			buf = two.AppendText(buf[:0])
			m.ClientSubnet()
		}
	}))
}
