package main

import (
	"context"
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/miekg/dns"

	"visor/capture"
	"visor/handler"
	dnshandler "visor/handler/dns"
	"visor/internal/packettest"
)

// recorder keeps the reply.
type recorder struct {
	dns.ResponseWriter
	reply *dns.Msg
}

func (r *recorder) WriteMsg(m *dns.Msg) error { r.reply = m; return nil }
func (r *recorder) RemoteAddr() net.Addr      { return &net.UDPAddr{} }

// counted counts the queries that reach the server.
type counted struct {
	answers
	n int
}

func (c *counted) ServeDNS(w dns.ResponseWriter, query *dns.Msg) {
	c.n++
	c.answers.ServeDNS(w, query)
}

// attack passes a minute with random labels below example.com to the guard.
func attack(t *testing.T, g *guard) {
	var frames []capture.Frame
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 600 {
		q := packettest.Query(uint16(i), strconv.FormatUint(r.Uint64(), 36)+".example.com", 1)
		at := time.Duration(i) * 90 * time.Millisecond
		frames = append(frames, packettest.UDP(at, "10.0.0.1:5000", "192.0.2.53:53", q), packettest.UDP(at+1e6, "192.0.2.53:53", "10.0.0.1:5000", packettest.Reply(q, 3, 0)))
	}
	h, err := dnshandler.New(dnshandler.Config{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{capture.NewMemory(frames)}, Handlers: []handler.Handler{h}, Closed: g.closed})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// During an attack, names that had an answer still reach the server, and others do not.
func TestGuard(t *testing.T) {
	g, err := newGuard()
	if err != nil {
		t.Fatal(err)
	}
	server := &counted{answers: answers{"example.com."}}
	h := g.wrap(server)
	ask := func(name string) int {
		r := &recorder{}
		h.ServeDNS(r, new(dns.Msg).SetQuestion(name, dns.TypeA))
		return r.reply.Rcode
	}
	for _, tt := range []struct {
		name        string
		code, reach int
	}{{"www.example.com.", dns.RcodeSuccess, 1}, {"x1.example.com.", dns.RcodeSuccess, 2}, {"nosuch.example.com.", dns.RcodeNameError, 3}} {
		if got := ask(tt.name); got != tt.code || server.n != tt.reach {
			t.Errorf("%s before the attack: code %d, %d queries", tt.name, got, server.n)
		}
	}
	attack(t, g)
	for _, tt := range []struct {
		name        string
		code, reach int
	}{{"WWW.example.com.", dns.RcodeSuccess, 4}, {"x2.example.com.", dns.RcodeNameError, 4}, {"www.example.org.", dns.RcodeRefused, 5}} {
		if got := ask(tt.name); got != tt.code || server.n != tt.reach {
			t.Errorf("%s during the attack: code %d, %d queries", tt.name, got, server.n)
		}
	}
}
