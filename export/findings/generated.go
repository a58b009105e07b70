package findings

import "fmt"

// generated finds names that do not exist, in many domains and of many clients: programs on many
// hosts compute the name of their server. Of a few clients, it is guessers that finds them.
func (v *view) generated() {
	b, known := v.usual("nxdomain")
	if !known || !v.has(v.path(failedNames)) || !v.has(v.path("top_failed_clients")) {
		return // it could be one client, or one domain
	}
	usual := b.high * v.length
	growth := v.number("nxdomain") - usual
	queries := v.queries() - v.usualCount("queries")
	names := v.number("names") - v.usualCount("names")
	subject := v.subject("generated names")
	least := max(2*float64(v.cfg.MinNames), usual, 0.1*v.queries(), 6*b.spread*v.length)
	if growth < v.threshold(Enumerator, subject, least) || growth < 0.6*queries || names < 0.6*growth || v.failedBelow() > 0.3*growth {
		return
	}
	s := signal{score: growth / v.length}
	s.Kind, s.Subject, s.Severity = Enumerator, subject, Warning
	s.Figures = []Figure{figureOf("names that do not exist", growth+usual, usual, ""), {Name: "more distinct names", Value: names}}
	for _, it := range v.items(v.path("top_nxdomain")) {
		if it.Estimate <= 2 && len(s.Evidence.Examples) < evidenceLength { // others are usual
			s.Evidence.Examples = append(s.Evidence.Examples, it.Name)
		}
	}
	v.addClients(&s)
	s.Evidence.Clients = v.grown("top_failed_clients", evidenceLength)
	s.Evidence.Concentration = 0
	v.addLists(&s, "top_failed_clients", "top_nxdomain", "top_qtype")
	s.Text = fmt.Sprintf("Many clients ask for names of many domains that do not exist: %s in %s seconds, usual are %s.",
		quantity(growth+usual), quantity(v.length), quantity(usual))
	v.report(s)
}

// failedBelow returns the growth of the failed names that are below one domain.
func (v *view) failedBelow() (sum float64) {
	for _, it := range v.items(v.path(failedNames)) {
		if more := float64(it.Estimate) - v.usualOf(failedNames, it.Name); it.Estimate >= 10 {
			sum += max(more, 0)
		}
	}
	return sum
}
