//go:build unix

package resources

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"time"
)

// read asks the system for the process's CPU time (getrusage(2)) and memory. Memory is the current
// resident size where /proc exists, and otherwise the maximum so far.
func read() Usage {
	var ru syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &ru) != nil {
		return Usage{}
	}
	u := Usage{CPU: time.Duration(ru.Utime.Nano() + ru.Stime.Nano()), Memory: uint64(ru.Maxrss) * 1024}
	if statm, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := bytes.Fields(statm); len(fields) > 1 {
			if pages, err := strconv.ParseUint(string(fields[1]), 10, 64); err == nil {
				u.Memory = pages * uint64(os.Getpagesize())
			}
		}
	}
	return u
}
