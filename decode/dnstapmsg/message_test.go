package dnstapmsg_test

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"visor/decode/dnstapmsg"
	"visor/internal/packettest"
)

var (
	client = netip.MustParseAddr("198.51.100.9")
	server = netip.MustParseAddr("2001:db8::53")
	at     = time.Date(2026, 1, 1, 0, 0, 0, 123456789, time.UTC).UnixNano()
)

// whole returns a message with all fields.
func whole() dnstapmsg.Message {
	q := packettest.Query(7, "www.example.com", 1)
	return dnstapmsg.Message{
		Identity: []byte("ns1"), Type: dnstapmsg.ClientResponse, IPv4: true, Protocol: dnstapmsg.DoT,
		QueryAddr: client.AsSlice(), ResponseAddr: []byte{192, 0, 2, 1}, QueryPort: 50_000, ResponsePort: 853,
		QueryTime: at, ResponseTime: at + 1_000_000, Query: q, Response: packettest.Reply(q, 0, 1),
		Policy: (&dnstapmsg.Policy{Type: []byte("RPZ")}).AppendTo(nil),
	}
}

func TestRoundTrip(t *testing.T) {
	empty := dnstapmsg.Message{Type: dnstapmsg.ToolQuery}
	overHTTP := whole()
	overHTTP.Protocol, overHTTP.HTTP = dnstapmsg.DoH, 3
	for _, want := range []dnstapmsg.Message{whole(), empty, overHTTP} {
		var got dnstapmsg.Message
		frame := want.AppendTo(nil)
		require.Len(t, frame, want.Len())
		require.NoError(t, dnstapmsg.Parse(frame, &got))
		require.Equal(t, want, got)
	}
}

func TestMessage(t *testing.T) {
	m := whole()
	require.Equal(t, m.Response, m.Wire())
	require.Equal(t, at+1_000_000, m.TimeNS())
	src, dst := m.Addrs()
	require.Equal(t, "192.0.2.1:853", src.String())
	require.Equal(t, "198.51.100.9:50000", dst.String())

	m.Type, m.ResponseTime = dnstapmsg.ClientQuery, 0
	require.Equal(t, m.Query, m.Wire())
	require.Equal(t, at, m.TimeNS())
	src, _ = m.Addrs()
	require.Equal(t, "198.51.100.9:50000", src.String())

	m.ResponseAddr = server.AsSlice() // not of the socket family
	_, dst = m.Addrs()
	require.False(t, dst.IsValid())
	m.IPv4, m.IPv6 = false, true
	_, dst = m.Addrs()
	require.Equal(t, "[2001:db8::53]:853", dst.String())
}

// TestHTTP reads the version of HTTP only from messages over HTTPS: some senders use field 16 for
// something else.
func TestHTTP(t *testing.T) {
	for _, tt := range []struct {
		protocol dnstapmsg.Protocol
		field    dnstapmsg.HTTP
		want     dnstapmsg.HTTP
	}{{dnstapmsg.DoH, 2, 2}, {dnstapmsg.DoH, 4, 0}, {dnstapmsg.DoT, 2, 0}, {dnstapmsg.UDP, 3, 0}} {
		m := whole()
		m.Protocol, m.HTTP = tt.protocol, tt.field
		var got dnstapmsg.Message
		require.NoError(t, dnstapmsg.Parse(m.AppendTo(nil), &got))
		require.Equal(t, tt.want, got.HTTP, "%v", tt)
	}
}

func TestPolicy(t *testing.T) {
	want := dnstapmsg.Policy{
		Type: []byte("RPZ"), Rule: []byte("\x03bad\x03rpz\x00"), Action: dnstapmsg.ActionLocalData, Match: dnstapmsg.MatchNSIP, Value: []byte{192, 0, 2, 1},
	}
	wire := want.AppendTo(nil)
	got, err := dnstapmsg.ParsePolicy(wire)
	require.NoError(t, err)
	require.Equal(t, want, got)
	for n := range wire {
		_, _ = dnstapmsg.ParsePolicy(wire[:n:n])
	}
	_, err = dnstapmsg.ParsePolicy(wire[:2])
	require.ErrorIs(t, err, dnstapmsg.ErrTruncated)

	// rule is a number, action is text
	odd, err := dnstapmsg.ParsePolicy([]byte("\x0A\x03rpz\x10\x01\x1A\x04rule\x20\x02"))
	require.NoError(t, err)
	require.Equal(t, dnstapmsg.Policy{Type: []byte("rpz"), Match: dnstapmsg.MatchClientIP}, odd)

	require.Equal(t, "LOCAL_DATA", dnstapmsg.ActionLocalData.String())
	require.Equal(t, []string{"", ""}, []string{dnstapmsg.Action(0).String(), dnstapmsg.Action(7).String()})
}

