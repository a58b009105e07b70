package netflow_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/decode"
	"visor/decode/netflow"
	"visor/internal/packettest"
)

var (
	router = session("192.0.2.254:5000")
	other  = session("192.0.2.253:5000")
	src    = netip.MustParseAddr("198.51.100.1")
	dst    = netip.MustParseAddr("203.0.113.1")
	src6   = netip.MustParseAddr("2001:db8::1")
	dst6   = netip.MustParseAddr("2001:db8::2")
)

// session returns the session of an exporter with the test's collector.
func session(from string) decode.FlowSession {
	return decode.FlowSession{From: netip.MustParseAddrPort(from), To: netip.MustParseAddrPort("192.0.2.1:2055")}
}

// decoded reads datagrams from the router, one second apart, and returns all flows and the last
// export.
func decoded(d *netflow.Decoder, datagrams ...[]byte) (flows []decode.Flow, e decode.FlowDatagram) {
	for i, b := range datagrams {
		d.Decode(int64(i)*int64(time.Second), router, b, &e)
		flows = append(flows, e.Flows...)
	}
	return flows, e
}

func TestVersion5(t *testing.T) {
	f := decode.Flow{Src: src, Dst: dst, Bytes: 1500, Packets: 3, Input: 7, Output: 9, SrcPort: 53, DstPort: 4000, Proto: 17, ToS: 0xB8, Sampling: 100}
	b := packettest.NetFlow5(10, 100, f, f)
	d := netflow.New(netflow.Config{})
	flows, e := decoded(d, b)
	require.Equal(t, []decode.Flow{f, f}, flows)
	require.Equal(t, router.From.Addr(), e.Device)
	require.NoError(t, e.Err)

	_, e = decoded(d, packettest.NetFlow5(15, 100, f)) // 12 was expected
	require.Equal(t, uint32(3), e.LostFlows)
	_, e = decoded(d, packettest.NetFlow5(0, 100, f)) // the router has restarted
	require.Zero(t, e.LostFlows)
	_, e = decoded(d, packettest.NetFlow5(1, 100, f))
	require.Zero(t, e.LostFlows)

	for name, broken := range map[string][]byte{
		"short":          b[:len(b)-1],
		"header":         b[:20],
		"one byte":       b[:1],
		"count too high": append([]byte{0, 5, 0, 31}, make([]byte, 20+31*48)...),
		"no records":     packettest.NetFlow5(0, 1),
		"trailing":       append(packettest.NetFlow5(0, 1, f), 0, 5, 0),
		"version":        append([]byte{0, 8}, b[2:]...),
	} {
		_, e := decoded(netflow.New(netflow.Config{}), broken)
		require.Error(t, e.Err, name)
	}
	flows, e = decoded(netflow.New(netflow.Config{}), append(packettest.NetFlow5(0, 1, f), packettest.NetFlow5(1, 1, f, f)...))
	require.Len(t, flows, 3, "datagrams end to end")
	require.Zero(t, e.LostFlows)
}

// field is a field of a template.
func field(element, length uint16) []any { return []any{element, length} }

func template(id uint16, fields ...[]any) []any {
	out := []any{id, uint16(len(fields))}
	for _, f := range fields {
		out = append(out, f...)
	}
	return out
}

// common is a template of addresses, ports, protocol, counters and interfaces.
func common(id uint16) []any {
	return template(id, field(8, 4), field(12, 4), field(7, 2), field(11, 2), field(4, 1), field(5, 1), field(1, 4), field(2, 4), field(10, 4), field(14, 2))
}

func commonRecord() []any {
	return []any{src, dst, uint16(53), uint16(4000), uint8(17), uint8(0xB8), uint32(1500), uint32(3), uint32(100_000), uint16(9)}
}

var commonFlow = decode.Flow{Src: src, Dst: dst, Bytes: 1500, Packets: 3, Input: 100_000, Output: 9, SrcPort: 53, DstPort: 4000, Proto: 17, ToS: 0xB8}

func TestTemplates(t *testing.T) {
	data := packettest.Set(256, append(commonRecord(), uint8(0), uint8(0))...) // with padding
	for name, b := range map[string][]byte{
		"NetFlow 9": packettest.NetFlow9(1, 0, packettest.Set(0, common(256)...), data),
		"IPFIX":     packettest.IPFIX(1, 0, packettest.Set(2, common(256)...), data),
	} {
		d := netflow.New(netflow.Config{})
		flows, e := decoded(d, b)
		require.Equal(t, []decode.Flow{commonFlow}, flows, name)
		require.NoError(t, e.Err)
		require.Equal(t, netflow.Stats{Datagrams: 1, Flows: 1, Templates: 1}, d.Stats())
	}
}

