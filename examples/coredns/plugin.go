package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/metrics"
	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"

	"visor/capture"
	"visor/decode/dnstapmsg"
	"visor/export/prom"
	"visor/export/prom/collector"
	"visor/handler"
	dnshandler "visor/handler/dns"
	"visor/handler/network"
)

// pluginName is the directive in a Corefile.
const pluginName = "visor"

func init() { plugin.Register(pluginName, setup) } // CoreDNS has no other way to register a plugin

// setup creates the plugin for one server block:
//
//	visor {
//		name NAME   # the label "server" of its metrics; the default is the block's address
//	}
func setup(c *caddy.Controller) error {
	cfg := dnsserver.GetConfig(c)
	name, err := parse(c, cfg.ListenHosts[0]+":"+cfg.Port)
	if err != nil {
		return plugin.Error(pluginName, err)
	}
	v, err := newVisor()
	if err != nil {
		return plugin.Error(pluginName, err)
	}
	var shown series
	show := func() error {
		shown.now.Store(collector.New(v.pipeline, prom.Config{Labels: map[string]string{"server": name}}))
		return nil
	}
	hide := func() error {
		shown.now.Store(nil)
		return nil
	}
	c.OnStartup(func() error {
		v.start()
		if m, ok := cfg.Handler("prometheus").(*metrics.Metrics); ok {
			m.MustRegister(&shown)
		}
		return show()
	})
	c.OnRestart(hide) // before the next plugin with the same name registers its metrics
	c.OnRestartFailed(show)
	c.OnShutdown(v.stop)
	cfg.AddPlugin(func(next plugin.Handler) plugin.Handler {
		v.next = next
		return v
	})
	return nil
}

// parse parses the directive.
func parse(c *caddy.Controller, name string) (string, error) {
	c.Next() // the directive itself
	if len(c.RemainingArgs()) != 0 {
		return "", c.ArgErr()
	}
	for c.NextBlock() {
		if c.Val() != "name" {
			return "", c.Errf("unknown property %q; there is: name", c.Val())
		}
		if !c.NextArg() {
			return "", c.ArgErr()
		}
		name = c.Val()
	}
	return name, nil
}

// series holds the metrics of the active plugin. CoreDNS keeps its registries when it reloads the
// Corefile, and a collector stays registered.
type series struct {
	now atomic.Pointer[collector.Collector]
}

// Describe sends no descriptors, like the Describe of Collector.
func (*series) Describe(chan<- *prometheus.Desc) {}

// Collect sends the metrics.
func (s *series) Collect(out chan<- prometheus.Metric) {
	if c := s.now.Load(); c != nil {
		c.Collect(out)
	}
}

// visor is the plugin of one server block.
type visor struct {
	next     plugin.Handler
	feed     *capture.Feed
	pipeline *handler.Pipeline
	done     chan error
	buffers  sync.Pool // holds *[dns.MinMsgSize]byte, to pack messages into
}

func newVisor() (*visor, error) {
	net, err := network.New(network.Config{})
	if err != nil {
		return nil, err
	}
	queries, err := dnshandler.New(dnshandler.Config{})
	if err != nil {
		return nil, err
	}
	v := &visor{feed: capture.NewFeed(), done: make(chan error, 1)}
	v.buffers.New = func() any { return new([dns.MinMsgSize]byte) }
	v.pipeline, err = handler.NewPipeline(handler.Config{
		Sources: []capture.Source{v.feed}, Handlers: []handler.Handler{net, queries},
	})
	return v, err
}

func (v *visor) start() { go func() { v.done <- v.pipeline.Run(context.Background()) }() }

// stop ends the pipeline after it has counted all submitted messages.
func (v *visor) stop() error {
	if err := v.feed.Close(); err != nil {
		return err
	}
	return <-v.done
}

// Name implements the Handler interface of CoreDNS.
func (v *visor) Name() string { return pluginName }

// ServeDNS submits the query and the response of the following plugins to the feed.
func (v *visor) ServeDNS(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	m := dnstapmsg.Message{Type: dnstapmsg.ClientQuery, QueryTime: time.Now().UnixNano()}
	m.SetClient(w.RemoteAddr())
	v.tell(&m, &m.Query, r)
	return plugin.NextOrFailure(v.Name(), v.next, ctx, &teller{w, v, m}, r)
}

// tell submits m with wire, the packed query or response. A message that cannot be packed is
// submitted without its contents.
func (v *visor) tell(m *dnstapmsg.Message, wire *[]byte, msg *dns.Msg) {
	buf := v.buffers.Get().(*[dns.MinMsgSize]byte)
	*wire, _ = msg.PackBuffer(buf[:])
	v.feed.Message(m) // copies m
	*wire = nil
	v.buffers.Put(buf)
}

// teller submits the response to the feed.
type teller struct {
	dns.ResponseWriter
	visor *visor
	m     dnstapmsg.Message
}

func (t *teller) WriteMsg(reply *dns.Msg) error {
	err := t.ResponseWriter.WriteMsg(reply)
	t.m.Type, t.m.ResponseTime = dnstapmsg.ClientResponse, time.Now().UnixNano()
	t.visor.tell(&t.m, &t.m.Response, reply)
	return err
}
