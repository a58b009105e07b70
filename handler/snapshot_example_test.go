package handler_test

import (
	"context"
	"fmt"

	"visor/capture"
	"visor/handler"
	"visor/handler/dns"
	"visor/internal/packettest"
)

// count analyzes the queries of one host for names, and returns the summary as bytes. It could run
// in any process.
func count(host string, names ...string) []byte {
	var frames []capture.Frame
	for i, name := range names {
		frames = append(frames, packettest.UDP(0, "192.0.2.1:5000", "198.51.100.1:53", packettest.Query(uint16(i), name, 1)))
	}
	queries, err := dns.New(dns.Config{})
	if err != nil {
		panic(err)
	}
	p, err := handler.NewPipeline(handler.Config{
		Sources: []capture.Source{capture.NewMemory(frames)}, Handlers: []handler.Handler{queries},
	})
	if err != nil {
		panic(err)
	}
	if err := p.Run(context.Background()); err != nil {
		panic(err)
	}
	snap, err := p.Bucket(0)
	if err != nil {
		panic(err)
	}
	data, err := snap.AppendBinary(nil, handler.Origin{Agent: host}, handler.DefaultEntries)
	if err != nil {
		panic(err)
	}
	return data
}

// Two hosts count and send their summaries as bytes. A third one merges them: a name that both saw
// is one distinct name.
func ExampleMerge() {
	var all []*handler.Snapshot
	for _, data := range [][]byte{
		count("ns1", "www.example.com", "mail.example.com"),
		count("ns2", "www.example.com", "ftp.example.com", "www.example.com"),
	} {
		snap, err := handler.ReadSnapshot(data)
		if err != nil {
			fmt.Println(err)
			return
		}
		all = append(all, snap)
	}
	sum, err := handler.Merge(all...)
	if err != nil {
		fmt.Println(err)
		return
	}
	m := dns.From(sum)
	fmt.Println(m.Queries.Value(), "queries for", m.QName.Estimate(), "names")
	// Output: 5 queries for 3 names
}
