package findings

import "fmt"

// heavyTypes are query types with large replies, which reflection uses. The star is ANY.
var heavyTypes = map[string]bool{"*": true, "TXT": true, "DNSKEY": true, "RRSIG": true}

// reflection finds many new queries of types with large replies for one name.
func (v *view) reflection() {
	heavy, name := 0.0, Part{}
	for _, p := range v.grown("top_qtype", listLength) {
		if heavyTypes[p.Name] {
			heavy += p.Grown * v.length / v.messages()
		}
	}
	for _, list := range []string{"top_qname2", "top_qname3"} {
		if top := v.grown(list, 1); len(top) > 0 && top[0].Grown > name.Grown {
			name = top[0]
		}
	}
	subject := v.subject("amplification")
	_, known := v.usual("queries")
	least := 0.6 // of all queries, without a baseline
	if known {
		least = 0.1
	}
	ratio := v.amplification()
	if heavy < v.threshold(Reflection, subject, max(float64(v.cfg.MinEvents), least*v.queries())) || ratio < 5 ||
		name.Grown*v.length/v.messages() < 0.5*heavy {
		return
	}
	s := signal{score: heavy / v.length}
	s.Kind, s.Subject, s.Severity = Reflection, subject, Attack
	s.Figures = []Figure{
		{Name: "queries with large replies", Value: heavy / v.length, Unit: perSecond},
		{Name: "size of a reply to its query, 95th percentile", Value: ratio},
	}
	s.Evidence.Examples = []string{plain(name.Name)}
	v.addClients(&s)
	v.addLists(&s, "top_qtype", "top_udp_ports")
	s.Text = fmt.Sprintf("Amplification: %s more queries per second than usual have types with large replies, most of them for %s; replies are up to %s times as long as queries.",
		quantity(heavy/v.length), plain(name.Name), quantity(ratio))
	v.report(s)
}

// amplification returns how many times longer replies are than queries, the 95th percentile. If the
// module does not compare each reply with its query, it is estimated from the sizes of both.
func (v *view) amplification() float64 {
	if ratio := v.values[v.path("ratio")]; ratio != nil {
		return ratio.Quantiles.P95
	}
	asked, replied := v.values[v.path("query_bytes")], v.values[v.path("reply_bytes")]
	if asked == nil || replied == nil || asked.Quantiles.P50 == 0 {
		return 0
	}
	return replied.Quantiles.P95 / asked.Quantiles.P50
}