// The whole records of a datagram that was cut count, and so do the records of a set that claims to
// be longer than its message, as some exporters send.
func TestCut(t *testing.T) {
	record := packettest.Set(256, commonRecord()...)
	two := packettest.Set(256, append(commonRecord(), commonRecord()...)...)
	long := slices.Clone(record)
	long[3] += 2
	v9, ipfix := packettest.Set(0, common(256)...), packettest.Set(2, common(256)...)
	cut := func(b []byte) []byte { return b[:len(b)-1] }
	for name, b := range map[string][]byte{
		"NetFlow 5":              cut(packettest.NetFlow5(0, 0, commonFlow, commonFlow)),
		"NetFlow 9":              cut(packettest.NetFlow9(1, 0, v9, two)),
		"IPFIX":                  cut(packettest.IPFIX(1, 0, ipfix, two)),
		"set beyond its message": packettest.IPFIX(1, 0, ipfix, long),
	} {
		flows, e := decoded(netflow.New(netflow.Config{}), b)
		require.Len(t, flows, 1, name)
		require.Equal(t, src, flows[0].Src)
		require.Equal(t, uint64(1500), flows[0].Bytes)
		require.ErrorIs(t, e.Err, decode.ErrMalformed, name)
	}
}

// Templates belong to one exporter, domain and version.
func TestTemplatesApart(t *testing.T) {
	d := netflow.New(netflow.Config{})
	data := packettest.Set(256, commonRecord()...)
	decoded(d, packettest.IPFIX(1, 0, packettest.Set(2, common(256)...)))
	var e decode.FlowDatagram
	for name, read := range map[string]func(){
		"domain":   func() { d.Decode(1, router, packettest.IPFIX(2, 0, data), &e) },
		"version":  func() { d.Decode(1, router, packettest.NetFlow9(1, 0, data), &e) },
		"exporter": func() { d.Decode(1, other, packettest.IPFIX(1, 0, data), &e) },
	} {
		read()
		require.Empty(t, e.Flows, name)
	}
	d.Decode(1, router, packettest.IPFIX(1, 0, data), &e)
	require.Len(t, e.Flows, 1)
}

