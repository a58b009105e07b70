package bgpmsg_test

import (
	"testing"

	"visor/decode/bgpmsg"
)

// A segment of 14 UPDATEs of 100 bytes.
func BenchmarkFramer(b *testing.B) {
	var segment []byte
	for range 14 {
		segment = append(segment, message(bgpmsg.Update, 81)...)
	}
	var f bgpmsg.Framer
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		f.Feed(segment)
		for f.Next() {
			n++
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/message")
}
