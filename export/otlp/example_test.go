package otlp_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"visor/capture"
	"visor/export/otlp"
	"visor/handler"
	"visor/handler/dns"
	"visor/internal/packettest"
)

func Example() {
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Method, r.URL.Path, r.Header.Get("Content-Type"))
	}))
	defer receiver.Close()
	h, err := dns.New(dns.Config{})
	if err != nil {
		return
	}
	frames := []capture.Frame{packettest.UDP(0, "198.51.100.9:5000", "192.0.2.1:53", packettest.Query(1, "www.example.com", 1))}
	pipeline, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{capture.NewMemory(frames)}, Handlers: []handler.Handler{h}})
	if err != nil || pipeline.Run(context.Background()) != nil {
		return
	}
	p, err := otlp.New(otlp.Config{
		Endpoint: receiver.URL, Interval: time.Minute,
		Sources: func() []otlp.Source { return []otlp.Source{{Policy: "default", Of: pipeline}} },
	})
	if err != nil {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	stop() // at the end the live period is pushed too
	fmt.Println(p.Run(ctx))
	// Output:
	// POST /v1/metrics application/x-protobuf
	// <nil>
}
