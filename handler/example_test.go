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
		Sources:  []capture.Source{trafficgen.NewSource(trafficgen.VariedDNS(10_000))}, // or pcapfile.Open
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
	for _, v := range snap.Modules[0].Values() {
		if v.Prom == "dns_top_qtype" {
			for _, item := range v.Items {
				fmt.Println(item.Name, item.Estimate)
			}
		}
	}
	// Output:
	// 5171 queries, 617 for names that do not exist
	// A 4818
	// AAAA 2346
	// HTTPS 1184
}

// A Schema reads the declaration of an analyzer's metrics from struct tags; see the package dns for a whole one.
func ExampleNewSchema() {
	type Metrics struct {
		N int `metric:"n"`
	}
	_, err := handler.NewSchema[Metrics]("mine", nil)
	fmt.Println(err)
	// Output: handler: handler_test.Metrics.N: int is not a metric
}
