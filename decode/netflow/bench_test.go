package netflow_test

import (
	"testing"

	"visor/decode"
	"visor/decode/netflow"
	"visor/internal/packettest"
)

// A datagram of 30 records, the most that 1500 bytes hold.
func BenchmarkDecode(b *testing.B) {
	var flows []decode.Flow
	var records []any
	for range 30 {
		flows = append(flows, commonFlow)
		records = append(records, commonRecord()...)
	}
	for _, bb := range []struct {
		name           string
		template, data []byte
	}{
		{"v5", nil, packettest.NetFlow5(1, 0, flows...)},
		{"v9", packettest.NetFlow9(1, 0, packettest.Set(0, common(256)...)), packettest.NetFlow9(1, 1, packettest.Set(256, records...))},
		{"ipfix", packettest.IPFIX(1, 0, packettest.Set(2, common(256)...)), packettest.IPFIX(1, 0, packettest.Set(256, records...))},
	} {
		b.Run(bb.name, func(b *testing.B) {
			d := netflow.New(netflow.Config{})
			var e decode.FlowDatagram
			d.Decode(0, router, bb.template, &e)
			b.ReportAllocs()
			for b.Loop() {
				d.Decode(0, router, bb.data, &e)
			}
			b.ReportMetric(float64(b.N*len(flows))/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(flows)), "ns/record")
		})
	}
}
