package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkStart measures the program on a small file, without the start of the process.
func BenchmarkStart(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		code, _, _ := call(b, nil, "--format", "json", sample)
		require.Zero(b, code)
	}
}
