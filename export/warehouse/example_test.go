package warehouse_test

import (
	"context"
	"fmt"

	"visor/capture"
	"visor/export/warehouse"
	"visor/handler"
	"visor/handler/dns"
	"visor/internal/packettest"
)

// Each closed period of a pipeline becomes rows. A program opens the database with a driver of
// PostgreSQL, such as pgx.
func Example() {
	database := new(fake)
	db := database.open()
	defer db.Close()
	w, err := warehouse.New(warehouse.Config{DB: db, Agent: "ns1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	h, err := dns.New(dns.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	query := packettest.UDP(0, "192.0.2.1:5000", "198.51.100.1:53", packettest.Query(1, "www.example", 1))
	p, err := handler.NewPipeline(handler.Config{
		Sources:  []capture.Source{capture.NewMemory([]capture.Frame{query})},
		Handlers: []handler.Handler{h},
		Closed:   func(s *handler.Snapshot) { w.Put("default", s) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := p.Run(context.Background()); err != nil {
		fmt.Println(err)
	}

	ended, stop := context.WithCancel(context.Background())
	stop() // Run writes what waits, and returns
	if err := w.Run(ended); err != nil {
		fmt.Println(err)
	}
	fmt.Println("periods written:", w.Stats().Written)
	fmt.Println("queries:", database.written("dns_wire_packets_queries"))
	// Output:
	// periods written: 1
	// queries: [1]
}
