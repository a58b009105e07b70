// Command dnsserver is a small DNS server with visor inside. It analyses its own queries and
// responses, and shows over HTTP the top clients, the top names and the response times.
//
//	go run . -zone example.com
//	dig @127.0.0.1 -p 5300 www.example.com
//	curl http://127.0.0.1:8053/stats
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"

	"github.com/miekg/dns"
)

const usage = `dnsserver is a small DNS server that analyses its own queries and responses. Ask it with
dig @127.0.0.1 -p 5300 www.example.com; then http://127.0.0.1:8053/stats shows the top clients
and names and the response times.

Usage:
  dnsserver [options]

Options:
`

func main() {
	log.SetFlags(0)
	listen := flag.String("listen", "127.0.0.1:5300", "`address` on which to answer DNS, over UDP and TCP")
	web := flag.String("http", "127.0.0.1:8053", "`address` of the answers about the answers: /stats and /metrics")
	zone := flag.String("zone", "example.com", "`zone` to answer for: every name in it has the address 192.0.2.1, but those that begin with no")
	protect := flag.Bool("guard", false, "answer names that never had an answer with NXDOMAIN while the zone is attacked with random labels")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), usage)
		flag.PrintDefaults()
	}
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *listen, *web, *zone, *protect); err != nil {
		log.Fatal("dnsserver: ", err)
	}
}

// run serves until ctx is done or an error occurs.
func run(ctx context.Context, listen, web, zone string, protect bool) error {
	guard, err := newGuard()
	if err != nil {
		return err
	}
	watch, err := newWatcher(guard.closed)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var server dns.Handler = answers{dns.Fqdn(zone)}
	if protect {
		server = guard.wrap(server)
	}
	handler := watch.wrap(server)
	for _, network := range []string{"udp", "tcp"} {
		server := &dns.Server{Addr: listen, Net: network, Handler: handler}
		go func() { cancel(server.ListenAndServe()) }()
		defer server.Shutdown()
	}
	site := &http.Server{Addr: web, Handler: watch.site()}
	go func() { cancel(site.ListenAndServe()) }()
	defer site.Close()
	log.Printf("answering for %s on %s; statistics at http://%s/stats", zone, listen, web)

	if err := watch.pipeline.Run(ctx); err != nil { // ends with ctx
		return err
	}
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	fmt.Println(watch.summary())
	return nil
}

// answers is the server without visor.
type answers struct{ zone string }

func (a answers) ServeDNS(w dns.ResponseWriter, query *dns.Msg) {
	reply := new(dns.Msg).SetReply(query)
	reply.Authoritative = true
	switch name := query.Question[0].Name; {
	case !dns.IsSubDomain(a.zone, name):
		reply.Rcode = dns.RcodeRefused
	case len(name) > 2 && name[:2] == "no":
		reply.Rcode = dns.RcodeNameError
	default:
		rr, err := dns.NewRR(name + " 60 IN A 192.0.2.1")
		if err == nil {
			reply.Answer = append(reply.Answer, rr)
		}
	}
	_ = w.WriteMsg(reply) // the client will repeat its query
}
