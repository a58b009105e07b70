package findings

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// presence is the recent traffic of a subject in one list.
type presence struct {
	subject subject
	rates   []float64 // of the latest periods, oldest first
	gone    int       // periods since it had traffic
}

// subject is an entry of a list whose traffic may vanish.
type subject struct{ list, name string }

const (
	presencePeriods = 30
	steadyPeriods   = 20   // periods with traffic before its end is a finding
	maxPresence     = 1024 // subjects of a module
	maxVanished     = 10   // findings of one list in a period; the busiest subjects
	vanishedShare   = 0.02 // of the usual traffic; less is none
	absentShare     = 0.1  // of the usual traffic; the most that a list may hide
)

// vanishing is a list whose entries are watched.
type vanishing struct {
	list, word string
	whole      bool // the list has no direction
}

var vanishings = map[string][]vanishing{
	"dns": {{"top_qname2", "the domain", false}, {"top_client_subnets", "the client subnet", true}, {serverList, "the server", true}},
}

// watched returns the lists of the view whose entries are watched.
func (v *view) watched() (out []vanishing) {
	for _, w := range vanishings[v.module.Type] {
		if !w.whole || v.first {
			out = append(out, w)
		}
	}
	return out
}

// counted returns the events of each entry of a list, and the most that an entry can have that the
// list lacks. It is not ok if the module lacks the list.
func (v *view) counted(list string) (now map[string]float64, rest float64, ok bool) {
	now = make(map[string]float64)
	if list == serverList {
		all := v.servers()
		for i := range all {
			now[all[i].name] = all[i].asked()
		}
		others := v.others()
		return now, others.asked(), len(all) > 0
	}
	top := v.values[v.path(list)]
	if top == nil {
		return nil, 0, false
	}
	rest = float64(top.Error)
	if n := len(top.Items); n >= listLength {
		rest = max(rest, float64(top.Items[n-1].Estimate))
	}
	for _, it := range top.Items {
		now[it.Name] = float64(it.Estimate)
	}
	return now, rest, true
}

// vanished finds subjects with steady traffic that have none in two periods in a row. If all
// traffic ended, this is the only finding.
func (v *view) vanished() {
	if v.allGone() {
		return
	}
	for _, w := range v.watched() {
		if now, rest, ok := v.counted(w.list); ok {
			v.reportLost(w, v.lost(w, now, rest))
		}
	}
}

// lost is a subject without its usual traffic.
type lost struct {
	name, subject string // of the finding
	usual         float64
	ongoing       bool
}

// lost returns the subjects of a list that had steady traffic and have none.
func (v *view) lost(w vanishing, now map[string]float64, rest float64) (out []lost) {
	path := v.path(w.list)
	for _, p := range v.known {
		if p.subject.list != path || !p.lasts(v) {
			continue
		}
		usual := median(p.rates) * v.length
		count, most := now[p.subject.name], vanishedShare
		if count == 0 {
			count, most = rest, absentShare
		}
		if count >= most*usual || usual < float64(v.cfg.MinEvents)/4 {
			continue
		}
		l := lost{name: strings.TrimPrefix(p.subject.name, "."), usual: usual}
		if l.subject = l.name; !w.whole {
			l.subject = v.subject(l.name)
		}
		l.ongoing = v.ongoing(Vanished, l.subject)
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b lost) int {
		if a.ongoing != b.ongoing {
			if a.ongoing {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(b.usual, a.usual), strings.Compare(a.name, b.name))
	})
	return out
}

// reportLost reports subjects of one list that vanished together. Findings that last are first.
func (v *view) reportLost(w vanishing, all []lost) {
	for _, l := range all[:min(len(all), maxVanished)] {
		v.report(vanishedSignal(w.word+" "+l.name, l.subject, l.usual/v.length))
	}
}

// allGone finds a module without the traffic that it had.
func (v *view) allGone() bool {
	vol := volumes[v.module.Type]
	if len(vol) == 0 {
		return false
	}
	b, ok := v.usual(vol[0].figure)
	now := v.total(vol[0].figure)
	if !ok || b.low*v.length < float64(v.cfg.MinEvents) || now > vanishedShare*b.low*v.length || b.spread > b.low/2 {
		return false
	}
	s := vanishedSignal("all "+vol[0].word, v.subject(vol[0].word), b.low)
	s.allGone = true
	v.report(s)
	return true
}

func vanishedSignal(what, subject string, usual float64) signal {
	s := signal{score: usual, need: 2}
	s.Kind, s.Subject, s.Severity = Vanished, subject, Warning
	s.Figures = []Figure{figureOf("events", 0, usual, perSecond)}
	s.Text = fmt.Sprintf("Traffic of %s has vanished; %s per second were usual.", what, quantity(usual))
	return s
}

// watchPresence adds the period to the subjects whose traffic may vanish.
func (v *view) watchPresence() {
	for _, w := range v.watched() {
		now, _, ok := v.counted(w.list)
		if !ok {
			continue
		}
		path := v.path(w.list)
		for _, name := range slices.Sorted(maps.Keys(now)) {
			v.watch(subject{path, name}, now[name])
		}
		for at, p := range v.known {
			if _, seen := now[at.name]; at.list == path && !seen {
				v.miss(p)
			}
		}
	}
}

// watch adds a period to a subject with traffic.
func (v *view) watch(at subject, events float64) {
	p := v.known[at]
	if p == nil {
		if len(v.known) >= maxPresence || events < 10 {
			return
		}
		p = &presence{subject: at}
		v.known[at] = p
	}
	if p.lasts(v) && events < vanishedShare*median(p.rates)*v.length {
		v.miss(p)
		return
	}
	p.gone = 0
	p.rates = append(p.rates, events/v.length)
	p.rates = p.rates[max(len(p.rates)-presencePeriods, 0):]
}

// miss adds a period to a subject without traffic.
func (v *view) miss(p *presence) {
	if p.gone++; p.gone > presencePeriods || !p.lasts(v) {
		delete(v.known, p.subject)
	}
}

// lasts reports whether a subject had so much traffic in each of the latest periods that its
// absence is not an accident.
func (p *presence) lasts(v *view) bool {
	return len(p.rates) >= min(max(v.cfg.Warmup, steadyPeriods), presencePeriods) && slices.Min(p.rates)*v.length >= 10
}
