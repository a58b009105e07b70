package protobuf_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"visor/capture"
	"visor/export/prom"
	"visor/export/prom/protobuf"
	"visor/handler"
)

func Example() {
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{capture.NewFeed()}})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(protobuf.CountersHandler(p, prom.Config{}))
	defer server.Close()

	// Prometheus sends such a header if its native histograms are on
	req, err := http.NewRequest(http.MethodGet, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	req.Header.Set("Accept", protobuf.ContentType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	fmt.Println(resp.Header.Get("Content-Type"))
	// Output: application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited
}
