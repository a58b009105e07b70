package benchmarks

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"visor/capture"
	"visor/decode"
	"visor/internal/attack"
	"visor/internal/packettest"
)

// exports returns datagrams of routers with some interfaces each. Each datagram has 30 flows
// between 10,000 clients and 50 servers.
func exports(datagrams, routers int, interfaces uint32) (frames []capture.Frame, records int) {
	for i := range datagrams {
		var flows []decode.Flow
		for k := range 30 {
			n := uint32(i*30+k) * 2654435761 // spreads over clients, ports and sizes
			client := [4]byte{198, 18}
			binary.BigEndian.PutUint16(client[2:], uint16(n>>16%10_000))
			flows = append(flows, decode.Flow{
				Src: netip.AddrFrom4(client), Dst: netip.AddrFrom4([4]byte{203, 0, 113, byte(n >> 8 % 50)}),
				SrcPort: uint16(n >> 16), DstPort: []uint16{443, 80, 53, 22}[n>>5%4], Proto: []uint8{6, 6, 17, 6}[n>>5%4],
				Bytes: uint64(n % 5000), Packets: uint64(n%9 + 1), Input: n % interfaces, Output: n >> 3 % interfaces,
			})
		}
		router := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i % routers)}), 5000).String()
		frames = append(frames, packettest.UDP(time.Duration(i)*time.Millisecond, router, "192.0.2.250:2055", packettest.NetFlow5(uint32(i/routers*30), 0, flows...)))
	}
	return frames, 30 * datagrams
}

// BenchmarkFlow measures the total cost of a flow record, from the packet with its datagram on.
func BenchmarkFlow(b *testing.B) {
	frames, records := exports(10_000, 4, 8)
	mem := capture.NewMemory(frames)
	b.ReportAllocs()
	start := cpuTime(b)
	for b.Loop() {
		run(b, mem, 1, decode.NetSet{}, "flow")
	}
	b.ReportMetric(float64(cpuTime(b)-start)/float64(b.N*records), "cpu-ns/record")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*records), "ns/record")
	b.ReportMetric(float64(b.N*records)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkFlowInterfaces measures how much of that is memory: each interface has its own lists.
func BenchmarkFlowInterfaces(b *testing.B) {
	for _, interfaces := range []uint32{1, 8, 32} {
		b.Run(fmt.Sprint(interfaces), func(b *testing.B) {
			frames, records := exports(10_000, 1, interfaces)
			mem := capture.NewMemory(frames)
			start := cpuTime(b)
			for b.Loop() {
				run(b, mem, 1, decode.NetSet{}, "flow")
			}
			b.ReportMetric(float64(cpuTime(b)-start)/float64(b.N*records), "cpu-ns/record")
		})
	}
}

// BenchmarkFlowAttack measures the cost of a record from a forged exporter with forged interfaces.
func BenchmarkFlowAttack(b *testing.B) {
	for _, name := range []string{"interfaces", "exporters"} {
		b.Run(name, func(b *testing.B) {
			kind, _ := attack.Named(name)
			const datagrams = 20_000
			mem := capture.NewMemory(kind.Frames(datagrams))
			b.ReportAllocs()
			start := cpuTime(b)
			for b.Loop() {
				run(b, mem, 1, decode.NetSet{}, "flow")
			}
			b.ReportMetric(float64(cpuTime(b)-start)/float64(b.N*30*datagrams), "cpu-ns/record")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*30*datagrams), "ns/record")
		})
	}
}