func TestElements(t *testing.T) {
	header := packettest.UDP(0, "198.51.100.1:53", "203.0.113.1:4000", []byte("hello")).Data
	for _, tt := range []struct {
		name   string
		fields [][]any
		record []any
		want   decode.Flow
	}{
		{"IPv6", [][]any{field(27, 16), field(28, 16), field(60, 1)}, []any{src6, dst6, uint8(6)}, decode.Flow{Src: src6, Dst: dst6}},
		{
			"both families, one zero", [][]any{field(8, 4), field(12, 4), field(27, 16), field(28, 16)},
			[]any{netip.IPv4Unspecified(), netip.IPv4Unspecified(), src6, dst6}, decode.Flow{Src: src6, Dst: dst6},
		},
		{"short integers", [][]any{field(1, 3), field(2, 1), field(10, 1)}, []any{uint8(1), uint16(0), uint8(5), uint8(7)}, decode.Flow{Bytes: 65536, Packets: 5, Input: 7}},
		{"long integers", [][]any{field(1, 8), field(2, 8)}, []any{uint64(1) << 40, uint64(2)}, decode.Flow{Bytes: 1 << 40, Packets: 2}},
		{"egress counters", [][]any{field(23, 4), field(1, 4), field(24, 4)}, []any{uint32(96), uint32(0), uint32(2)}, decode.Flow{Bytes: 96, Packets: 2}},
		{"totals", [][]any{field(85, 4), field(86, 4)}, []any{uint32(96), uint32(2)}, decode.Flow{Bytes: 96, Packets: 2}},
		{"the delta before the total", [][]any{field(1, 4), field(85, 4)}, []any{uint32(5), uint32(96)}, decode.Flow{Bytes: 5}},
		{"no delta, though there is a total", [][]any{field(85, 4), field(1, 4), field(86, 4), field(2, 4)}, []any{uint32(96), uint32(0), uint32(2), uint32(0)}, decode.Flow{}},
		{"a delta of bytes, a total of packets", [][]any{field(1, 4), field(86, 4)}, []any{uint32(96), uint32(2)}, decode.Flow{Bytes: 96, Packets: 2}},
		{"totals on egress", [][]any{field(171, 4), field(172, 4)}, []any{uint32(96), uint32(2)}, decode.Flow{Bytes: 96, Packets: 2}},
		{"layer 2 alone", [][]any{field(352, 8), field(2, 4)}, []any{uint64(114), uint32(1)}, decode.Flow{Bytes: 114, Packets: 1}},
		{"layer 2 and layer 3", [][]any{field(352, 8), field(1, 4)}, []any{uint64(114), uint32(0)}, decode.Flow{}},
		{"layer 2 before a total", [][]any{field(352, 8), field(85, 4)}, []any{uint64(114), uint32(9999)}, decode.Flow{Bytes: 114}},
		{"total of layer 2", [][]any{field(353, 8)}, []any{uint64(114)}, decode.Flow{Bytes: 114}},
		{"physical interfaces alone", [][]any{field(252, 4), field(253, 4)}, []any{uint32(7), uint32(9)}, decode.Flow{Input: 7, Output: 9}},
		{"physical interfaces beside others", [][]any{field(252, 4), field(253, 4), field(10, 4), field(14, 4)}, []any{uint32(7), uint32(9), uint32(1), uint32(0)}, decode.Flow{Input: 1}},
		{"ingress", [][]any{field(61, 1), field(2, 4)}, []any{uint8(0), uint32(2)}, decode.Flow{Packets: 2, Observed: decode.AtIngress}},
		{"egress", [][]any{field(61, 1), field(2, 4)}, []any{uint8(1), uint32(2)}, decode.Flow{Packets: 2, Observed: decode.AtEgress}},
		{"no length", [][]any{field(1, 0), field(2, 4)}, []any{uint32(2)}, decode.Flow{Packets: 2}},
		{"enterprise", [][]any{append(field(0x8001, 4), uint32(9)), field(2, 4)}, []any{uint32(77), uint32(2)}, decode.Flow{Packets: 2}},
		{"variable length", [][]any{field(82, 0xFFFF), field(2, 4)}, []any{uint8(3), []byte("abc"), uint32(2)}, decode.Flow{Packets: 2}},
		{"long form of variable length", [][]any{field(82, 0xFFFF), field(2, 4)}, []any{uint8(0xFF), uint16(3), []byte("abc"), uint32(2)}, decode.Flow{Packets: 2}},
		{"address of odd length", [][]any{field(8, 3), field(2, 1)}, []any{uint8(1), uint8(2), uint8(3), uint8(4)}, decode.Flow{Packets: 4}},
		{"sampled frame", [][]any{field(312, 2), field(315, 0xFFFF)}, []any{uint16(1000), uint8(len(header)), header}, decode.Flow{
			Bytes: 1000, Packets: 1, Header: header, HeaderLink: decode.LinkEthernet,
		}},
		{"rate in the record", [][]any{field(34, 4), field(2, 4)}, []any{uint32(64), uint32(2)}, decode.Flow{Packets: 2, Sampling: 64}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := netflow.New(netflow.Config{})
			sets := [][]byte{packettest.Set(2, template(300, tt.fields...)...), packettest.Set(300, append(tt.record, tt.record...)...)}
			flows, e := decoded(d, packettest.IPFIX(1, 0, sets...))
			require.Equal(t, []decode.Flow{tt.want, tt.want}, flows)
			require.NoError(t, e.Err)
		})
	}
}

// options is an IPFIX options template with one scope.
func options(id uint16, fields ...[]any) []byte {
	out := []any{id, uint16(len(fields)), uint16(1)}
	for _, f := range fields {
		out = append(out, f...)
	}
	return packettest.Set(3, out...)
}

