// Package compare measures visor's decoders of flow exports against goflow2's (BSD-3-Clause,
// https://github.com/netsampler/goflow2). Both decode the same datagrams in the same run. goflow2
// is measured twice: decoding alone, and with the extraction of the fields that visor extracts, as
// its producer does.
package compare

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/netsampler/goflow2/v2/decoders/netflow"
	"github.com/netsampler/goflow2/v2/decoders/netflowlegacy"
	"github.com/netsampler/goflow2/v2/decoders/sflow"
	"github.com/netsampler/goflow2/v2/producer/proto"

	"visor/decode"
	visornetflow "visor/decode/netflow"
	visorsflow "visor/decode/sflow"
	"visor/internal/packettest"
)

var (
	src = netip.MustParseAddr("198.51.100.1")
	dst = netip.MustParseAddr("203.0.113.1")

	exporter = decode.FlowSession{From: netip.MustParseAddrPort("192.0.2.254:5000")}
)

// v9 returns a datagram with a template, and one with 30 records of it.
func v9() (template, data []byte) {
	fields := []any{uint16(256), uint16(10)}
	for _, f := range [][2]uint16{{8, 4}, {12, 4}, {7, 2}, {11, 2}, {4, 1}, {5, 1}, {1, 4}, {2, 4}, {10, 4}, {14, 2}} {
		fields = append(fields, f[0], f[1])
	}
	var records []any
	for range 30 {
		records = append(records, src, dst, uint16(53), uint16(4000), uint8(17), uint8(0xB8), uint32(1500), uint32(3), uint32(7), uint16(9))
	}
	return packettest.NetFlow9(1, 0, packettest.Set(0, fields...)), packettest.NetFlow9(1, 1, packettest.Set(256, records...))
}

func v5() []byte {
	var flows []decode.Flow
	for range 30 {
		flows = append(flows, decode.Flow{Src: src, Dst: dst, Bytes: 1500, Packets: 3, Input: 7, Output: 9, SrcPort: 53, DstPort: 4000, Proto: 17})
	}
	return packettest.NetFlow5(0, 100, flows...)
}

func samples() []byte {
	frame := packettest.UDP(0, "198.51.100.1:53", "203.0.113.1:4000", make([]byte, 86)).Data
	var out [][]byte
	for range 7 {
		out = append(out, packettest.Sample(512, 4, 5, packettest.RawHeader(1400, frame)))
	}
	return packettest.SFlow("192.0.2.254", 1, out...)
}

// measure runs read, which returns the number of records.
func measure(b *testing.B, want int, read func() int) {
	if got := read(); got != want {
		b.Fatalf("%d records, %d expected", got, want)
	}
	b.ReportAllocs()
	for b.Loop() {
		read()
	}
	b.ReportMetric(float64(b.N*want)/b.Elapsed().Seconds(), "records/s")
}

func check(b *testing.B, err error) {
	if err != nil {
		b.Fatal(err)
	}
}

func BenchmarkNetFlow5(b *testing.B) {
	datagram := v5()
	b.Run("visor", func(b *testing.B) {
		d := visornetflow.New(visornetflow.Config{})
		var e decode.FlowDatagram
		measure(b, 30, func() int {
			d.Decode(0, exporter, datagram, &e)
			return len(e.Flows)
		})
	})
	b.Run("goflow2", func(b *testing.B) {
		measure(b, 30, func() int {
			var p netflowlegacy.PacketNetFlowV5
			check(b, netflowlegacy.DecodeMessageVersion(bytes.NewBuffer(datagram), &p))
			return len(p.Records)
		})
	})
	b.Run("goflow2-producer", func(b *testing.B) {
		measure(b, 30, func() int {
			var p netflowlegacy.PacketNetFlowV5
			check(b, netflowlegacy.DecodeMessageVersion(bytes.NewBuffer(datagram), &p))
			out, err := protoproducer.ProcessMessageNetFlowLegacy(&p)
			check(b, err)
			return len(out)
		})
	})
}

func BenchmarkNetFlow9(b *testing.B) {
	template, datagram := v9()
	b.Run("visor", func(b *testing.B) {
		d := visornetflow.New(visornetflow.Config{})
		var e decode.FlowDatagram
		d.Decode(0, exporter, template, &e)
		measure(b, 30, func() int {
			d.Decode(0, exporter, datagram, &e)
			return len(e.Flows)
		})
	})
	decoded := func(b *testing.B, templates netflow.NetFlowTemplateSystem, datagram []byte) (p netflow.NFv9Packet) {
		check(b, netflow.DecodeMessageVersion(bytes.NewBuffer(datagram), templates, &p, &netflow.IPFIXPacket{}))
		return p
	}
	b.Run("goflow2", func(b *testing.B) {
		templates := netflow.CreateTemplateSystem()
		decoded(b, templates, template)
		measure(b, 30, func() int {
			return len(decoded(b, templates, datagram).FlowSets[0].(netflow.DataFlowSet).Records)
		})
	})
	b.Run("goflow2-producer", func(b *testing.B) {
		templates, rates := netflow.CreateTemplateSystem(), protoproducer.CreateSamplingSystem()
		config := compiled(b)
		decoded(b, templates, template)
		measure(b, 30, func() int {
			p := decoded(b, templates, datagram)
			out, err := protoproducer.ProcessMessageNetFlowV9Config(&p, rates, config)
			check(b, err)
			return len(out)
		})
	})
}

func BenchmarkSFlow(b *testing.B) {
	datagram := samples()
	b.Run("visor", func(b *testing.B) {
		d, headers := visorsflow.New(), decode.NewDecoder(decode.Config{})
		var e decode.FlowDatagram
		measure(b, 7, func() int {
			d.Decode(0, exporter, datagram, &e)
			for i := range e.Flows {
				headers.AddHeader(&e.Flows[i])
			}
			return len(e.Flows)
		})
	})
	b.Run("goflow2", func(b *testing.B) {
		measure(b, 7, func() int {
			var p sflow.Packet
			check(b, sflow.DecodeMessageVersion(bytes.NewBuffer(datagram), &p))
			return len(p.Samples)
		})
	})
	b.Run("goflow2-producer", func(b *testing.B) {
		config := compiled(b)
		measure(b, 7, func() int {
			var p sflow.Packet
			check(b, sflow.DecodeMessageVersion(bytes.NewBuffer(datagram), &p))
			out, err := protoproducer.ProcessMessageSFlowConfig(&p, config)
			check(b, err)
			return len(out)
		})
	})
}

// compiled returns goflow2's default mapping of fields.
func compiled(b *testing.B) protoproducer.ProtoProducerConfig {
	config, err := (&protoproducer.ProducerConfig{}).Compile()
	check(b, err)
	return config
}
