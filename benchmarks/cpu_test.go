//go:build unix

package benchmarks

import (
	"syscall"
	"testing"
)

// cpuTime returns the CPU time of the process in ns. On a shared machine it varies less than the
// elapsed time.
func cpuTime(tb testing.TB) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Skip(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
