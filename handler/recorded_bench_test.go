package handler_test

import (
	"testing"
	"time"

	"visor/capture"
	"visor/handler"
)

// BenchmarkRecorded measures the cost of judging times, with a source that costs nothing: about 1
// ns per frame.
func BenchmarkRecorded(b *testing.B) {
	var times []time.Duration
	for i := range 100_000 {
		times = append(times, time.Duration(i)*100*time.Microsecond)
	}
	src := capture.NewMemory(timed(times...))
	for name, s := range map[string]capture.Source{"source alone": src, "recorded": handler.Recorded(src)} {
		b.Run(name, func(b *testing.B) {
			var batch capture.Batch
			for b.Loop() {
				src.Rewind()
				for s.ReadBatch(&batch) == nil {
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(times)), "ns/frame")
		})
	}
}
