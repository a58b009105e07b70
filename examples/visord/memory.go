package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// defaultMemory is the memory limit if neither the options nor a cgroup set one.
const defaultMemory = 512 << 20

// memory is the division of an agent's memory.
type memory struct {
	limit   int64 // limit of the process; 0 means no limit
	runtime int64 // GOMEMLIMIT, above which Go collects garbage more often
	work    int64 // limit for inputs and policies
	// limit for answers of the API, and for metrics waiting for an OpenTelemetry receiver; 0 means
	// the default
	answers int
}

// shareOut divides a limit. The rest is for the copies that answer queries, and for memory outside
// of Go's heap.
func shareOut(limit int64) memory {
	if limit == 0 {
		return memory{}
	}
	return memory{limit: limit, runtime: limit / 4 * 3, work: limit / 2, answers: int(min(limit/16, 64<<20))}
}

// apply sets GOMEMLIMIT, unless the environment sets it.
func (m memory) apply() {
	if m.runtime > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(m.runtime)
	}
}

// memoryLimit parses --memory-limit: bytes, with K, M or G for powers of 1024, "off", or "" for the
// limit of the cgroup.
func memoryLimit(text string, system fs.FS) (int64, error) {
	switch text {
	case "off":
		return 0, nil
	case "":
		if n := cgroupLimit(system); n > 0 {
			return n, nil
		}
		return defaultMemory, nil
	}
	n, err := parseBytes(text)
	switch {
	case err != nil:
		return 0, fmt.Errorf("--memory-limit %s: %w, or 'off'", text, err)
	case n < 32<<20:
		return 0, fmt.Errorf("--memory-limit %s: visord needs 32M at least", text)
	}
	return n, nil
}

// errBytes is the error of a number of bytes.
var errBytes = errors.New("must be bytes as 536870912, 512M or 2G")

// parseBytes parses a number of bytes, with K, M or G for powers of 1024.
func parseBytes(text string) (int64, error) {
	digits, shift := text, 0
	if text == "" {
		return 0, errBytes
	}
	if i := strings.IndexByte("KMG", text[len(text)-1]); i >= 0 {
		digits, shift = text[:len(text)-1], 10*(i+1)
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n <= 0 || n > math.MaxInt64>>shift {
		return 0, errBytes
	}
	return n << shift, nil
}

// mebibytes formats a number of bytes in the unit of --memory-limit, where 512M is 512 MiB.
func mebibytes(n int64) string {
	return strconv.FormatFloat(math.Round(float64(n)/(1<<20)*10)/10, 'f', -1, 64) + " MiB"
}

// noLimit is above every real limit; cgroups version 1 use such a number for no limit.
const noLimit = 1 << 60

// cgroupLimit returns the smallest memory limit of the cgroups of this process, version 1 or 2, or
// 0 without a limit. In a container the file system shows the container's cgroup as the root.
func cgroupLimit(system fs.FS) (limit int64) {
	list, err := fs.ReadFile(system, "proc/self/cgroup")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(list)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		root, file := "sys/fs/cgroup", "memory.max"
		switch {
		case fields[1] == "memory":
			root, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		case fields[0] != "0":
			continue
		}
		for dir := path.Clean("/" + fields[2]); ; dir = path.Dir(dir) {
			if n := readLimit(system, path.Join(root, dir, file)); n > 0 && (limit == 0 || n < limit) {
				limit = n
			}
			if dir == "/" {
				break
			}
		}
	}
	return limit
}

// readLimit returns the limit in a file, or 0 without one.
func readLimit(system fs.FS, name string) int64 {
	text, err := fs.ReadFile(system, name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n >= noLimit { // "max"
		return 0
	}
	return n
}
