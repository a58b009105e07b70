package findings

import (
	"fmt"
	"strings"
)

// transferTypes are query types that copy a zone (RFC 5936, RFC 1995).
var transferTypes = map[string]bool{"AXFR": true, "IXFR": true}

// fewTransfers is the number of refused transfers in a period that are a finding.
const fewTransfers = 3

// transfers finds refused attempts to copy zones. Secondary servers get theirs without an error.
func (v *view) transfers() {
	asked, refused := 0.0, max(v.number("refused")-v.usualCount("refused"), 0)
	for _, p := range v.grown("top_qtype", listLength) {
		if transferTypes[p.Name] {
			asked += p.Grown * v.length / v.messages()
		}
	}
	for _, p := range v.grown("top_rcode", listLength) {
		if p.Name == "NOTAUTH" {
			refused += p.Grown * v.length
		}
	}
	subject := v.subject("zone transfers")
	attempts := min(asked, refused)
	if attempts < v.threshold(Enumerator, subject, fewTransfers) || attempts < 0.5*asked {
		return
	}
	s := signal{score: attempts / v.length}
	s.Kind, s.Subject, s.Severity = Enumerator, subject, Warning
	s.Figures = []Figure{{Name: "transfers of zones", Value: asked}, {Name: "refused", Value: attempts}}
	zones, clients := v.grown("top_refused", evidenceLength), v.grown("top_refused_clients", evidenceLength)
	for _, p := range zones {
		s.Evidence.Examples = append(s.Evidence.Examples, p.Name)
	}
	if s.Evidence.Clients = clients; len(clients) == 0 { // NOTAUTH has no list of clients
		v.addClients(&s)
	}
	v.addLists(&s, "top_qtype", "top_rcode", "top_refused")
	s.Text = fmt.Sprintf("Transfers of zones are refused: %s of %s in %s seconds", quantity(attempts), quantity(asked), quantity(v.length))
	if len(zones) > 0 {
		s.Text += ", most of " + plain(zones[0].Name)
	}
	if len(clients) > 0 {
		s.Text += ", by " + clients[0].Name
	}
	s.Text += "."
	v.report(s)
}

// copied are the clients that copied zones, and the zones, by bytes.
const copied = "top_transfers"

// maxCopiers bounds the clients whose copies of zones are known. Once there are as many, copies
// of others are not looked at.
const maxCopiers = 4096

// copies finds clients that copied a zone and did not do so before. Secondary servers do it as soon
// as a zone changes, so they are known after the first time. After a restart, those that history
// has are known; without history, a secondary server that copies rarely is found once again.
func (v *view) copies(allow *allowed) {
	if _, warm := v.usual("queries"); !warm || !v.first || len(v.copiers) >= maxCopiers {
		return
	}
	reported := make(map[string]bool)
	for _, it := range v.items(copied) { // the greatest zone of a client first
		client, zone, _ := strings.Cut(it.Name, " ")
		if v.copiers[client] || reported[client] || allow.client(client) || allow.names[plain(zone)] {
			continue
		}
		reported[client] = true
		s := signal{score: float64(it.Estimate) / v.length}
		s.Kind, s.Subject, s.Severity = Enumerator, client, Warning
		s.Figures = []Figure{{Name: "bytes of the zone", Value: float64(it.Estimate)}}
		s.Evidence.Examples, s.Evidence.Concentration = []string{zone}, 1
		s.Evidence.Clients = []Part{{Name: client, Count: it.Estimate, Share: 1}}
		v.addLists(&s, copied, "top_qtype")
		s.Text = fmt.Sprintf("Client %s copied the zone %s, %s bytes, and copied none before.", client, zone, quantity(float64(it.Estimate)))
		v.report(s)
	}
}

// rememberCopiers keeps the clients that copied zones.
func (v *view) rememberCopiers() {
	for _, it := range v.items(copied) {
		client, _, _ := strings.Cut(it.Name, " ")
		if len(v.copiers) < maxCopiers {
			v.copiers[client] = true
		}
	}
}
