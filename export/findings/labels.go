package findings

import (
	"fmt"
	"strings"

	"visor/handler/metric"
)

// The lists of distinct names by domain.
const (
	allNames    = "names_by_domain"
	failedNames = "failed_names_by_domain"
)

// below is what was asked below a domain in a period, and how much of it is above the usual.
type below struct {
	domain  string
	item    metric.Item
	names   float64 // distinct ones
	failed  float64 // distinct ones with an error
	queries float64 // 0 if unknown

	newNames, newFailed, newQueries float64

	failures float64 // failed queries above the usual, estimated
}

// domains returns the domains with the most distinct names that have no exception.
func (v *view) domains(allow *allowed) (out []below) {
	failed := make(map[string]float64)
	for _, it := range v.items(v.path(failedNames)) {
		failed[it.Name] = float64(it.Estimate)
	}
	queries := v.byDomain()
	for _, it := range v.items(v.path(allNames)) {
		if allow.name(it.Name) {
			continue
		}
		b := below{domain: it.Name, item: it, names: float64(it.Estimate), failed: failed[it.Name], queries: queries[it.Name]}
		if v.module.Version == "2.0" { // the list of queries has only those with a reply
			b.queries = max(b.queries, b.names)
		}
		b.newNames = b.names - v.usualOf(allNames, it.Name)
		b.newFailed = b.failed - v.usualOf(failedNames, it.Name)
		b.newQueries = b.queries
		if b.queries > 0 {
			b.newQueries -= max(v.usualOf("top_qname2", "."+it.Name), v.usualOf("top_qname3", "."+it.Name)) / v.messages()
		}
		out = append(out, b)
	}
	v.estimateFailures(out)
	return out
}

// estimateFailures divides the growth of failed queries among domains by the growth of their failed
// names, because there are counts of failed queries for the whole module alone.
func (v *view) estimateFailures(domains []below) {
	names, queries := 0.0, v.failed()-v.usualCount("failed")
	for i := range domains {
		names += max(domains[i].newFailed, 0)
	}
	for i := range domains {
		domains[i].failures = max(queries, 0) * share(domains[i].newFailed, names)
	}
}

// messages returns how often lists of names count a query: version 1.0 counts its reply, too.
func (v *view) messages() float64 {
	if v.module.Version == "2.0" || v.repliesAlone() || v.number("replies") < v.queries()/10 {
		return 1
	}
	return 2
}

// byDomain returns the queries by domain, from the lists of names of two and three labels.
func (v *view) byDomain() map[string]float64 {
	out := make(map[string]float64)
	for _, list := range []string{"top_qname2", "top_qname3"} {
		for _, it := range v.items(v.path(list)) {
			domain := strings.TrimPrefix(it.Name, ".")
			out[domain] = max(out[domain], float64(it.Estimate)/v.messages())
		}
	}
	return out
}

// usualOf returns the usual count of an entry of a list in a period of this length.
func (v *view) usualOf(list, name string) float64 {
	if h := v.lists[v.path(list)]; h != nil {
		return h.usual(name) * v.length
	}
	return 0
}

// randomLabels finds domains with queries for many names that do not exist, or that get no reply.
func (v *view) randomLabels(allow *allowed) {
	unanswered := max(v.number("timed_out")-v.usualCount("timed_out"), 0)
	for _, b := range v.domains(allow) {
		if b.queries == 0 {
			continue // too few to be in a list
		}
		bad := max(b.newFailed, min(unanswered, b.newNames))
		usual := v.usualOf(failedNames, b.domain)
		kind := RandomLabels
		if v.ongoing(Enumerator, b.domain) {
			kind = Enumerator
		}
		least := v.threshold(kind, b.domain, max(float64(v.cfg.MinLabels), 3*usual, 0.02*v.queries()))
		unique := bad >= v.threshold(kind, b.domain, 0.4)*max(b.newQueries, 1)
		if bad < least || bad < 0.4*b.newNames || b.newNames < 0.4*bad || !unique && !b.repeats(bad) {
			continue
		}
		switch f := v.formOf(&b); {
		case f == complete:
		case f == random || b.newFailed < 0.5*bad:
			v.reportLabels(b, bad)
		case bad >= v.threshold(kind, b.domain, float64(v.cfg.MinNames)):
			v.reportEnumerated(&b, bad, usual, formWords[f], Attack)
		}
	}
}