func TestPolicyText(t *testing.T) {
	for _, tt := range []struct {
		typ, rule string
		action    dnstapmsg.Action
		want      string
	}{
		{"RPZ", "\x03bad\x07example\x00", dnstapmsg.ActionDrop, "RPZ DROP bad.example"},
		{"", "", dnstapmsg.ActionPass, "PASS"},
		{"lua", "a rule", 0, "lua a rule"},
		{"lua", "\x03bad", 0, `lua \003bad`},
		{"a\x1B[31m", "\x03b\n\xFF\x00", 99, `a\027[31m b\010\255`},
		{"RPZ", "\x00", dnstapmsg.ActionNoData, "RPZ NODATA ."},
		{"", "", 0, ""},
	} {
		p := dnstapmsg.Policy{Type: []byte(tt.typ), Rule: []byte(tt.rule), Action: tt.action}
		require.Equal(t, tt.want, string(p.AppendText(nil)))
	}
	giant := dnstapmsg.Policy{Type: make([]byte, 1<<20), Rule: make([]byte, 1<<20)}
	text := giant.AppendText(nil)
	require.Less(t, len(text), 1400)
	require.Zero(t, testing.AllocsPerRun(10, func() { text = giant.AppendText(text[:0]) }))
}

// TestMapped reads IPv4 addresses in the form of an IPv6 socket: they are IPv4.
func TestMapped(t *testing.T) {
	mapped := func(a string) []byte { return netip.MustParseAddr("::ffff:" + a).AsSlice() }
	for _, tt := range []struct {
		name           string
		query, answer  []byte
		ipv4           bool
		asked, answers string
	}{
		{"both", mapped("198.51.100.9"), mapped("192.0.2.1"), true, "198.51.100.9:5000", "192.0.2.1:53"},
		{"one, the other is not there", mapped("198.51.100.9"), nil, true, "198.51.100.9:5000", "invalid AddrPort"},
		{"one, the other is of IPv6", mapped("198.51.100.9"), server.AsSlice(), false, "198.51.100.9:5000", "[2001:db8::53]:53"},
		{"none", nil, nil, false, "invalid AddrPort", "invalid AddrPort"},
	} {
		m := dnstapmsg.Message{Type: dnstapmsg.AuthQuery, IPv6: true, QueryAddr: tt.query, ResponseAddr: tt.answer, QueryPort: 5000, ResponsePort: 53}
		var got dnstapmsg.Message
		require.NoError(t, dnstapmsg.Parse(m.AppendTo(nil), &got), tt.name)
		require.Equal(t, []bool{tt.ipv4, !tt.ipv4}, []bool{got.IPv4, got.IPv6}, tt.name)
		asked, answers := got.Ends()
		require.Equal(t, []string{tt.asked, tt.answers}, []string{asked.String(), answers.String()}, tt.name)
	}
}

// TestTime compares Time with Parse: for whole messages, and for messages without one of the times.
// For cut frames it is 0.
func TestTime(t *testing.T) {
	m := whole()
	bare, query, late := m, m, m
	bare.QueryTime, bare.ResponseTime, bare.Response = 0, 0, nil
	query.Type = dnstapmsg.ClientQuery
	late.QueryTime, late.Identity = 0, make([]byte, 300)
	for _, m := range []dnstapmsg.Message{m, bare, query, late} {
		require.Equal(t, m.TimeNS(), dnstapmsg.Time(m.AppendTo(nil)))
	}
	frame := m.AppendTo(nil)
	// the last two bytes are the type of the frame, which Time does not need
	for n := range len(frame) - 2 {
		require.Zero(t, dnstapmsg.Time(frame[:n:n]), "%d bytes", n)
	}
}

