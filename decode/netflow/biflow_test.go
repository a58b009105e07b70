package netflow_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"visor/decode"
	"visor/decode/netflow"
	"visor/internal/packettest"
)

// reverse is a field for the other direction (RFC 5103 section 6.1).
func reverse(element, length uint16) []any {
	return append(field(element|0x8000, length), uint32(29305))
}

// A record of a bidirectional flow becomes two flows, the second in the opposite direction.
func TestBiflow(t *testing.T) {
	ends := [][]any{field(8, 4), field(12, 4), field(7, 2), field(11, 2), field(10, 2), field(14, 2), field(5, 1)}
	values := []any{src, dst, uint16(5000), uint16(80), uint16(1), uint16(2), uint8(0xB8)}
	forth := decode.Flow{Src: src, Dst: dst, SrcPort: 5000, DstPort: 80, Input: 1, Output: 2, ToS: 0xB8, Bytes: 1000, Packets: 10}
	back := decode.Flow{Src: dst, Dst: src, SrcPort: 80, DstPort: 5000, Input: 2, Output: 1, ToS: 0xB8, Bytes: 5000, Packets: 20}
	with := func(f decode.Flow, change func(*decode.Flow)) decode.Flow {
		change(&f)
		return f
	}
	for _, tt := range []struct {
		name   string
		fields [][]any
		values []any
		want   []decode.Flow
	}{
		{
			"RFC 5103", [][]any{field(2, 4), field(1, 4), reverse(1, 4), reverse(2, 4)},
			[]any{uint32(10), uint32(1000), uint32(5000), uint32(20)}, []decode.Flow{forth, back},
		},
		{
			"totals", [][]any{field(86, 4), field(85, 4), reverse(85, 4), reverse(86, 4)},
			[]any{uint32(10), uint32(1000), uint32(5000), uint32(20)}, []decode.Flow{forth, back},
		},
		{
			"initiator and responder", [][]any{field(298, 4), field(231, 4), field(232, 4), field(299, 4)},
			[]any{uint32(10), uint32(1000), uint32(5000), uint32(20)}, []decode.Flow{forth, back},
		},
		{
			"nothing came back", [][]any{field(2, 4), field(1, 4), reverse(1, 4), reverse(2, 4)},
			[]any{uint32(10), uint32(1000), uint32(0), uint32(0)}, []decode.Flow{forth},
		},
		{
			"no delta, though there is a total", [][]any{field(2, 4), field(1, 4), reverse(1, 4), reverse(85, 4), reverse(2, 4), reverse(86, 4)},
			[]any{uint32(10), uint32(1000), uint32(0), uint32(5000), uint32(0), uint32(20)}, []decode.Flow{forth},
		},
		{
			"its own class of service", [][]any{field(2, 4), field(1, 4), reverse(1, 4), reverse(2, 4), reverse(5, 1)},
			[]any{uint32(10), uint32(1000), uint32(5000), uint32(20), uint8(4)},
			[]decode.Flow{forth, with(back, func(f *decode.Flow) { f.ToS = 4 })},
		},
		{
			"direction", [][]any{field(2, 4), field(1, 4), reverse(1, 4), reverse(2, 4), field(61, 1)},
			[]any{uint32(10), uint32(1000), uint32(5000), uint32(20), uint8(0)},
			[]decode.Flow{with(forth, func(f *decode.Flow) { f.Observed = decode.AtIngress }), with(back, func(f *decode.Flow) { f.Observed = decode.AtEgress })},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := netflow.New(netflow.Config{})
			set := packettest.Set(2, template(300, append(ends[:7:7], tt.fields...)...)...)
			data := packettest.Set(300, append(values[:7:7], tt.values...)...)
			flows, e := decoded(d, packettest.IPFIX(1, 0, set, data), packettest.IPFIX(1, 1, data))
			require.NoError(t, e.Err)
			require.Equal(t, append(tt.want, tt.want...), flows)
			require.Zero(t, e.LostFlows, "the sequence number counts records")
		})
	}
}
