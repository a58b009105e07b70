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

// defaultMemory is the memory limit where neither the options nor a cgroup have one.
const defaultMemory = 512 << 20

// memory is how an agent shares out its memory.
type memory struct {
	limit   int64 // of the process; 0 is none
	runtime int64 // at which Go collects harder (GOMEMLIMIT)
	work    int64 // what inputs and policies may hold
	// what answers of the API may hold, and what waits for a receiver of OpenTelemetry; 0 is the
	// default
	answers int
}

// shareOut shares out a limit. What is left is for copies that queries are answered from, and for
// what Go needs beside the heap.
func shareOut(limit int64) memory {
	if limit == 0 {
		return memory{}
	}
	return memory{limit: limit, runtime: limit / 4 * 3, work: limit / 2, answers: int(min(limit/16, 64<<20))}
}

// apply makes Go keep to the limit, unless the environment has one for it.
func (m memory) apply() {
	if m.runtime > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(m.runtime)
	}
}

// memoryLimit reads --memory-limit: bytes, with K, M or G for powers of 1024, "off", or "" for the
// cgroup's limit.
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
	digits, shift := text, 0
	if i := strings.IndexByte("KMG", text[len(text)-1]); i >= 0 {
		digits, shift = text[:len(text)-1], 10*(i+1)
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	switch {
	case err != nil || n <= 0 || n > math.MaxInt64>>shift:
		return 0, fmt.Errorf("--memory-limit %s: must be bytes as 536870912, 512M or 2G, or 'off'", text)
	case n<<shift < 32<<20:
		return 0, fmt.Errorf("--memory-limit %s: visord needs 32M at least", text)
	}
	return n << shift, nil
}

// mebibytes writes a number of bytes in the unit of --memory-limit: 512M is 512 MiB.
func mebibytes(n int64) string {
	return strconv.FormatFloat(math.Round(float64(n)/(1<<20)*10)/10, 'f', -1, 64) + " MiB"
}

// noLimit is what version 1 of cgroups has for none: more than any machine.
const noLimit = 1 << 60

// cgroupLimit returns the smallest memory limit of the cgroups that this process is in, of version
// 1 or 2, or 0 if there is none. In a container the file system shows its own cgroup as the root.
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

// readLimit returns the limit in a file, or 0 if it has none.
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
