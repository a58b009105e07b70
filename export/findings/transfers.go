package findings

import "fmt"

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
