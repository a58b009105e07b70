package handler_test

import (
	"context"
	"fmt"

	"visor/capture"
	"visor/capture/pcapfile"
	"visor/handler"
	"visor/handler/dns"
)

func ExamplePipeline() {
	file, err := pcapfile.Open("../examples/visor-reader/testdata/sample.pcap")
	if err != nil {
		fmt.Println(err)
		return
	}
	queries, err := dns.New(dns.Config{Settings: handler.Settings{TopN: 3}})
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := handler.NewPipeline(handler.Config{
		Sources:  []capture.Source{file},
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
	snap, err := p.Window(5)
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
	// 246 queries, 33 for names that do not exist
	// A 202
	// AAAA 109
	// HTTPS 63
}
