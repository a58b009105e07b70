// Command soak attacks a visord with all attacks at once. It also sends ordinary DNS traffic with
// known answers, and prints a line per minute: sent and counted messages, recall of the heaviest
// names, error of the cardinality, memory, goroutines, descriptors. benchmarks/soak.sh starts it in
// a network namespace, and the agent in a cgroup of 512 MB.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

// options is the command line.
type options struct {
	iface     string
	agent     string
	collector string
	pid       int
	minutes   int
	ordinary  int
	attacks   int
	maxRSS    int
}

func main() {
	var o options
	flag.StringVar(&o.iface, "i", "", "interface to send on; the agent listens on its peer")
	flag.StringVar(&o.agent, "agent", "http://127.0.0.1:10853", "URL of the agent, with its admin API on")
	flag.StringVar(&o.collector, "collector", "127.0.0.1:2055", "address of the agent's flow collector")
	flag.IntVar(&o.pid, "pid", 0, "process of the agent")
	flag.IntVar(&o.minutes, "minutes", 10, "how long")
	flag.IntVar(&o.ordinary, "ordinary", 2_000, "ordinary DNS packets per second")
	flag.IntVar(&o.attacks, "attacks", 9_000, "hostile packets per second")
	flag.IntVar(&o.maxRSS, "max-rss", 400, "fail above this resident memory, MB")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := soak(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

// soak sends until the time is over, and returns the errors of all minutes.
func soak(ctx context.Context, o options) error {
	wire, err := openWire(o.iface)
	if err != nil {
		return err
	}
	truth := newTruth()
	senders, cancel := context.WithCancel(ctx)
	defer cancel()
	go ordinary(senders, wire, truth, o.ordinary)
	go hostile(senders, wire, o.attacks)
	go exporters(senders, o.collector, o.attacks/30)
	go browse(senders, o.agent)
	go churn(senders, o.agent)
	j := judge{o: o, truth: truth}
	fmt.Println(header)
	var wrong []error
	for range o.minutes {
		select {
		case <-ctx.Done():
			return errors.Join(wrong...)
		case <-time.After(time.Minute):
		}
		line, err := j.minute(ctx)
		fmt.Println(line)
		wrong = append(wrong, err)
	}
	return errors.Join(wrong...)
}
