package alert

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"visor/export/findings"
)

// groupable are the properties of findings by which alerts are grouped.
var groupable = []string{"policy", "module", "kind", "subject"}

// maxGroups is the number of groups up to which resolved ones are kept for their cool-down.
const maxGroups = 4096

// group has the findings with equal labels.
type group struct {
	id      string
	labels  map[string]string
	lasting map[string]findings.Finding // by key
	ended   []findings.Finding          // of the episode
	episode string                      // key of the alert; "" unless it has fired
	quiet   time.Time                   // since when nothing lasts; zero while something does
	ready   time.Time                   // end of the cool-down
}

// groupOf returns the group of a finding.
func (d *Dispatcher) groupOf(f *findings.Finding) *group {
	of := map[string]string{"policy": f.Policy, "module": f.Module, "kind": string(f.Kind), "subject": f.Subject}
	labels := make(map[string]string)
	for _, name := range d.cfg.GroupBy {
		labels[name] = of[name]
	}
	return d.groupBy(labels)
}

// groupBy returns the group with some labels.
func (d *Dispatcher) groupBy(labels map[string]string) *group {
	var id strings.Builder
	for _, name := range groupable {
		if value, ok := labels[name]; ok {
			id.WriteString(name + "=" + value + "\x00")
		}
	}
	g := d.groups[id.String()]
	if g == nil {
		g = &group{id: id.String(), labels: labels, lasting: make(map[string]findings.Finding)}
		d.groups[g.id] = g
	}
	return g
}

// advance makes the step of a group that is due.
func (d *Dispatcher) advance(g *group, now time.Time) {
	switch {
	case g.episode == "" && now.Before(g.ready):
		return
	case g.episode == "":
		d.fire(g, now)
	case len(g.lasting) > 0:
		g.quiet = time.Time{}
	default:
		if g.quiet.IsZero() {
			g.quiet = now
		}
		if d.closed && !d.suspended || now.Sub(g.quiet) >= d.cfg.ResolveAfter {
			d.resolve(g, now)
		}
	}
	if g.episode == "" && len(g.lasting) == 0 && !now.Before(g.ready) {
		delete(d.groups, g.id)
	}
}

// fire begins an episode unless all findings of a group are silenced.
func (d *Dispatcher) fire(g *group, now time.Time) {
	var found []findings.Finding
	for _, f := range g.lasting {
		if !d.silenced(&f, now) {
			found = append(found, f)
		}
	}
	if len(found) == 0 {
		return
	}
	g.episode = d.key(g, now)
	d.send(newMessage(Fired, g.episode, d.cfg.Agent, g.labels, found))
}

// resolve ends an episode.
func (d *Dispatcher) resolve(g *group, now time.Time) {
	d.send(newMessage(Resolved, g.episode, d.cfg.Agent, g.labels, g.ended))
	d.dirty.Store(true)
	g.episode, g.ended, g.quiet = "", nil, time.Time{}
	if d.cfg.CoolDown > 0 && len(d.groups) <= maxGroups {
		g.ready = now.Add(d.cfg.CoolDown)
	}
}

// key returns a key that no other episode has, also of another process of the agent.
func (d *Dispatcher) key(g *group, now time.Time) string {
	d.last = max(d.last+1, now.UnixMilli())
	parts := []string{d.cfg.Agent}
	for _, name := range groupable {
		if v, ok := g.labels[name]; ok {
			parts = append(parts, v)
		}
	}
	return strings.TrimPrefix(strings.Join(append(parts, strconv.FormatInt(d.last, 10)), "/"), "/")
}

func (d *Dispatcher) silenced(f *findings.Finding, now time.Time) bool {
	for _, s := range d.cfg.Silences {
		if s.matches(f, now) {
			return true
		}
	}
	return false
}

// rank returns the place of a severity in their order.
func rank(s findings.Severity) int {
	return slices.Index([]findings.Severity{findings.Info, findings.Warning, findings.Attack}, s)
}
