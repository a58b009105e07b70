package dnsmsg_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"visor/decode/dnsmsg"
)

// slowEDNS is Message.EDNS by the cursor over all records.
func slowEDNS(m dnsmsg.Message) (e dnsmsg.EDNS, ok bool) {
	for rr := m.Records(); rr.Next(); {
		if rr.Section() == dnsmsg.Additional && rr.Type() == dnsmsg.TypeOPT {
			ttl := rr.TTL()
			return dnsmsg.EDNS{
				UDPSize: rr.Class(), RCode: dnsmsg.RCode(ttl>>24<<4) | m.RCode(), Version: uint8(ttl >> 16), DO: ttl&0x8000 != 0,
			}, true
		}
	}
	return e, false
}

// requireEDNS compares the ways to the OPT record of m.
func requireEDNS(t *testing.T, m dnsmsg.Message) {
	want, found := slowEDNS(m)
	got, ok := m.EDNS()
	require.Equal(t, found, ok)
	end := 0
	if _, q, err := m.AppendCanonical(nil); err == nil {
		end = q.End
	}
	o := m.OPTBehind(end)
	if !endsLikeOPT(m) {
		require.Equal(t, ok, o != nil)
	}
	if o != nil && !endsLikeOPT(m) {
		require.Equal(t, got, o.EDNS(m))
	}
	require.Equal(t, want.UDPSize, got.UDPSize)
	require.Equal(t, want.RCode, got.RCode)
	require.Equal(t, want.Version, got.Version)
	require.Equal(t, want.DO, got.DO)
	var set dnsmsg.OptionSet
	for o := got.Options(); o.Next(); {
		require.LessOrEqual(t, len(o.Data()), len(m))
		_, isError := o.ExtendedError()
		require.Equal(t, o.Code() == dnsmsg.OptionEDE && len(o.Data()) >= 2, isError)
		for code, has := range optionSets {
			if o.Code() == code {
				set |= has
			}
		}
	}
	if o != nil && !endsLikeOPT(m) {
		require.Equal(t, set, o.OptionSet())
	}
}

// endsLikeOPT reports whether m ends with the bytes of an OPT record without options. Then they
// count as one if the question was read, even in another record.
func endsLikeOPT(m dnsmsg.Message) bool {
	end := m[max(0, len(m)-11):]
	return len(end) == 11 && string(end[:3]) == "\x00\x00\x29" && string(end[9:]) == "\x00\x00"
}

// TestOPTBehind finds the last record without the walk, and others with it.
func TestOPTBehind(t *testing.T) {
	plain := append(query(wireName("example.com")), optRecord()...)
	plain[11] = 1
	last := append(query(wireName("example.com")), record("\x00", 16, "\x03abc")+optRecord()...)
	last[11] = 2
	for name, m := range map[string]dnsmsg.Message{"plain": plain, "last": last, "options": response()} {
		_, q, err := m.AppendCanonical(nil)
		require.NoError(t, err)
		want, ok := m.EDNS()
		require.True(t, ok, name)
		for _, end := range []int{q.End, 0} {
			o := m.OPTBehind(end)
			require.Equal(t, want, o.EDNS(m), name)
			require.Equal(t, []any{want.UDPSize, want.RCode, want.Version, want.DO}, []any{o.UDPSize(), o.RCode(m.RCode()), o.Version(), o.DO()})
		}
	}
	plain[11] = 0
	require.Nil(t, dnsmsg.Message(plain).OPTBehind(0), "the header claims no record")
}

var optionSets = map[uint16]dnsmsg.OptionSet{
	3: dnsmsg.HasNSID, 8: dnsmsg.HasClientSubnet, 10: dnsmsg.HasCookie, 15: dnsmsg.HasExtendedError,
}

// FuzzEDNS compares the fast path to the OPT record with the cursor over all records.
func FuzzEDNS(f *testing.F) {
	f.Add(query(wireName("www.example.com")))
	f.Add(response())
	f.Add(append(append(header(1, 0, 2, 0, 0, 1), "\x01a\x00\x00\x01\x00\x01\x01b\x00\x00\x01\x00\x01"...), optRecord()...))
	f.Add(append(header(1, 0x8000, 0, 0, 1, 2), record("\x00", 41, "")+record("\xC0", 1, "")+optRecord(option(15, "\x00"))...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := dnsmsg.Parse(b); err == nil {
			requireEDNS(t, m)
		}
	})
}

// TestEDNSOfBuilder reads messages that another library has built, and compares with its parser.
func TestEDNSOfBuilder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		m := build(t, rnd)
		requireEDNS(t, m)
		want, found := otherEDNS(t, m)
		got, ok := m.EDNS()
		require.Equal(t, found, ok)
		if !found {
			continue
		}
		require.Equal(t, uint16(want.Class), got.UDPSize)
		require.Equal(t, want.DNSSECAllowed(), got.DO)
		require.Equal(t, want.ExtendedRCode(dnsmessage.RCode(m.RCode())), dnsmessage.RCode(got.RCode))
	}
}

