package probe_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/probe"
	"visor/capture/sourcetest"
)

func TestConformance(t *testing.T) {
	sourcetest.Run(t, sourcetest.Case{Frames: sourcetest.Endless, Open: func(t testing.TB) (capture.Source, func(int)) {
		src, err := probe.New(probe.Config{
			Test: probe.Connect, Interval: 10 * time.Millisecond, Timeout: 10 * time.Millisecond, PacketInterval: 1,
			Targets: []probe.Target{{Name: "a", Host: "127.0.0.1", Port: 1}},
		})
		require.NoError(t, err)
		return src, nil
	}})
}
