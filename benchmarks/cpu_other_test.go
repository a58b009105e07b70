//go:build !unix

package benchmarks

import "testing"

// cpuTime skips the benchmark: it measures by getrusage.
func cpuTime(tb testing.TB) int64 {
	tb.Skip("skipped: CPU time is measured on Unix alone")
	return 0
}
