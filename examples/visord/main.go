// Command visord is an agent. It captures packets, dnstap and flow records on taps, summarises them
// by policies, and answers queries over HTTP. It is compatible with pktvisord: it has the same
// flags, configuration file and API. Run it with -h for its manual.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1 // could not start, or lost data at the end
	exitMisuse = 2 // invalid command line or configuration file
)

func main() {
	if isFileHelper() {
		os.Exit(serveFiles(os.Stdin, os.Stdout))
	}
	raiseCapabilities()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program immediately
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole program. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stdout)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return exitDone
	case err != nil:
		for _, w := range o.warnings {
			fmt.Fprintln(stderr, "visord: warning:", w)
		}
		for problem := range strings.SplitSeq(err.Error(), "\n") {
			fmt.Fprintln(stderr, "visord:", problem)
		}
		if !o.badConfig { // the manual does not describe documents
			fmt.Fprintln(stderr, "Try 'visord --help'.")
		}
		return exitMisuse
	case o.version:
		fmt.Fprintln(stdout, "visord", version())
		return exitDone
	case o.moduleList:
		listModules(stdout)
		return exitDone
	case o.check != "":
		return tryOut(o, stdout)
	case o.daemon && !isDaemon():
		if err := daemonize(args); err != nil {
			fmt.Fprintf(stderr, "visord: %v\n", err)
			return exitFailed
		}
		return exitDone
	}
	return serve(ctx, o, stdout, stderr)
}

// serve runs the agent until ctx is done or a client stops it over HTTP.
func serve(ctx context.Context, o options, stdout, stderr io.Writer) int {
	sink, warning, err := openLog(o, stdout, stderr, openSyslog)
	if err != nil {
		tellParent(err)
		fmt.Fprintf(stdout, "Log init failed: %v\n", err)
		return exitFailed
	}
	defer sink.close()
	signal.Ignore(syscall.SIGPIPE) // the agent survives the reader of its log
	log := sink.logger(o.verbose)
	if warning != "" {
		o.warnings = append(o.warnings, warning)
	}
	for _, w := range o.warnings {
		log.Warn(w)
	}
	err = runAgent(ctx, o, sink, log)
	tellParent(err)
	if err != nil {
		log.Error(err.Error())
		log.Info("exit with failure")
		return exitFailed
	}
	log.Info("exit with success")
	return exitDone
}