func TestTypes(t *testing.T) {
	for typ, want := range map[dnstapmsg.Type]struct {
		name          string
		query, served bool
	}{
		dnstapmsg.AuthQuery:          {"auth", true, true},
		dnstapmsg.AuthResponse:       {"auth", false, true},
		dnstapmsg.ResolverQuery:      {"resolver", true, false},
		dnstapmsg.ResolverResponse:   {"resolver", false, false},
		dnstapmsg.ClientResponse:     {"client", false, true},
		dnstapmsg.ForwarderQuery:     {"forwarder", true, false},
		dnstapmsg.StubResponse:       {"stub", false, false},
		dnstapmsg.ToolQuery:          {"tool", true, false},
		dnstapmsg.UpdateResponse:     {"update", false, true},
		dnstapmsg.UpdateResponse + 1: {"", true, false},
		255:                          {"", true, false},
	} {
		require.Equal(t, want.name, typ.String(), "%d", typ)
		require.Equal(t, want.query, typ.Query(), "%d", typ)
		require.Equal(t, want.served, typ.Served(), "%d", typ)
	}
	require.Equal(t, dnstapmsg.ClientQuery, dnstapmsg.ClientResponse.Family())
	require.Equal(t, dnstapmsg.ClientQuery, dnstapmsg.ClientQuery.Family())
	require.Empty(t, dnstapmsg.Type(0).String())
}

func TestParseErrors(t *testing.T) {
	m := whole()
	frame := m.AppendTo(nil)
	for n := range frame {
		var got dnstapmsg.Message
		require.Error(t, dnstapmsg.Parse(frame[:n:n], &got), "cut to %d bytes", n)
	}
	for _, tt := range []struct {
		name, frame string
		err         error
	}{
		{"empty", "", dnstapmsg.ErrNoMessage},
		{"another type", "\x72\x02\x08\x05\x78\x02", dnstapmsg.ErrNoMessage},
		{"no embedded message", "\x78\x01", dnstapmsg.ErrNoMessage},
		{"embedded message without a type", "\x72\x02\x10\x01\x78\x01", dnstapmsg.ErrNoMessage},
		{"field number 0", "\x02\x00", dnstapmsg.ErrMalformed},
		{"group", "\x0B\x0C", dnstapmsg.ErrMalformed},
		{"varint of eleven bytes", "\x78\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x01", dnstapmsg.ErrMalformed},
		{"length beyond the end", "\x72\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F", dnstapmsg.ErrTruncated},
		{"fixed one cut", "\x79\x01\x02", dnstapmsg.ErrTruncated},
	} {
		var got dnstapmsg.Message
		require.ErrorIs(t, dnstapmsg.Parse([]byte(tt.frame), &got), tt.err, tt.name)
	}
}

// TestOddFields reads fields that are unknown, have the wrong wire type, or are out of range.
func TestOddFields(t *testing.T) {
	body := "\x08\x05" + // CLIENT_QUERY
		"\x30\x80\x80\x04" + // query port 65536
		"\x52\x01\x00" + // a query of one byte
		"\x50\x07" + // and again, as a number
		"\xA2\x06\x03abc" + // field 100
		"\x40\x80\x80\x80\x80\x80\x40" // query time far beyond the year 2262
	var m dnstapmsg.Message
	require.NoError(t, dnstapmsg.Parse([]byte("\x72"+string(rune(len(body)))+body+"\x78\x01"), &m))
	require.Equal(t, dnstapmsg.Message{Type: dnstapmsg.ClientQuery}, m)
}

func TestAllocs(t *testing.T) {
	m := whole()
	frame := m.AppendTo(nil)
	buf := make([]byte, 0, 1024)
	var got dnstapmsg.Message
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if dnstapmsg.Parse(frame, &got) != nil {
			t.Fatal("not parsed")
		}
		buf = got.AppendTo(buf[:0])
	}))
}

// FuzzParse calls all methods on arbitrary bytes. An encoded message reads back the same.
func FuzzParse(f *testing.F) {
	m := whole()
	f.Add(m.AppendTo(nil))
	f.Add([]byte("\x72\x02\x08\x05\x78\x01"))
	f.Fuzz(func(t *testing.T, frame []byte) {
		var m, again dnstapmsg.Message
		_ = dnstapmsg.Time(frame)
		if dnstapmsg.Parse(frame, &m) != nil {
			return
		}
		require.Equal(t, m.TimeNS(), dnstapmsg.Time(m.AppendTo(nil)))
		_, _ = dnstapmsg.ParsePolicy(m.Policy)
		_, _ = m.Addrs()
		_, _ = m.Wire(), m.TimeNS()
		_, _, _ = m.Type.String(), m.Type.Family(), m.Type.Served()
		require.NoError(t, dnstapmsg.Parse(m.AppendTo(nil), &again))
		require.Equal(t, fmt.Sprint(m), fmt.Sprint(again))
	})
}

