package main

import (
	"testing"

	"visor/capture"
	"visor/capture/sourcetest"
)

func TestSourceConformance(t *testing.T) {
	sourcetest.Run(t, sourcetest.Case{Frames: 1100, Open: func(testing.TB) (capture.Source, func(int)) {
		return pings(PingsConfig{Count: 1000}), nil
	}})
}
