package trafficgen_test

import (
	"testing"

	"visor/internal/trafficgen"
)

func BenchmarkNext(b *testing.B) {
	for _, bb := range []struct {
		name string
		cfg  trafficgen.Config
	}{
		{"varied", trafficgen.VariedDNS(-1)},
		{"mixed", trafficgen.Mixed(-1)},
		{"flood", trafficgen.NXDomainFlood(-1, 90)},
	} {
		b.Run(bb.name, func(b *testing.B) {
			g := trafficgen.New(bb.cfg)
			buf := make([]byte, trafficgen.MaxFrame)
			b.ReportAllocs()
			for b.Loop() {
				g.Next(buf)
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		trafficgen.New(trafficgen.VariedDNS(1))
	}
}
