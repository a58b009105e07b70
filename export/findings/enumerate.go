package findings

import (
	"fmt"
	"math"
	"strings"

	"visor/handler/metric"
)

// walkTypes are query types that only programs use that list a zone: the ones of its proofs that a
// name does not exist (RFC 4034, RFC 5155).
var walkTypes = map[string]bool{"NSEC": true, "NSEC3": true}

// fewWalks is the number of such queries in a period that are a walk.
const fewWalks = 50

// enumerators finds clients that list the names of a domain, or that try names of many domains.
func (v *view) enumerators(allow *allowed) {
	v.walkers()
	v.counters(allow)
	v.transfers()
	v.copies(allow)
	before := len(v.found)
	if v.first {
		v.sweeps(allow)
		v.guessers(allow)
	}
	if len(v.found) == before {
		v.generated()
	}
}

// reportEnumerated reports a domain whose names are tried.
func (v *view) reportEnumerated(b *below, count, usual float64, how string, severity Severity) {
	s := signal{score: count / v.length}
	s.Kind, s.Subject, s.Severity = Enumerator, b.domain, severity
	s.Figures = []Figure{
		figureOf("distinct names", count, usual, ""), {Name: "queries", Value: max(b.newQueries, count) / v.length, Unit: perSecond},
		{Name: "distinct names with an error", Value: b.failed},
	}
	s.Evidence.Examples = b.item.Samples
	v.addAskers(&s, b)
	v.addLists(&s, "top_failed_clients", "top_nxdomain", "top_qtype")
	s.Text = fmt.Sprintf("The names of %s are enumerated: %s distinct names in %s seconds, %s", b.domain, quantity(count), quantity(v.length), how)
	if c := s.Evidence.Clients; len(c) > 0 && s.Evidence.Concentration >= 0.5 {
		s.Text += ", by " + c[0].Name
	}
	s.Text += "."
	v.report(s)
}

// formWords are the words for forms of names.
var formWords = map[form]string{
	words: "and most of them do not exist", serial: "one number after another", walking: "one name after another",
	proven: "each with the proof that it does not exist",
}

// walkers finds queries for the proofs that a zone has of its gaps. Each proof names the next name.
func (v *view) walkers() {
	walks := 0.0
	for _, p := range v.grown("top_qtype", listLength) {
		if walkTypes[p.Name] {
			walks += p.Grown * v.length / v.messages()
		}
	}
	b := v.mostGrown()
	if walks < v.threshold(Enumerator, b.domain, fewWalks) || b.newQueries < walks/2 {
		return
	}
	v.reportEnumerated(&b, walks, 0, "each from the proof that nothing is between two names", Attack)
}

// proves reports whether clients that ask for nothing else want the proof that each name does not
// exist. The proofs of a zone, which have hashes of its names, list it (RFC 5155).
func (v *view) proves(b *below) bool {
	if v.number("dnssec_ok")-v.usualCount("dnssec_ok") < 0.8*b.newQueries || v.askedByFew(b) < 0.8 {
		return false
	}
	queries := make(map[string]float64)
	for _, it := range v.items(v.path("top_clients")) {
		queries[it.Name] = float64(it.Estimate)
	}
	names, asked := 0.0, 0.0
	clients := v.askers(b)
	for _, c := range clients[:min(fewClients, len(clients))] {
		names, asked = names+float64(c.Count), asked+queries[c.Name]
	}
	return names >= 0.7*asked
}

// mostGrown returns the domain whose queries grew most.
func (v *view) mostGrown() (b below) {
	for _, list := range []string{"top_qname3", "top_qname2"} {
		if top := v.grown(list, 1); len(top) > 0 {
			if n := top[0].Grown * v.length / v.messages(); n >= b.newQueries {
				b = below{domain: plain(top[0].Name), names: n, newQueries: n}
			}
		}
	}
	for _, it := range v.items(v.path(allNames)) {
		if it.Name == b.domain {
			b.item, b.names = it, float64(it.Estimate)
		}
	}
	return b
}

// fewClients is the number of clients that may share the numbered names of a domain among them.
const fewClients = 4

