package benchmarks

import (
	"fmt"
	"testing"

	"visor/capture"
)

// BenchmarkSweep repeats the first frames of the varied traffic, so that the working set grows from
// the first cache to main memory. The difference of two rows is the time of cache misses.
func BenchmarkSweep(b *testing.B) {
	all, _ := allVaried()
	for _, n := range []int{512, 4096, 32_768, 131_072, 400_000} {
		frames := repeated(all[:n], 1_000_000)
		b.Run(fmt.Sprintf("frames=%d", n), func(b *testing.B) {
			mem := capture.NewMemory(frames)
			perPacket(b, len(frames), func() { run(b, mem, 1, ownNets(b), "net", "dns", "pcap") })
		})
	}
}

// repeated returns about total frames: some again and again, each time later.
func repeated(frames []capture.Frame, total int) (out []capture.Frame) {
	last := frames[len(frames)-1].TimeNS - frames[0].TimeNS + 1
	for round := int64(0); len(out) < total; round++ {
		for _, f := range frames {
			f.TimeNS += round * last
			out = append(out, f)
		}
	}
	return out
}
