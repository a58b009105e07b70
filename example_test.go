package visor_test

import (
	"context"
	"fmt"

	"visor/capture"
	"visor/handler"
	"visor/handler/dns"
	"visor/internal/trafficgen"
)

// Example runs the program of the tour on generated traffic.
func Example() {
	queries, err := dns.New(dns.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := handler.NewPipeline(handler.Config{
		// pcapfile.Open("capture.pcap")
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
	fmt.Println(m.Queries.Value(), "queries and replies for about", m.QName.Estimate()/100*100, "names")
	// Output: 5171 queries and replies for about 2500 names
}