// counters finds a few clients that ask for numbered names of one domain, which may exist.
func (v *view) counters(allow *allowed) {
	for _, b := range v.domains(allow) {
		usual := v.usualOf(allNames, b.domain)
		least := v.threshold(Enumerator, b.domain, max(float64(v.cfg.MinNames), 3*usual, 0.02*v.queries()))
		if b.newNames < least || v.reported(b.domain) || b.queries > 0 && b.newNames < 0.6*b.newQueries {
			continue
		}
		f := formOf(b.domain, b.item.Samples, b.names)
		if f != serial && f != walking || v.askedByFew(&b) < 0.5 {
			continue
		}
		v.reportEnumerated(&b, b.newNames, usual, formWords[f], Warning)
	}
}

// askedByFew returns the share of a domain's names that the heaviest clients ask for.
func (v *view) askedByFew(b *below) (asked float64) {
	clients := v.askers(b)
	for _, c := range clients[:min(fewClients, len(clients))] {
		asked += c.Share
	}
	return asked
}

// reported reports whether this period has a finding about the names of a domain.
func (v *view) reported(domain string) bool {
	for i := range v.found {
		switch s := &v.found[i]; s.Kind {
		case RandomLabels, Enumerator, Tunnel:
			if s.Subject == domain {
				return true
			}
		}
	}
	return false
}

// guessers finds clients whose queries are for many names that do not exist, in many domains. This
// is what programs do that compute the name of their server, and lists of names.
func (v *view) guessers(allow *allowed) {
	names := make(map[string]*metric.Item)
	items := v.items(v.path(clientNames))
	for i := range items {
		names[items[i].Name] = &items[i]
	}
	queries := make(map[string]float64)
	for _, it := range v.items(v.path("top_clients")) {
		queries[it.Name] = float64(it.Estimate)
	}
	type guesser struct {
		client                  string
		names                   *metric.Item
		failed, distinct, usual float64
	}
	var all []guesser
	otherFailed, otherQueries := v.number("nxdomain"), v.queries()
	for _, it := range v.items(v.path("top_failed_clients")) {
		g := guesser{it.Name, names[it.Name], float64(it.Estimate), 0, v.usualOf("top_failed_clients", it.Name)}
		if g.names == nil || allow.client(it.Name) {
			continue
		}
		g.distinct = min(float64(g.names.Estimate), g.failed)
		least := max(float64(v.cfg.MinNames), 3*g.usual, 0.02*v.queries())
		if asked := queries[it.Name]; g.distinct >= v.threshold(Enumerator, it.Name, least) && g.distinct >= 0.6*asked {
			all = append(all, g)
			otherFailed, otherQueries = otherFailed-g.failed, otherQueries-asked
		}
	}
	if share(otherFailed, otherQueries) > 0.3 {
		return // where all clients do so, it is ordinary
	}
	for _, g := range all {
		v.reportGuesser(g.client, g.names, g.distinct, g.usual)
	}
}

// reportGuesser reports a client with names in many domains. If most of its names are in one, that
// domain is the subject of another finding, or an exception.
func (v *view) reportGuesser(client string, names *metric.Item, failed, usual float64) {
	in, most := make(map[string]int), 0
	for _, s := range names.Samples {
		labels := strings.Split(plain(s), ".")
		end := strings.Join(labels[max(len(labels)-2, 0):], ".")
		in[end]++
		most = max(most, in[end])
	}
	if len(names.Samples) < 4 || most > int(math.Ceil(float64(len(names.Samples))/2)) {
		return
	}
	s := signal{score: failed / v.length}
	s.Kind, s.Subject, s.Severity = Enumerator, client, Warning
	s.Figures = []Figure{figureOf("names that do not exist", failed, usual, ""), {Name: "distinct names", Value: float64(names.Estimate)}}
	s.Evidence.Examples, s.Evidence.Concentration = names.Samples, 1
	s.Evidence.Clients = []Part{{Name: client, Count: names.Estimate, Share: 1}}
	v.addLists(&s, "top_failed_clients", "top_nxdomain", "top_qtype")
	s.Text = fmt.Sprintf("Client %s asks for many names of many domains that do not exist: %s in %s seconds.", client, quantity(failed), quantity(v.length))
	v.report(s)
}
