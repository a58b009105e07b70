package window_test

import (
	"testing"
	"time"

	"visor/window"
)

// BenchmarkLive finds the live bucket of events a microsecond apart; a period closes once in a
// million.
func BenchmarkLive(b *testing.B) {
	r := window.NewRing(5, time.Second, func() *requests { return new(requests) })
	b.ReportAllocs()
	var ns int64
	for b.Loop() {
		ns += 1000
		r.Live(ns).count++
	}
}

// BenchmarkClose closes a period with every event.
func BenchmarkClose(b *testing.B) {
	r := window.NewRing(5, time.Second, func() *requests { return new(requests) })
	b.ReportAllocs()
	var ns int64
	for b.Loop() {
		ns += int64(time.Second)
		r.Live(ns).count++
	}
}
