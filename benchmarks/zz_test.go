package benchmarks

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"visor/capture"
	"visor/decode"
	"visor/internal/packettest"
)

func exports2(datagrams, routers int, ifs uint32) (frames []capture.Frame, records int) {
	for i := range datagrams {
		var flows []decode.Flow
		for k := range 30 {
			n := uint32(i*30+k) * 2654435761
			client := [4]byte{198, 18}
			binary.BigEndian.PutUint16(client[2:], uint16(n>>16%10_000))
			flows = append(flows, decode.Flow{
				Src: netip.AddrFrom4(client), Dst: netip.AddrFrom4([4]byte{203, 0, 113, byte(n >> 8 % 50)}),
				SrcPort: uint16(n >> 16), DstPort: []uint16{443, 80, 53, 22}[n>>5%4], Proto: []uint8{6, 6, 17, 6}[n>>5%4],
				Bytes: uint64(n % 5000), Packets: uint64(n%9 + 1), Input: n % ifs, Output: n >> 3 % ifs,
			})
		}
		router := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i % routers)}), 5000).String()
		frames = append(frames, packettest.UDP(time.Duration(i)*time.Millisecond, router, "192.0.2.250:2055", packettest.NetFlow5(uint32(i/routers*30), 0, flows...)))
	}
	return frames, 30 * datagrams
}

func BenchmarkZ(b *testing.B) {
	for _, c := range []struct{ r, i int }{{1, 1}, {1, 2}, {1, 8}, {4, 8}} {
		b.Run(fmt.Sprint(c), func(b *testing.B) {
			frames, records := exports2(10_000, c.r, uint32(c.i))
			mem := capture.NewMemory(frames)
			start := cpuTime(b)
			for b.Loop() {
				run(b, mem, 1, decode.HostNets{}, "flow")
			}
			b.ReportMetric(float64(cpuTime(b)-start)/float64(b.N*records), "cpu-ns/record")
		})
	}
}
