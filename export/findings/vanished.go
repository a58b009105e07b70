package findings

import (
	"fmt"
	"strings"
)

// presence is the recent traffic of a subject in one list, or of a whole module.
type presence struct {
	list  string
	rates []float64 // of the latest periods, oldest first
	gone  int       // periods since it had traffic
}

const (
	presencePeriods = 30
	steadyPeriods   = 20   // periods with traffic before its end is a finding
	maxPresence     = 1024 // subjects of a module
)

// vanishing are the lists whose entries are watched, with their words.
var vanishing = map[string][]struct{ list, word string }{
	"dns": {{"top_qname2", "the domain"}, {"top_subnets", "the client subnet"}, {"servers", "the server"}},
}

// vanished finds subjects with steady traffic that have none in two periods in a row. If all
// traffic ended, this is the only finding.
func (v *view) vanished() {
	if v.allGone() {
		return
	}
	for _, watched := range vanishing[v.module.Type] {
		path := v.path(watched.list)
		list := v.values[path]
		if list == nil {
			continue
		}
		rest := float64(list.Error) // the most that an entry can have that the list lacks
		if len(list.Items) >= listLength {
			rest = max(rest, float64(list.Items[len(list.Items)-1].Estimate))
		}
		now := make(map[string]float64)
		for _, it := range list.Items {
			now[it.Name] = float64(it.Estimate)
		}
		for id, p := range v.known {
			name, ok := subjectOf(id, path)
			if !ok || len(p.rates) < max(v.cfg.Warmup, steadyPeriods) {
				continue
			}
			usual := median(p.rates) * v.length
			count, present := now[name]
			if !present {
				count = rest
			}
			if steady(p.rates, v.length) && count < 0.02*usual && usual >= float64(v.cfg.MinEvents)/4 {
				plain := strings.TrimPrefix(name, ".")
				v.reportVanished(watched.word+" "+plain, v.subject(plain), usual/v.length)
			}
		}
	}
}

// steady reports whether a subject had so much traffic in each of the latest periods that its
// absence is not an accident.
func steady(rates []float64, length float64) bool {
	for _, r := range rates {
		if r*length < 10 {
			return false
		}
	}
	return true
}

// allGone finds a module without the traffic that it had.
func (v *view) allGone() bool {
	vol := volumes[v.module.Type]
	if len(vol) == 0 {
		return false
	}
	b, ok := v.usual(vol[0].figure)
	now := v.number(vol[0].figure)
	if !ok || b.low*v.length < float64(v.cfg.MinEvents) || now > 0.02*b.low*v.length || b.spread > b.low/2 {
		return false
	}
	v.reportVanished("all "+vol[0].word, v.subject(vol[0].word), b.low)
	return true
}

func (v *view) reportVanished(what, subject string, usual float64) {
	s := signal{score: usual, need: 2}
	s.Kind, s.Subject, s.Severity = Vanished, subject, Warning
	s.Figures = []Figure{figureOf("events", 0, usual, perSecond)}
	s.Text = fmt.Sprintf("Traffic of %s has vanished; %s per second were usual.", what, quantity(usual))
	v.report(s)
}

// watchPresence adds the period to the subjects whose traffic may vanish.
func (v *view) watchPresence() {
	for _, watched := range vanishing[v.module.Type] {
		path := v.path(watched.list)
		seen := make(map[string]bool)
		for _, it := range v.items(path) {
			id := path + "\x00" + it.Name
			seen[id] = true
			p := v.known[id]
			if p == nil {
				if len(v.known) >= maxPresence || float64(it.Estimate) < 10 {
					continue
				}
				p = &presence{list: path}
				v.known[id] = p
			}
			p.gone = 0
			p.add(float64(it.Estimate) / v.length)
		}
		for id, p := range v.known {
			if p.list != path || seen[id] {
				continue
			}
			if p.gone++; p.gone > presencePeriods || !steady(p.rates, v.length) || len(p.rates) < steadyPeriods {
				delete(v.known, id)
			}
		}
	}
}

func (p *presence) add(rate float64) {
	p.rates = append(p.rates, rate)
	if n := len(p.rates); n > presencePeriods {
		p.rates = p.rates[n-presencePeriods:]
	}
}

// subjectOf returns the name of a subject of a list.
func subjectOf(id, path string) (string, bool) {
	if len(id) > len(path) && id[:len(path)] == path && id[len(path)] == 0 {
		return id[len(path)+1:], true
	}
	return "", false
}
