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
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program. It returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	opts, err := parseOptions(args, stdout)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return exitDone
	case err != nil:
		fmt.Fprintf(stderr, "visor-reader: %v\nTry 'visor-reader --help'.\n", err)
		return exitMisused
	case opts.version:
		fmt.Fprintln(stdout, "visor-reader", version())
		return exitDone
	}
	for _, w := range opts.warnings {
		fmt.Fprintln(stderr, "visor-reader: warning:", w)
	}
	return summarise(ctx, opts, stdin, stdout, stderr)
}
