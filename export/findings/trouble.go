package findings

import "fmt"

// troubles are failures of servers, with their words.
var troubles = []struct{ figure, word string }{
	{"srvfail", "failed with SERVFAIL"}, {"timed_out", "got no reply"},
}

// serverTrouble finds failures far above the usual share in two periods in a row.
func (v *view) serverTrouble() {
	queries := v.queries()
	for _, tr := range troubles {
		subject := v.subject("all servers: " + tr.figure)
		n := v.number(tr.figure)
		b, ok := v.usual(tr.figure)
		all, known := v.usual("queries")
		if !ok || !known || queries < v.threshold(Trouble, subject, float64(v.cfg.MinEvents)) {
			continue
		}
		now, usual := share(n, queries), share(b.high, all.high)
		if now < v.threshold(Trouble, subject, max(float64(v.cfg.Failing)/100, 3*usual)) {
			continue
		}
		s := signal{score: now, need: 2}
		s.Kind, s.Subject, s.Severity = Trouble, subject, Warning
		s.Figures = []Figure{figureOf(tr.figure, 100*now, 100*usual, "per cent"), {Name: "queries", Value: queries / v.length, Unit: perSecond}}
		for _, list := range []string{"top_srvfail", "top_timeouts"} {
			if items := v.list(v.path(list), 10); len(items) > 0 {
				s.Evidence.Lists = append(s.Evidence.Lists, List{v.path(list), items})
			}
		}
		s.Text = fmt.Sprintf("%s of queries %s; usual are %s.", percent(now), tr.word, percent(usual))
		v.report(s)
	}
}
