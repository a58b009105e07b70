// Command visor-cli shows the live metrics of a visor agent in a terminal. It works with
// pktvisord's agent too. Run it with -h for its manual.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/term"
	"github.com/spf13/pflag"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitMisuse = 2
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// isTerminal reports whether both w and standard input, which provides the keys, are terminals.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(f.Fd()) && term.IsTerminal(os.Stdin.Fd())
}

// run is the whole program. It returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stdout)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return exitDone
	case err != nil:
		fmt.Fprintf(stderr, "visor-cli: %v\nTry 'visor-cli --help'.\n", err)
		return exitMisuse
	case o.version:
		fmt.Fprintln(stdout, "visor-cli", version())
		return exitDone
	}
	c, err := newClient(o)
	if err != nil {
		fmt.Fprintf(stderr, "visor-cli: %v\n", err)
		return exitFailed
	}
	if !isTerminal(stdout) {
		fmt.Fprintf(stderr, "visor-cli: standard output is not a terminal. The agent serves the numbers to programs in JSON:\n  curl %s/api/v1/policies/%s/metrics/window/5\n", c.base, url.PathEscape(o.policy))
		return exitFailed
	}
	final, err := tea.NewProgram(newModel(c, o)).Run()
	if m, ok := final.(*model); ok && m.drill != nil {
		// if this fails, the lease ends the policy
		_ = c.remove(context.Background(), m.drill.policy)
	}
	if err != nil && !errors.Is(err, tea.ErrInterrupted) {
		fmt.Fprintf(stderr, "visor-cli: %v\n", err)
		return exitFailed
	}
	return exitDone
}
