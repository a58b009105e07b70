package dnsmsg_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/decode/dnsmsg"
)

func TestParse(t *testing.T) {
	_, err := dnsmsg.Parse(header(1, 0, 0, 0, 0, 0)[:11])
	require.ErrorIs(t, err, dnsmsg.ErrTruncated)
	m, err := dnsmsg.Parse(header(0xABCD, 0, 1, 2, 3, 4))
	require.NoError(t, err)
	require.Equal(t, uint16(0xABCD), m.ID())
	require.Equal(t, []uint16{1, 2, 3, 4}, []uint16{m.QDCount(), m.ANCount(), m.NSCount(), m.ARCount()})
}

// TestFlags sets one bit of the header at a time (RFC 1035 section 4.1.1, RFC 4035 section 3.2).
func TestFlags(t *testing.T) {
	bits := []struct {
		flags uint16
		is    func(dnsmsg.Message) bool
	}{
		{0x8000, dnsmsg.Message.Response},
		{0x0400, dnsmsg.Message.Authoritative},
		{0x0200, dnsmsg.Message.Truncated},
		{0x0100, dnsmsg.Message.RecursionDesired},
		{0x0080, dnsmsg.Message.RecursionAvailable},
		{0x0020, dnsmsg.Message.AuthenticatedData},
		{0x0010, dnsmsg.Message.CheckingDisabled},
	}
	for _, set := range bits {
		m := dnsmsg.Message(header(0, set.flags, 0, 0, 0, 0))
		for _, asked := range bits {
			require.Equal(t, set.flags == asked.flags, asked.is(m), "flags %04x, asked for %04x", set.flags, asked.flags)
		}
	}
	m := dnsmsg.Message(header(0, 0x2805, 0, 0, 0, 0))
	require.Equal(t, uint8(5), m.Opcode())
	require.Equal(t, dnsmsg.RCodeRefused, m.RCode())
}

func TestRecords(t *testing.T) {
	type rr struct {
		section dnsmsg.Section
		name    string
		typ     dnsmsg.Type
		target  string
		addr    netip.Addr
	}
	var got []rr
	rest := dnsmsg.Message(response()).Records()
	for rest.Next() {
		name, err := rest.AppendName(nil)
		require.NoError(t, err)
		r := rr{section: rest.Section(), name: string(name), typ: rest.Type()}
		r.addr, _ = rest.Addr()
		if r.typ == dnsmsg.TypeCNAME || r.typ == dnsmsg.TypeNS {
			target, err := rest.AppendTarget(nil)
			require.NoError(t, err)
			r.target = string(target)
		}
		if r.typ != dnsmsg.TypeOPT {
			require.Equal(t, uint16(1), rest.Class())
			require.Equal(t, uint32(60), rest.TTL())
		}
		got = append(got, r)
	}
	require.NoError(t, rest.Err())
	require.Equal(t, []rr{
		{section: dnsmsg.Answer, name: "www.example.com", typ: dnsmsg.TypeCNAME, target: "web.example.com"},
		{section: dnsmsg.Answer, name: "web.example.com", typ: dnsmsg.TypeA, addr: netip.MustParseAddr("192.0.2.1")},
		{section: dnsmsg.Answer, name: "web.example.com", typ: dnsmsg.TypeAAAA, addr: netip.MustParseAddr("2001:db8::1")},
		{section: dnsmsg.Authority, name: "example.com", typ: dnsmsg.TypeNS, target: "ns.com"},
		{section: dnsmsg.Additional, typ: dnsmsg.TypeOPT},
	}, got)
}

// TestRecordsCut cuts a message anywhere: the records before the cut are returned, then an error.
func TestRecordsCut(t *testing.T) {
	whole := response()
	before := 0
	for n := dnsmsg.HeaderLen; n < len(whole); n++ {
		rr, records := dnsmsg.Message(whole[:n]).Records(), 0
		for rr.Next() {
			records++
		}
		require.ErrorIs(t, rr.Err(), dnsmsg.ErrTruncated, "%d bytes", n)
		require.False(t, rr.Next())
		require.GreaterOrEqual(t, records, before)
		before = records
	}
	require.Equal(t, 4, before)
}

// TestRecordsClaimed has a header that claims more records than the message has: counts are not
// trusted.
func TestRecordsClaimed(t *testing.T) {
	rr := dnsmsg.Message(header(1, 0x8000, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF)).Records()
	require.False(t, rr.Next())
	require.ErrorIs(t, rr.Err(), dnsmsg.ErrTruncated)
}

func TestTargetBeyondItsRecord(t *testing.T) {
	b := append(header(1, 0x8000, 0, 1, 0, 0), record("\x00", 2, "\x03a")...)
	rr := dnsmsg.Message(append(b, "bc\x00"...)).Records() // the name continues behind the RDATA
	require.True(t, rr.Next())
	_, err := rr.AppendTarget(nil)
	require.ErrorIs(t, err, dnsmsg.ErrMalformed)
}

