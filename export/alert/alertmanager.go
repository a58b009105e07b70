package alert

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"visor/export/findings"
)

// manager sends alerts to the API v2 of an Alertmanager
// (github.com/prometheus/alertmanager/api/v2/openapi.yaml).
type manager struct {
	*poster
	every time.Duration
}

func newManager(cfg *Config, p *poster) *manager {
	p.url = strings.TrimSuffix(p.url, "/") + "/api/v2/alerts"
	return &manager{p, cfg.Repeat}
}

func (*manager) kind() string            { return Alertmanager }
func (*manager) batch() int              { return 64 }
func (m *manager) repeat() time.Duration { return m.every }

// postable is an alert as the API expects it.
type postable struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	EndsAt      time.Time         `json:"endsAt"`
}

// lifetime is the number of repeats after which an alert ends that is not sent again. Prometheus
// uses the same.
const lifetime = 4

func (m *manager) send(ctx context.Context, batch []parcel) error {
	now := time.Now()
	var alerts []postable
	for _, p := range batch {
		a := newPostable(p.msg, p.entry.fired)
		if a.EndsAt = now.Add(lifetime * m.every); p.msg.Status == Resolved {
			a.EndsAt = now
		}
		if !a.StartsAt.Before(a.EndsAt) { // by the time of packets, which may be ahead
			a.StartsAt = a.EndsAt.Add(-time.Second)
		}
		alerts = append(alerts, a)
	}
	body, err := json.Marshal(alerts)
	if err != nil {
		return refusal{err}
	}
	return m.post(ctx, body, nil)
}

// newPostable returns the alert of a message. Its labels are the ones with which it fired, because
// they identify the alert.
func newPostable(m, fired *Message) postable {
	a := postable{Labels: map[string]string{"alertname": "visor"}, StartsAt: fired.Since}
	for name, value := range m.Labels {
		if value != "" {
			a.Labels[name] = value
		}
	}
	if m.Agent != "" {
		a.Labels["instance"] = m.Agent
	}
	a.Labels["severity"] = string(fired.Severity)
	first := &m.Findings[0]
	a.Annotations = map[string]string{
		"summary": m.Text, "key": m.Key, "policy": first.Policy, "module": first.Module, "kind": string(first.Kind), "subject": first.Subject,
		"evidence": evidence(&first.Evidence),
	}
	if more := len(m.Findings) - 1 + m.More; more > 0 {
		a.Annotations["more"] = fmt.Sprintf("%d further findings", more)
	}
	return a
}

// evidence returns lines of text about the evidence.
func evidence(e *findings.Evidence) string {
	var b strings.Builder
	line := func(name string, values []string) {
		if len(values) > 0 {
			fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(values, ", "))
		}
	}
	line("examples", e.Examples)
	line("clients", shares(e.Clients))
	line("subnets", shares(e.Subnets))
	line("AS", shares(e.AS))
	line("shares", shares(e.Shares))
	for _, l := range e.Lists {
		line(l.Name, shares(l.Items))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// shares lists the first five parts.
func shares(parts []findings.Part) (out []string) {
	for _, p := range parts[:min(5, len(parts))] {
		out = append(out, fmt.Sprintf("%s (%.0f %%)", cmp.Or(p.Name, `""`), 100*p.Share))
	}
	return out
}
