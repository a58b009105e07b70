package trafficgen_test

import (
	"testing"

	"visor/capture"
	"visor/capture/sourcetest"
	"visor/internal/mangle"
	"visor/internal/trafficgen"
)

// TestConformance runs the suite of sources, also through package mangle.
func TestConformance(t *testing.T) {
	source := func() capture.Source { return trafficgen.NewSource(trafficgen.VariedDNS(1000)) }
	for name, open := range map[string]func() capture.Source{
		"plain": source, "mangled": func() capture.Source { return mangle.New(source()) },
	} {
		t.Run(name, func(t *testing.T) {
			sourcetest.Run(t, sourcetest.Case{Frames: 1000, Open: func(testing.TB) (capture.Source, func(int)) { return open(), nil }})
		})
	}
}