func TestSampling(t *testing.T) {
	flow := packettest.Set(2, template(300, field(302, 1), field(2, 4))...)
	plain := packettest.Set(2, template(301, field(2, 4))...)
	one, two := packettest.Set(300, uint8(1), uint32(5)), packettest.Set(300, uint8(2), uint32(5))
	none := packettest.Set(301, uint32(5))
	rate := func(t *testing.T, sets ...[]byte) uint32 {
		flows, e := decoded(netflow.New(netflow.Config{}), packettest.IPFIX(1, 0, append([][]byte{flow, plain}, sets...)...))
		require.NoError(t, e.Err)
		require.Len(t, flows, 1)
		return flows[0].Sampling
	}
	everywhere := [][]byte{options(400, field(143, 4), field(34, 4)), packettest.Set(400, uint32(1), uint32(512))}
	samplers := [][]byte{options(401, field(149, 4), field(302, 1), field(305, 4), field(306, 4)), packettest.Set(401, uint32(1), uint8(1), uint32(1), uint32(99), uint32(1), uint8(2), uint32(2), uint32(6))}
	ofN := [][]byte{options(402, field(149, 4), field(302, 1), field(309, 4), field(310, 4)), packettest.Set(402, uint32(1), uint8(2), uint32(10), uint32(1000))}
	require.Zero(t, rate(t, none))
	require.Equal(t, uint32(512), rate(t, append(everywhere, none)...), "of the whole exporter")
	require.Equal(t, uint32(100), rate(t, append(samplers, one)...), "one packet and a pause of 99")
	require.Equal(t, uint32(4), rate(t, append(samplers, two)...), "two packets and a pause of six")
	require.Equal(t, uint32(100), rate(t, append(ofN, two)...), "ten of a thousand")
	require.Zero(t, rate(t, append(ofN, none)...), "a sampler that the record does not name")

	scope := packettest.Set(1, uint16(500), uint16(4), uint16(8), uint16(1), uint16(2), uint16(48), uint16(1), uint16(34), uint16(4))
	flows, e := decoded(netflow.New(netflow.Config{}), packettest.NetFlow9(1, 0,
		scope, packettest.Set(500, uint16(0), uint8(7), uint32(1000)),
		packettest.Set(0, template(300, field(48, 1), field(2, 4))...), packettest.Set(300, uint8(7), uint32(5))))
	require.NoError(t, e.Err)
	require.Equal(t, uint32(1000), flows[0].Sampling, "version 9")
}

// Data sets wait for their template, each for its own.
func TestHeld(t *testing.T) {
	d := netflow.New(netflow.Config{})
	early := packettest.IPFIX(1, 0, packettest.Set(256, commonRecord()...), packettest.Set(257, uint32(5)))
	flows, e := decoded(d, early, early, packettest.IPFIX(1, 4, packettest.Set(2, common(256)...)))
	require.Equal(t, []decode.Flow{commonFlow, commonFlow}, flows)
	require.Zero(t, e.LostSets)
	require.Equal(t, uint64(4), d.Stats().HeldSets)

	var late decode.FlowDatagram
	d.Decode(int64(time.Hour), router, packettest.IPFIX(1, 4, packettest.Set(2, template(257, field(2, 4))...)), &late)
	require.Empty(t, late.Flows, "too late")
	require.Equal(t, uint32(2), late.LostSets)
	require.Equal(t, uint64(2), d.Stats().LostSets)
}

// Held sets are bounded, and evicted ones are counted for their source.
func TestHeldBound(t *testing.T) {
	d := netflow.New(netflow.Config{MaxHeld: 16384})
	var e decode.FlowDatagram
	for i := range 100 {
		from := []decode.FlowSession{router, other}[i%2]
		d.Decode(int64(i), from, packettest.IPFIX(1, 0, packettest.Set(256, make([]byte, 200))), &e)
	}
	st := d.Stats()
	require.Equal(t, uint64(100), st.HeldSets)
	require.InDelta(t, 100-16384/(200+1024), float64(st.LostSets), 1)
	lost := uint32(0)
	for _, from := range []decode.FlowSession{router, other} {
		d.Decode(200, from, packettest.IPFIX(1, 0), &e)
		lost += e.LostSets
	}
	require.LessOrEqual(t, lost, uint32(3), "the others were told before")
	d.Decode(200, router, packettest.IPFIX(1, 0, packettest.Set(256, make([]byte, 17000))), &e)
	require.Equal(t, uint32(1), e.LostSets, "larger than all the room")
}

// A datagram of matching sets and templates, each set before its template, takes time in proportion
// to its length.
func TestHeldFlood(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out floods")
	}
	var sets [][]byte
	for id := range uint16(2000) {
		sets = append(sets, packettest.Set(256+id, uint32(id)), packettest.Set(5000+id, uint32(id)), packettest.Set(0, template(256+id, field(2, 4))...))
	}
	d := netflow.New(netflow.Config{})
	for i := range 20 {
		var e decode.FlowDatagram
		d.Decode(int64(i), router, packettest.NetFlow9(uint32(i), 0, sets...), &e)
		require.Len(t, e.Flows, 2000)
	}
	st := d.Stats()
	require.Equal(t, uint64(20*4000), st.HeldSets)
	require.InDelta(t, 20*2000-1024, float64(st.LostSets), 10, "those of templates that never come")
}

