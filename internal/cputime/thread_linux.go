package cputime

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// Thread returns the CPU time of the calling thread in ns. It keeps the goroutine on the thread
// until the goroutine ends, so that two calls have the same one.
func Thread(tb testing.TB) int64 {
	runtime.LockOSThread()
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		tb.Error(err)
	}
	return t.Nano()
}