// build returns a message with records in all sections, and mostly an OPT record anywhere among the
// additional ones.
func build(t *testing.T, rnd *rand.Rand) dnsmsg.Message {
	names := []dnsmessage.Name{
		dnsmessage.MustNewName("."), dnsmessage.MustNewName("example.com."), dnsmessage.MustNewName("a.long.name.example.com."),
	}
	name := func() dnsmessage.Name { return names[rnd.IntN(len(names))] }
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{Response: true, RCode: dnsmessage.RCode(rnd.IntN(16))})
	b.EnableCompression()
	require.NoError(t, b.StartQuestions())
	for range rnd.IntN(3) {
		require.NoError(t, b.Question(dnsmessage.Question{Name: name(), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}))
	}
	some := func() {
		for range rnd.IntN(3) {
			h := dnsmessage.ResourceHeader{Name: name(), Class: dnsmessage.ClassINET}
			require.NoError(t, b.TXTResource(h, dnsmessage.TXTResource{TXT: []string{"\x00\x00\x29\x10\x00"}}))
		}
	}
	for _, start := range []func() error{b.StartAnswers, b.StartAuthorities, b.StartAdditionals} {
		require.NoError(t, start())
		some()
	}
	if rnd.IntN(4) > 0 {
		var h dnsmessage.ResourceHeader
		require.NoError(t, h.SetEDNS0(rnd.IntN(1<<16), dnsmessage.RCode(rnd.IntN(1<<12)), rnd.IntN(2) == 0))
		require.NoError(t, b.OPTResource(h, dnsmessage.OPTResource{Options: []dnsmessage.Option{
			{Code: uint16(rnd.IntN(20)), Data: make([]byte, rnd.IntN(10))}, {Code: 15, Data: []byte{0, byte(rnd.IntN(30))}},
		}}))
	}
	some()
	m, err := b.Finish()
	require.NoError(t, err)
	return m
}

func otherEDNS(t *testing.T, m dnsmsg.Message) (h dnsmessage.ResourceHeader, ok bool) {
	var p dnsmessage.Parser
	_, err := p.Start(m)
	require.NoError(t, err)
	require.NoError(t, p.SkipAllQuestions())
	require.NoError(t, p.SkipAllAnswers())
	require.NoError(t, p.SkipAllAuthorities())
	for {
		h, err := p.AdditionalHeader()
		if err != nil {
			return h, false
		}
		if h.Type == dnsmessage.TypeOPT {
			return h, true
		}
		require.NoError(t, p.SkipAdditional())
	}
}

// TestEDNSOfAttack finds nothing in messages that claim the most records, in time bounded by their
// bytes.
func TestEDNSOfAttack(t *testing.T) {
	full := header(1, 0x8000, 0, 0xFFFF, 0xFFFF, 0xFFFF)
	for len(full) < 1<<16-11 {
		full = append(full, record("\x00", 41, "")...)
	}
	start := time.Now()
	for range 100 {
		_, ok := dnsmsg.Message(full).EDNS()
		require.False(t, ok)
	}
	require.Less(t, time.Since(start), 10*time.Second)
	require.Zero(t, testing.AllocsPerRun(10, func() { _, _ = dnsmsg.Message(full).EDNS() }))

	options := append(header(1, 0x8000, 0, 0, 0, 1), optRecord(string(make([]byte, 60_000)))...)
	e, ok := dnsmsg.Message(options).EDNS()
	require.True(t, ok)
	require.Zero(t, dnsmsg.Message(options).OPTBehind(0).OptionSet())
	require.EqualValues(t, 1232, e.UDPSize)
}

func TestExtendedErrors(t *testing.T) {
	m := dnsmsg.Message(append(header(1, 0x8000, 0, 0, 0, 1), optRecord(option(15, "\x00\x06bogus"), option(15, "\x00"), option(15, "\x00\x09"))...))
	e, ok := m.EDNS()
	require.True(t, ok)
	var codes []string
	for o := e.Options(); o.Next(); {
		if code, ok := o.ExtendedError(); ok {
			codes = append(codes, code.String())
		}
	}
	require.Equal(t, []string{"DNSSEC Bogus", "DNSKEY Missing"}, codes)
}

func TestCodes(t *testing.T) {
	require.Equal(t, "Invalid Query Type", dnsmsg.ExtendedError(30).String())
	require.Equal(t, "49152", dnsmsg.ExtendedError(49152).String())
	require.True(t, dnsmsg.ExtendedError(30).Registered())
	require.False(t, dnsmsg.ExtendedError(31).Registered())
	require.Negative(t, dnsmsg.ExtendedError(1).Compare(2))
	require.Equal(t, []string{"QUERY", "3", "UPDATE", "15"},
		[]string{dnsmsg.Opcode(0).String(), dnsmsg.Opcode(3).String(), dnsmsg.Opcode(5).String(), dnsmsg.Opcode(15).String()})
	require.Equal(t, []string{"0", "IN", "CH", "ANY", "256"},
		[]string{dnsmsg.Class(0).String(), dnsmsg.ClassIN.String(), dnsmsg.Class(3).String(), dnsmsg.Class(255).String(), dnsmsg.Class(256).String()})
}

func TestLabels(t *testing.T) {
	for name, labels := range map[string]int{"": 0, "a": 1, "www.example.com": 3, "a.b.c.d.e.f": 6} {
		_, q, err := dnsmsg.Message(query(wireName(name))).AppendCanonical(nil)
		require.NoError(t, err)
		require.Equal(t, labels, q.Labels())
	}
}

// BenchmarkEDNS measures the way to the OPT record, with the question at hand.
func BenchmarkEDNS(b *testing.B) {
	reply := dnsmsg.Message(response())
	_, q, err := reply.AppendCanonical(nil)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if reply.OPTBehind(q.End).OptionSet() == 0 {
			b.Fatal("no OPT record")
		}
	}
}
