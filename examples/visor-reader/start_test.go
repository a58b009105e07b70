package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/internal/wait"
)

// TestDelayCollection checks that the usual percentage is back after the first collection.
func TestDelayCollection(t *testing.T) {
	const usual = 77
	before := debug.SetGCPercent(usual)
	defer debug.SetGCPercent(before)
	t.Setenv("GOGC", "")
	delayCollection()
	runtime.GC()
	wait.Until(t, func() bool {
		sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(sample)
		return sample[0].Value.Uint64() == usual
	})
}

// BenchmarkStart measures the program on a small file, without the start of the process.
func BenchmarkStart(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		code, _, _ := call(b, nil, "--format", "json", sample)
		require.Zero(b, code)
	}
}
