package visor_test

import (
	"context"
	"fmt"

	"visor/capture"
	"visor/capture/pcapfile"
	"visor/handler"
	"visor/handler/dns"
)

// Example runs the program of the tour.
func Example() {
	file, err := pcapfile.Open("examples/visor-reader/testdata/sample.pcap")
	if err != nil {
		fmt.Println(err)
		return
	}
	queries, err := dns.New(dns.Config{})
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
	fmt.Println(m.Queries.Value(), "queries for", m.QName.Estimate(), "names")
	// Output: 246 queries for 182 names
}
