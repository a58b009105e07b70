package handler_test

import (
	"context"
	"fmt"

	"visor/capture"
	"visor/handler"
	"visor/handler/dns"
	"visor/internal/trafficgen"
)

func ExamplePipeline() {
	queries, err := dns.New(dns.Config{Settings: handler.Settings{TopN: 3}})
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := handler.NewPipeline(handler.Config{
		// or pcapfile.Open
		Sources:  []capture.Source{trafficgen.NewSource(trafficgen.VariedDNS(10_000))},
		Handlers: []handler.Handler{queries},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := p.Run(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	snap, err := p.Bucket(0)
	if err != nil {
		fmt.Println(err)
		return
	}
	m := dns.From(snap)
	fmt.Println(m.Queries.Value(), "queries,", m.NXDomain.Value(), "for names that do not exist")
	for _, item := range m.TopQTypes.Items(3) {
		fmt.Println(item.Name, item.Estimate)
	}
	// Output:
	// 5171 queries, 617 for names that do not exist
	// A 4818
	// AAAA 2346
	// HTTPS 1184
}
