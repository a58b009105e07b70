package benchmarks

import (
	"sync"
	"testing"

	"visor/capture"
	"visor/internal/trafficgen"
)

// varied returns 200,000 frames of a busy resolver's link, and their properties. They are built
// once and shared: callers must not write to them.
var varied = sync.OnceValues(func() ([]capture.Frame, trafficgen.Truth) {
	return trafficgen.Frames(trafficgen.VariedDNS(200_000))
})

// perPacket runs loop, which processes all frames once, and reports the time per packet, and the
// CPU time of all threads.
func perPacket(b *testing.B, frames int, loop func()) {
	b.ReportAllocs()
	start := cpuTime(b)
	for b.Loop() {
		loop()
	}
	n := float64(b.N) * float64(frames)
	b.ReportMetric(float64(cpuTime(b)-start)/n, "cpu-ns/pkt")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/n, "ns/pkt")
	b.ReportMetric(0, "ns/op")
}