// repeats reports whether most of the queries that are new fail although their names repeat: some
// clients use the same list of names, or one client uses it again.
func (b *below) repeats(bad float64) bool {
	return bad >= 0.05*b.newQueries && b.failures >= 0.6*b.newQueries
}

// formOf returns the form of the names without an answer below a domain. A finding that lasts keeps
// its kind.
func (v *view) formOf(b *below) form {
	if v.ongoing(RandomLabels, b.domain) {
		return random
	}
	f := v.formOfFailed(b)
	switch {
	case f == random && v.proves(b):
		return proven
	case f == random && v.ongoing(Enumerator, b.domain):
		return words
	}
	return f
}

func (v *view) formOfFailed(b *below) form {
	for _, it := range v.items(v.path(failedNames)) {
		if it.Name == b.domain {
			return formOf(b.domain, it.Samples, b.failed)
		}
	}
	return random
}

func (v *view) reportLabels(b below, bad float64) {
	queries := max(b.newQueries, bad)
	s := signal{score: bad / v.length}
	s.Kind, s.Subject, s.Severity = RandomLabels, b.domain, Attack
	s.Figures = []Figure{
		figureOf("distinct names with an error or no reply", bad, v.usualOf(failedNames, b.domain), ""),
		{Name: "queries", Value: queries / v.length, Unit: perSecond},
		{Name: "distinct names", Value: b.names},
		{Name: "share of all queries", Value: 100 * share(queries, v.queries()), Unit: "per cent"},
	}
	s.Evidence.Examples = b.item.Samples
	v.addAskers(&s, &b)
	v.addLists(&s, "top_nxdomain", "top_srvfail", "top_qtype")
	s.Text = fmt.Sprintf("Random labels below %s: %s queries per second for about %s distinct names in %s seconds, %s of these with an error or no reply.",
		b.domain, quantity(queries/v.length), quantity(b.names), quantity(v.length), percent(share(bad, b.names)))
	v.report(s)
}

// tunnels finds domains whose names carry data: many distinct long names, most without an error.
func (v *view) tunnels(allow *allowed) {
	minutes := max(v.length/60, 1)
	for _, b := range v.domains(allow) {
		bytes := float64(b.item.Weight)
		each := share(1, b.names) * bytes
		usual := v.usualOf(allNames+weightSuffix, b.domain)
		least := v.threshold(Tunnel, b.domain, max(float64(v.cfg.MinBytes)*minutes, 3*usual))
		if bytes < least || b.names < 10 || each < 30 || b.failed > 0.3*b.names || b.queries > 0 && b.names < 0.4*b.queries {
			continue
		}
		s := signal{score: bytes / v.length}
		s.Kind, s.Subject, s.Severity = Tunnel, b.domain, Attack
		s.Figures = []Figure{
			figureOf("bytes in names", bytes/v.length, usual/v.length, perSecond),
			{Name: "distinct names", Value: b.names}, {Name: "bytes of a name", Value: each},
		}
		s.Evidence.Examples = b.item.Samples
		v.addAskers(&s, &b)
		v.addLists(&s, "top_qtype")
		s.Text = fmt.Sprintf("Names below %s carry %s bytes per second: %s distinct names of %s bytes in %s seconds.",
			b.domain, quantity(bytes/v.length), quantity(b.names), quantity(each), quantity(v.length))
		v.report(s)
	}
}

// weightSuffix marks the history of the weights of a list.
const weightSuffix = "/bytes"

// addClients adds the clients with the most queries, and their networks, as evidence.
func (v *view) addClients(s *signal) {
	s.Evidence.Clients = v.list(v.path("top_clients"), evidenceLength)
	s.Evidence.Subnets = v.list(v.path("top_client_subnets"), evidenceLength)
	s.Evidence.AS = v.list("top_client_asns.queries", evidenceLength)
	if len(s.Evidence.Clients) > 0 {
		s.Evidence.Concentration = s.Evidence.Clients[0].Share
	}
}

// addLists adds top lists as evidence.
func (v *view) addLists(s *signal, lists ...string) {
	for _, list := range lists {
		if items := v.list(v.path(list), evidenceLength); len(items) > 0 {
			s.Evidence.Lists = append(s.Evidence.Lists, List{v.path(list), items})
		}
	}
}

// usualCount returns the usual count of a figure in a period of this length, or 0 without a
// baseline.
func (v *view) usualCount(figure string) float64 {
	b, ok := v.usual(figure)
	if !ok {
		return 0
	}
	return b.high * v.length
}
