package findings

import "fmt"

// scanner finds a host that tries many ports or hosts: many SYN segments, few connections.
func (v *view) scanner(allow *allowed) {
	syn, tcp := v.number("syn"), v.number("tcp")
	client := v.heaviest()
	subject := v.subject(client.Name)
	most := v.threshold(Scan, subject, float64(v.cfg.MinTargets))
	if client.Name == "" || allow.client(client.Name) || syn < most || syn < 0.4*tcp {
		return
	}
	if usual := v.usualCount("syn"); syn < 3*usual || share(syn-usual, tcp) < 0.3 {
		return
	}
	if client.Share < 0.5 {
		return // many sources: a flood, not a scan
	}
	s := signal{score: syn}
	s.Kind, s.Subject, s.Severity = Scan, subject, Attack
	s.Figures = []Figure{
		figureOf("SYN segments", syn/v.length, v.usualCount("syn")/v.length, perSecond),
		{Name: "share of TCP segments", Value: 100 * share(syn, tcp), Unit: "per cent"},
	}
	s.Evidence.Clients = append(v.list(v.path("top_ipv4"), 5), v.list(v.path("top_ipv6"), 5)...)
	s.Evidence.Concentration = client.Share
	s.Text = fmt.Sprintf("Scan by or of %s: %s SYN segments in %s seconds, %s of all TCP segments.",
		client.Name, quantity(syn), quantity(v.length), percent(share(syn, tcp)))
	v.report(s)
}

// heaviest returns the address with the most packets.
func (v *view) heaviest() (best Part) {
	for _, list := range []string{"top_ipv4", "top_ipv6"} {
		if items := v.list(v.path(list), 1); len(items) > 0 && items[0].Count > best.Count {
			best = items[0]
		}
	}
	return best
}
