package window_test

import (
	"testing"

	"visor/window"
)

// BenchmarkShift closes a period with every event.
func BenchmarkShift(b *testing.B) {
	r := window.NewRing(5, newRequests)
	b.ReportAllocs()
	for b.Loop() {
		r.Shift()
		r.Current().count++
	}
}
