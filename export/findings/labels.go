package findings

import (
	"fmt"
	"strings"
)

// randomLabels finds domains with queries for many names that do not exist.
func (v *view) randomLabels(allow *allowed) {
	queries, names, failed := v.queries(), v.number("names"), v.failed()
	if names < float64(v.cfg.MinLabels) {
		return
	}
	// what is new against the baseline; all of it without a baseline
	usualNames, usualFailed := v.usualCount("names"), v.usualCount("failed")
	newNames, newFailed := names-usualNames, failed-usualFailed
	for _, list := range []string{"top_qname2", "top_qname3"} {
		messages := 2.0 // version 1.0 counts queries and replies in its lists
		if v.module.Version == "2.0" || v.number("replies") < queries/10 {
			messages = 1
		}
		for _, p := range v.grown(list, 5) {
			domain := strings.TrimPrefix(p.Name, ".")
			asked := p.Grown * v.length / messages
			if allow.name(domain) || publicSuffix(domain) || asked < v.threshold(RandomLabels, domain, float64(v.cfg.MinLabels)) {
				continue
			}
			// most of the new names and of the new failures fit below this domain alone
			if newNames < 0.5*asked || newFailed < 0.4*asked || newNames > 3*asked || asked < 0.05*queries {
				continue
			}
			if _, ok := v.usual("names"); !ok && v.failing(domain) < 0.6 {
				continue
			}
			v.reportLabels(domain, asked, min(newNames, asked), min(newFailed, asked))
			return
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

// failing returns the share of the names that failed that are below a domain.
func (v *view) failing(domain string) float64 {
	below, all := 0, 0
	for _, list := range []string{"top_nxdomain", "top_srvfail", "top_refused"} {
		for _, it := range v.items(v.path(list)) {
			if all++; strings.HasSuffix(it.Name, "."+domain) {
				below++
			}
		}
	}
	return share(float64(below), float64(all))
}

func (v *view) reportLabels(domain string, asked, names, failed float64) {
	s := signal{score: asked / v.length}
	s.Kind, s.Subject, s.Severity = RandomLabels, domain, Attack
	s.Figures = []Figure{
		{Name: "queries", Value: asked / v.length, Unit: perSecond},
		{Name: "distinct names", Value: names},
		{Name: "failed queries", Value: 100 * share(failed, asked), Unit: "per cent"},
	}
	s.Evidence.Examples = v.below(domain, 8)
	s.Evidence.Clients = v.list(v.path("top_clients"), 10)
	for _, list := range []string{"top_nxdomain", "top_srvfail", "top_qtype"} {
		if items := v.list(v.path(list), 10); len(items) > 0 {
			s.Evidence.Lists = append(s.Evidence.Lists, List{v.path(list), items})
		}
	}
	s.Text = fmt.Sprintf("Random labels below %s: %s queries per second for about %s distinct names in %s seconds, %s of them failed.",
		domain, quantity(asked/v.length), quantity(names), quantity(v.length), percent(share(failed, asked)))
	v.report(s)
}

// below returns up to n names below a domain from the lists of failed names.
func (v *view) below(domain string, n int) (out []string) {
	for _, list := range []string{"top_nxdomain", "top_srvfail", "top_refused"} {
		for _, it := range v.items(v.path(list)) {
			if len(out) < n && strings.HasSuffix(it.Name, "."+domain) {
				out = append(out, it.Name)
			}
		}
	}
	return out
}

// publicSuffix reports whether a name of two labels is a suffix that many owners share, such as
// co.uk: a short label below a country.
func publicSuffix(name string) bool {
	label, country, ok := strings.Cut(name, ".")
	if !ok || strings.Contains(country, ".") {
		return !ok
	}
	return len(country) == 2 && (len(label) <= 2 || label == "com" || label == "net" || label == "org" || label == "gov" || label == "edu")
}