func TestEDNS(t *testing.T) {
	e, ok := dnsmsg.Message(response()).EDNS()
	require.True(t, ok)
	require.Equal(t, uint16(1232), e.UDPSize)
	require.Equal(t, dnsmsg.RCode(16), e.RCode, "extended bits 1, header bits 0")
	require.Equal(t, uint8(0), e.Version)
	require.True(t, e.DO)
	var codes []uint16
	for o := e.Options(); o.Next(); {
		codes = append(codes, o.Code())
	}
	require.Equal(t, []uint16{10, 8}, codes)
	client, server, ok := e.Cookie()
	require.True(t, ok)
	require.Equal(t, "12345678", string(client))
	require.Empty(t, server)
	_, _, ok = e.ExtendedError()
	require.False(t, ok)

	_, ok = dnsmsg.Message(query(wireName("a"))).EDNS()
	require.False(t, ok)
}

func TestOptionsOfEDNS(t *testing.T) {
	withOptions := func(options ...string) dnsmsg.EDNS {
		m := append(header(1, 0x8000, 0, 0, 0, 1), optRecord(options...)...)
		e, ok := dnsmsg.Message(m).EDNS()
		require.True(t, ok)
		return e
	}
	code, why, ok := withOptions(option(15, "\x00\x16no reachable authority")).ExtendedError()
	require.True(t, ok)
	require.Equal(t, dnsmsg.ExtendedError(22), code)
	require.Equal(t, "no reachable authority", string(why))

	client, server, ok := withOptions(option(10, "clientXXserverYY")).Cookie()
	require.True(t, ok)
	require.Equal(t, "clientXX", string(client))
	require.Equal(t, "serverYY", string(server))
	for _, length := range []int{0, 7, 9, 15, 41} {
		_, _, ok = withOptions(option(10, string(make([]byte, length)))).Cookie()
		require.False(t, ok, "%d bytes", length)
	}

	o := withOptions(option(8, "abc"), "\x00\x0A\xFF\xFFcut").Options()
	require.True(t, o.Next())
	require.Equal(t, "abc", string(o.Data()))
	require.False(t, o.Next(), "an option that is longer than the record")
}

func TestClientSubnet(t *testing.T) {
	for _, tt := range []struct {
		name, data string
		want       string // "" without a name
		source     uint8
		ok         bool
	}{
		{"v4", "\x00\x01\x18\x10\xC6\x33\x64", "198.51.100.0", 24, true},
		{"bits behind the prefix", "\x00\x01\x14\x00\xC6\x33\xFF", "198.51.240.0", 20, true},
		{"v6, all of it", "\x00\x02\x38\x00\x20\x01\x0D\xB8\x12\x34\x56", "2001:db8:1234:5600::", 56, true},
		{"wants no subnet", "\x00\x01\x00\x00", "", 0, true},
		{"prefix 0 with an address", "\x00\x01\x00\x00\x01\x02\x03\x04", "", 0, true},
		{"v4 prefix 33", "\x00\x01\x21\x00\x01\x02\x03\x04", "", 0, false},
		{"v6 prefix 129", "\x00\x02\x81\x00\x01\x02\x03\x04", "", 0, false},
		{"unknown family", "\x00\x03\x18\x00\x01\x02\x03", "", 0, false},
		{"cut", "\x00\x01\x18", "", 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := dnsmsg.Message(append(header(1, 0, 0, 0, 0, 1), optRecord(option(3, "nsid"), option(8, tt.data))...))
			ecs, ok := m.ClientSubnet()
			require.Equal(t, tt.ok, ok)
			require.Equal(t, tt.source, ecs.Source)
			if tt.want == "" {
				require.False(t, ecs.Addr.IsValid())
				return
			}
			require.Equal(t, tt.want, ecs.Addr.String())
		})
	}
}

func TestTypes(t *testing.T) {
	require.Equal(t, "A", dnsmsg.TypeA.String())
	require.Equal(t, "HTTPS", dnsmsg.TypeHTTPS.String())
	require.Equal(t, "*", dnsmsg.Type(255).String())
	require.Equal(t, "4711", dnsmsg.Type(4711).String())
	require.Equal(t, "SRVFAIL", dnsmsg.RCodeServFail.String())
	require.Equal(t, "15", dnsmsg.RCode(15).String())
	for in, want := range map[string]dnsmsg.Type{"aaaa": 28, "28": 28, "AXFR": 252, "*": 255} {
		got, ok := dnsmsg.ParseType(in)
		require.True(t, ok, in)
		require.Equal(t, want, got)
	}
	for in, want := range map[string]dnsmsg.RCode{"servfail": 2, "SRVFAIL": 2, "2": 2, "BADSIG": 16, "NXDomain": 3} {
		got, ok := dnsmsg.ParseRCode(in)
		require.True(t, ok, in)
		require.Equal(t, want, got)
	}
	for _, in := range []string{"", "NOSUCH", "4711", "70000", "-1"} {
		_, ok := dnsmsg.ParseType(in)
		require.False(t, ok, in)
		_, ok = dnsmsg.ParseRCode(in)
		require.False(t, ok, in)
	}
	require.Negative(t, dnsmsg.TypeA.Compare(dnsmsg.TypeNS))
	require.Positive(t, dnsmsg.RCodeRefused.Compare(dnsmsg.RCodeNoError))
}
