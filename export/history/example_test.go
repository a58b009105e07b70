package history_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"visor/capture"
	"visor/export/history"
	"visor/handler"
	"visor/handler/dns"
	"visor/internal/packettest"
)

func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	store, err := history.Open(history.Config{Path: filepath.Join(dir, "history.db")})
	if err != nil {
		panic(err)
	}
	analyzer, err := dns.New(dns.Config{})
	if err != nil {
		panic(err)
	}
	query := packettest.UDP(0, "192.0.2.1:5000", "198.51.100.1:53", packettest.Query(1, "example.com", 1))
	query.TimeNS = time.Now().Add(-time.Minute).UnixNano()
	p, err := handler.NewPipeline(handler.Config{
		Sources:  []capture.Source{capture.NewMemory([]capture.Frame{query})},
		Handlers: []handler.Handler{analyzer},
		Closed:   func(s *handler.Snapshot) { store.Add("default", s, handler.Origin{Agent: "ns1"}) },
	})
	if err != nil {
		panic(err)
	}
	if err := p.Run(context.Background()); err != nil {
		panic(err)
	}
	if err := store.Close(); err != nil { // writes what waits
		panic(err)
	}

	store, err = history.OpenReadOnly(filepath.Join(dir, "history.db"))
	if err != nil {
		panic(err)
	}
	defer store.Close()
	answer, err := store.Range(context.Background(), "default", time.Now().Add(-time.Hour), time.Now())
	if err != nil {
		panic(err)
	}
	fmt.Println(dns.From(answer.Snapshot).Queries.Value(), "query")
	// Output: 1 query
}
