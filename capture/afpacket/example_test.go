package afpacket_test

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"visor/capture/afpacket"
	"visor/handler"
	"visor/handler/dns"
)

// Example prints the queries on the busiest interface until Ctrl-C. It needs root, so it is only
// compiled here.
func Example() {
	live, err := afpacket.Open(afpacket.Config{Interface: "auto", Queues: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	queries, err := dns.New(dns.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := handler.NewPipeline(handler.Config{Sources: live.Sources(), Handlers: []handler.Handler{queries}})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := p.Run(ctx); err != nil {
		fmt.Println(err)
	}
}
