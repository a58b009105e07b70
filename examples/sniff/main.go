// Command sniff prints a summary of an interface's traffic every second. It is a start for a
// program that captures.
//
//	sudo go run ./examples/sniff eth0 port 53
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"time"

	"visor/capture/afpacket"
	"visor/capture/filter"
	"visor/export"
	"visor/handler"
	"visor/handler/dns"
	"visor/handler/network"
)

const usage = `sniff prints a summary of an interface's traffic every second. It needs root.

Usage:
  sniff INTERFACE [FILTER]

INTERFACE is a name such as eth0, an address of this host, or auto for the busiest one.
FILTER is one of tcpdump's, such as: udp port 53 and not net 10.0.0.0/8
`

func main() {
	log.SetFlags(0)
	flag.Usage = func() { fmt.Fprint(flag.CommandLine.Output(), usage) }
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	only := filter.Kernel(strings.Join(flag.Args()[1:], " "))
	live, err := afpacket.Open(afpacket.Config{Interface: flag.Arg(0), Filter: only})
	check(err)
	net, err := network.New(network.Config{})
	check(err)
	queries, err := dns.New(dns.Config{})
	check(err)
	p, err := handler.NewPipeline(handler.Config{Sources: live.Sources(), Handlers: []handler.Handler{net, queries}})
	check(err)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	go show(ctx, p)
	check(p.Run(ctx))
	fmt.Printf("\n%d packets, %d dropped by the kernel\n", p.Account().Offered, p.Account().Dropped)
}

// show clears the screen and prints the live period, once a second.
func show(ctx context.Context, p *handler.Pipeline) {
	for tick := time.Tick(time.Second); ctx.Err() == nil; <-tick {
		snap, err := p.Bucket(0)
		check(err)
		fmt.Print("\x1b[H\x1b[2J")
		check(export.WriteText(os.Stdout, snap, export.TextConfig{Color: true}))
	}
}

func check(err error) {
	if err != nil {
		log.Fatal("sniff: ", err)
	}
}
