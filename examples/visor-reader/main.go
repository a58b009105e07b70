// Command visor-reader summarises capture files. It has the flags and the JSON output of
// pktvisor-reader. Run it with -h for its manual.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/spf13/pflag"
)

// Exit codes.
const (
	exitDone    = 0
	exitUnread  = 1 // a file could not be read, or not to its end
	exitMisused = 2 // invalid command line
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program immediately
	limitMemory()
	delayCollection()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// softLimit is the memory, in bytes, above which the garbage collector works harder. It keeps the
// reader below 128 MiB beside the mapped file: 123 MiB instead of 199 for a capture of 2 GB, with 9
// per cent more CPU time. A recording that needs more still gets it.
const softLimit = 120 << 20

// limitMemory sets GOMEMLIMIT, unless the environment sets it.
func limitMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softLimit)
	}
}

// firstCollection is a percentage for [debug.SetGCPercent]. The first garbage collection comes at a
// heap of 16 MB with it, not at 4 MB, so a small file needs none: 15 ms became 12.5.
const firstCollection = 400

// delayCollection sets GOGC up to the first garbage collection, unless the environment sets it.
func delayCollection() {
	if os.Getenv("GOGC") != "" {
		return
	}
	former := debug.SetGCPercent(firstCollection)
	unused := new([64]byte) // above the size of objects that share their memory
	runtime.AddCleanup(unused, func(percent int) { debug.SetGCPercent(percent) }, former)
}

// run is the whole program. It returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	opts, err := parseOptions(args, stdout)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return written(opts.helpErr, stderr)
	case err != nil:
		fmt.Fprintf(stderr, "visor-reader: %v\nTry 'visor-reader --help'.\n", err)
		return exitMisused
	case opts.version:
		_, err := fmt.Fprintln(stdout, "visor-reader", version())
		return written(err, stderr)
	}
	for _, w := range opts.warnings {
		fmt.Fprintln(stderr, "visor-reader: warning:", w)
	}
	return summarise(ctx, opts, stdin, stdout, stderr)
}

// written returns the exit code after an output that had an error, or nil.
func written(err error, stderr io.Writer) int {
	if err != nil {
		fmt.Fprintln(stderr, "visor-reader:", err)
		return exitUnread
	}
	return exitDone
}
