package mock_test

import (
	"testing"

	"visor/capture"
	"visor/capture/mock"
	"visor/capture/sourcetest"
)

func TestConformance(t *testing.T) {
	sourcetest.Run(t, sourcetest.Case{Frames: sourcetest.Endless, Open: func(testing.TB) (capture.Source, func(int)) {
		return mock.New(mock.Config{PPS: 100_000}), nil
	}})
}