func TestSequence(t *testing.T) {
	d := netflow.New(netflow.Config{})
	set, one := packettest.Set(2, template(256, field(2, 4))...), packettest.Set(256, uint32(1), uint32(2))
	_, e := decoded(d, packettest.IPFIX(1, 100, set, one), packettest.IPFIX(1, 102, one), packettest.IPFIX(1, 109, one))
	require.Equal(t, uint32(5), e.LostFlows)
	d = netflow.New(netflow.Config{})
	three := packettest.Set(256, uint32(1), uint32(2), uint32(3))
	for _, m := range [][]byte{packettest.IPFIX(1, 2, set, one), packettest.IPFIX(1, 5, three), packettest.IPFIX(1, 7, one), packettest.IPFIX(1, 10, three)} {
		_, e = decoded(d, m)
		require.Zero(t, e.LostFlows, "the numbers include the message's own records")
	}
	d = netflow.New(netflow.Config{})
	_, e = decoded(d, packettest.NetFlow9(1, 7), packettest.NetFlow9(1, 8), packettest.NetFlow9(1, 12))
	require.Equal(t, uint32(3), e.LostDatagrams)
	_, e = decoded(d, packettest.NetFlow9(2, 7))
	require.Zero(t, e.LostDatagrams, "another source")
}

func TestExpiry(t *testing.T) {
	d := netflow.New(netflow.Config{TemplateTTL: time.Minute})
	var e decode.FlowDatagram
	d.Decode(0, router, packettest.IPFIX(1, 0, packettest.Set(2, template(256, field(2, 4))...)), &e)
	d.Decode(int64(30*time.Second), router, packettest.IPFIX(1, 0, packettest.Set(256, uint32(1))), &e)
	require.Len(t, e.Flows, 1)
	d.Decode(int64(2*time.Minute), router, packettest.IPFIX(1, 0, packettest.Set(256, uint32(1))), &e)
	require.Empty(t, e.Flows)
}

func TestWithdrawal(t *testing.T) {
	d := netflow.New(netflow.Config{})
	flows, _ := decoded(d, packettest.IPFIX(1, 0, packettest.Set(2, template(256, field(2, 4))...)),
		packettest.IPFIX(1, 0, packettest.Set(2, uint16(256), uint16(0))), packettest.IPFIX(1, 0, packettest.Set(256, uint32(1))))
	require.Empty(t, flows)
}

func TestHostile(t *testing.T) {
	many := []any{uint16(256), uint16(2000)}
	for range 2000 {
		many = append(many, field(1, 4)...)
	}
	for name, b := range map[string][]byte{
		"length of the message":  packettest.IPFIX(1, 0, packettest.Set(256, uint32(1)))[:20],
		"length of a set":        packettest.NetFlow9(1, 0, []byte{1, 0, 0, 9, 0, 0}),
		"no length of a set":     packettest.NetFlow9(1, 0, []byte{1, 0, 0, 0, 0, 0}),
		"count of fields":        packettest.NetFlow9(1, 0, packettest.Set(0, uint16(256), uint16(60000), uint16(1), uint16(4))),
		"more fields than usual": packettest.NetFlow9(1, 0, packettest.Set(0, many...)),
		"options of odd length":  packettest.NetFlow9(1, 0, packettest.Set(1, uint16(256), uint16(3), uint16(4), uint64(0))),
		"scope count missing":    packettest.IPFIX(1, 0, packettest.Set(3, uint16(256), uint16(1))),
		"header":                 packettest.NetFlow9(1, 0)[:19],
	} {
		_, e := decoded(netflow.New(netflow.Config{}), b)
		require.Error(t, e.Err, name)
	}
	flows, e := decoded(netflow.New(netflow.Config{}), packettest.NetFlow9(1, 0, packettest.Set(0, template(256, field(4, 1))...), packettest.Set(256, make([]byte, 60000))))
	require.Error(t, e.Err, "flood of records")
	require.LessOrEqual(t, len(flows), 4096)
	flows, e = decoded(netflow.New(netflow.Config{}), packettest.NetFlow9(1, 0, packettest.Set(0, template(256, field(1, 0))...), packettest.Set(256, uint32(1))))
	require.Empty(t, flows, "records without a length")
	require.NoError(t, e.Err)
}

func TestDecodeAllocs(t *testing.T) {
	d := netflow.New(netflow.Config{})
	b := packettest.IPFIX(1, 0, packettest.Set(256, append(commonRecord(), commonRecord()...)...))
	var e decode.FlowDatagram
	d.Decode(0, router, packettest.IPFIX(1, 0, packettest.Set(2, common(256)...)), &e)
	d.Decode(0, router, b, &e)
	require.Len(t, e.Flows, 2)
	require.Zero(t, testing.AllocsPerRun(100, func() { d.Decode(1, router, b, &e) }))
}
