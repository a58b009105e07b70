package main

import (
	"log"
	"strings"
	"sync"

	"github.com/miekg/dns"

	"visor/export/findings"
	"visor/handler"
)

// guard protects the server against random labels. While a domain is attacked, it answers names
// that never had an answer with NXDOMAIN, without asking the server behind it.
type guard struct {
	watcher *findings.Watcher // owned by closed

	mu       sync.RWMutex
	answered map[string]struct{} // names that had an answer, at most maxAnswered
	attacked []string            // domains
}

// maxAnswered bounds the memory of a guard.
const maxAnswered = 100_000

func newGuard() (*guard, error) {
	w, err := findings.NewWatcher(findings.Config{})
	return &guard{watcher: w, answered: make(map[string]struct{})}, err
}

// closed looks at a closed period.
func (g *guard) closed(s *handler.Snapshot) {
	for _, f := range g.watcher.Add(s) {
		log.Printf("resolved %v: %s", f.Resolved, f.Text)
	}
	var attacked []string
	for _, f := range g.watcher.Active() {
		if f.Kind == findings.RandomLabels {
			attacked = append(attacked, f.Subject)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.attacked = attacked
}

// refuses reports whether a name is below an attacked domain and never had an answer.
func (g *guard) refuses(name string) bool {
	name = strings.ToLower(name)
	g.mu.RLock()
	defer g.mu.RUnlock()
	if _, ok := g.answered[name]; ok {
		return false
	}
	for _, domain := range g.attacked {
		if dns.IsSubDomain(dns.Fqdn(domain), name) {
			return true
		}
	}
	return false
}

// learn notes a name that had an answer.
func (g *guard) learn(name string) {
	name = strings.ToLower(name)
	g.mu.RLock()
	_, ok := g.answered[name]
	full := len(g.answered) >= maxAnswered
	g.mu.RUnlock()
	if ok || full {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answered[name] = struct{}{}
}

// wrap returns a handler that calls next unless the guard refuses the name.
func (g *guard) wrap(next dns.Handler) dns.Handler {
	return dns.HandlerFunc(func(rw dns.ResponseWriter, query *dns.Msg) {
		if g.refuses(query.Question[0].Name) {
			// on failure the client will repeat its query
			_ = rw.WriteMsg(new(dns.Msg).SetRcode(query, dns.RcodeNameError))
			return
		}
		next.ServeDNS(&learner{rw, g}, query)
	})
}

// learner notes the names of replies with an answer.
type learner struct {
	dns.ResponseWriter
	guard *guard
}

func (l *learner) WriteMsg(reply *dns.Msg) error {
	if reply.Rcode == dns.RcodeSuccess && len(reply.Answer) > 0 && len(reply.Question) > 0 {
		l.guard.learn(reply.Question[0].Name)
	}
	return l.ResponseWriter.WriteMsg(reply)
}