// FuzzFields compares the fields in arbitrary bytes with what protowire finds in them.
func FuzzFields(f *testing.F) {
	m := whole()
	frame := m.AppendTo(nil)
	f.Add(frame)
	f.Add(frame[9:]) // fields of the embedded message, or parts of them
	f.Add([]byte("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01\x0D\x01\x02\x03\x04\x11\x01\x02\x03\x04\x05\x06\x07\x08\x0A\x80\x01"))
	f.Add([]byte("\x80\x01\x05\x81\x00\x05\x0A\x82\x00ab\x0A\x03ab"))
	f.Add([]byte("\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F"))
	f.Add([]byte("\x0D\xFF\xFF\xFF\xFF\x0D\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := dnstapmsg.Fields(b)
		for _, field := range got {
			tag, n := protowire.ConsumeVarint(b)
			require.Positive(t, n)
			b = b[n:]
			want := dnstapmsg.Field{Number: tag >> 3, Wire: uint8(tag & 7)}
			want.Value, want.Bytes, n = consume(protowire.Type(tag&7), b)
			require.Positive(t, n)
			require.Equal(t, want, field)
			require.Equal(t, len(field.Bytes), cap(field.Bytes))
			b = b[n:]
		}
		if err == nil {
			require.Empty(t, b)
			return
		}
		tag, n := protowire.ConsumeVarint(b)
		if n > 0 && tag>>3 > 0 {
			_, _, n = consume(protowire.Type(tag&7), b[n:])
			require.Negative(t, n)
		}
	})
}

// consume returns the value of a field, and its length or a negative number.
func consume(typ protowire.Type, b []byte) (v uint64, data []byte, n int) {
	switch typ {
	case protowire.VarintType:
		v, n = protowire.ConsumeVarint(b)
	case protowire.Fixed64Type:
		v, n = protowire.ConsumeFixed64(b)
	case protowire.Fixed32Type:
		var v32 uint32
		v32, n = protowire.ConsumeFixed32(b)
		v = uint64(v32)
	case protowire.BytesType:
		data, n = protowire.ConsumeBytes(b)
	default: // a group
		n = -1
	}
	return v, data, n
}

func BenchmarkParse(b *testing.B) {
	m := whole()
	frame := m.AppendTo(nil)
	var got dnstapmsg.Message
	b.ReportAllocs()
	for b.Loop() {
		if dnstapmsg.Parse(frame, &got) != nil {
			b.Fatal("not parsed")
		}
	}
}

func BenchmarkTime(b *testing.B) {
	m := whole()
	frame := m.AppendTo(nil)
	b.ReportAllocs()
	for b.Loop() {
		if dnstapmsg.Time(frame) == 0 {
			b.Fatal("no time")
		}
	}
}

func BenchmarkAppendTo(b *testing.B) {
	m := whole()
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf = m.AppendTo(buf[:0])
	}
}

func Example() {
	m := whole()
	frame := m.AppendTo(nil) // in practice from a DNS server
	var got dnstapmsg.Message
	if err := dnstapmsg.Parse(frame, &got); err != nil {
		fmt.Println(err)
		return
	}
	src, dst := got.Addrs()
	fmt.Println(got.Type, got.Type.Query(), src, dst, len(got.Wire()))
	// Output: client false 192.0.2.1:853 198.51.100.9:50000 49
}

// TestSetClient covers the address types of clients.
func TestSetClient(t *testing.T) {
	for _, tc := range []struct {
		addr net.Addr
		want dnstapmsg.Message
	}{
		{
			&net.UDPAddr{IP: net.ParseIP("192.0.2.1"), Port: 53},
			dnstapmsg.Message{Protocol: dnstapmsg.UDP, IPv4: true, QueryAddr: []byte{192, 0, 2, 1}, QueryPort: 53},
		},
		{
			&net.TCPAddr{IP: net.IPv6loopback, Port: 853},
			dnstapmsg.Message{Protocol: dnstapmsg.TCP, IPv6: true, QueryAddr: net.IPv6loopback, QueryPort: 853},
		},
		{&net.UnixAddr{Name: "s"}, dnstapmsg.Message{}},
		{nil, dnstapmsg.Message{}},
	} {
		var m dnstapmsg.Message
		m.SetClient(tc.addr)
		require.Equal(t, tc.want, m)
	}
}
