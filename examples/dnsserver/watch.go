package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/miekg/dns"

	"visor/capture"
	"visor/decode/dnstapmsg"
	"visor/export/prom"
	"visor/handler"
	dnshandler "visor/handler/dns"
	"visor/handler/metric"
)

// watcher is visor inside the server: a feed that accepts queries and responses, and a pipeline
// that reads it.
type watcher struct {
	feed     *capture.Feed
	pipeline *handler.Pipeline
}

// newWatcher returns a watcher that passes each closed period to closed.
func newWatcher(closed func(*handler.Snapshot)) (*watcher, error) {
	queries, err := dnshandler.New(dnshandler.Config{})
	if err != nil {
		return nil, err
	}
	feed := capture.NewFeed()
	p, err := handler.NewPipeline(handler.Config{
		Sources: []capture.Source{feed}, Handlers: []handler.Handler{queries}, Closed: closed,
	})
	return &watcher{feed, p}, err
}

// wrap returns a handler that calls next and submits the query and the response to the feed.
func (w *watcher) wrap(next dns.Handler) dns.Handler {
	return dns.HandlerFunc(func(rw dns.ResponseWriter, query *dns.Msg) {
		m := dnstapmsg.Message{Type: dnstapmsg.ClientQuery, QueryTime: time.Now().UnixNano()}
		m.SetClient(rw.RemoteAddr())
		m.Query, _ = query.Pack() // on failure the query is submitted without its contents
		w.feed.Message(&m)
		next.ServeDNS(&teller{rw, w.feed, m}, query)
	})
}

// teller submits the response to the feed.
type teller struct {
	dns.ResponseWriter
	feed *capture.Feed
	m    dnstapmsg.Message
}

func (t *teller) WriteMsg(reply *dns.Msg) error {
	err := t.ResponseWriter.WriteMsg(reply)
	t.m.Type, t.m.ResponseTime = dnstapmsg.ClientResponse, time.Now().UnixNano()
	t.m.Response, _ = reply.Pack()
	t.feed.Message(&t.m)
	return err
}

// stats is the answer of /stats.
type stats struct {
	Queries    uint64        `json:"queries"`
	Clients    uint64        `json:"distinct_clients"`
	P99        float64       `json:"p99_us"`
	TopClients []metric.Item `json:"top_clients"` // by queries
	TopNames   []metric.Item `json:"top_names"`   // by messages: queries and replies
	Dropped    uint64        `json:"dropped"`
}

// summary returns the statistics of the last five minutes.
func (w *watcher) summary() string {
	b, err := json.MarshalIndent(w.stats(), "", "  ")
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func (w *watcher) stats() stats {
	snap, err := w.pipeline.Window(5)
	if err != nil {
		return stats{}
	}
	m := dnshandler.From(snap)
	s := stats{
		Queries: m.Queries.Value(), Clients: m.Clients.Distinct.Estimate(), Dropped: w.feed.Drops(),
		TopClients: m.Clients.ByAddress.Queries.Items(10), TopNames: m.TopQName3.Items(10),
	}
	if m.In.Time.Count() > 0 {
		s.P99 = m.In.Time.Quantile(0.99)
	}
	return s
}

// site returns the HTTP handler.
func (w *watcher) site() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /stats", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		fmt.Fprintln(rw, w.summary())
	})
	mux.Handle("GET /metrics", prom.Handler(w.pipeline, prom.Config{}))
	return mux
}
