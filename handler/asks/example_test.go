package asks_test

import (
	"context"
	"fmt"
	"time"

	"visor/capture"
	"visor/handler"
	"visor/handler/asks"
)

// Example answers which clients ask for a name in some frames.
func Example() {
	question := asks.Question{QName: "deleted.example.com"}
	cfg, err := question.Config()
	if err != nil {
		fmt.Println(err)
		return
	}
	h, err := asks.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := handler.NewPipeline(handler.Config{
		Sources: []capture.Source{capture.NewMemory(traffic())}, Handlers: []handler.Handler{h},
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
	fmt.Println(asks.From(snap).Sentence(question, 10*time.Second))
	// Output: In 10s, 2 clients asked for deleted.example.com: 14 queries (A 10, AAAA 4), 14 replies (NXDOMAIN 14). Clients by queries: 198.51.100.1 (10), 198.51.100.2 (4). First seen 2026-01-01 00:00:00, last 2026-01-01 00:00:09 UTC.
}
