package findings

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"visor/handler/metric"
)

// server holds a module's counts of a DNS server.
type server struct {
	name                 string
	answered, unanswered float64
	failed               float64
	time                 metric.Quantiles // microseconds
}

// serverOthers is the subject that holds the servers without a place.
const serverOthers = "others"

// serverList is the metric of the servers.
const serverList = "servers"

// others returns the sum of the servers without a place.
func (r *reading) others() (sum server) {
	for _, s := range r.allServers() {
		if s.name == serverOthers {
			return s
		}
	}
	return server{}
}

// servers returns the servers of the module, the busiest first.
func (r *reading) servers() []server {
	return slices.DeleteFunc(r.allServers(), func(s server) bool { return s.name == serverOthers })
}

func (r *reading) allServers() (out []server) {
	index := make(map[string]int)
	for _, v := range r.values {
		if len(v.Path) != 3 || v.Path[0] != serverList {
			continue
		}
		i, ok := index[v.Path[1]]
		if !ok {
			i = len(out)
			index[v.Path[1]], out = i, append(out, server{name: v.Path[1]})
		}
		switch s := &out[i]; v.Path[2] {
		case "xacts":
			s.answered = r.factor * float64(v.Int)
		case "unanswered":
			s.unanswered = r.factor * float64(v.Int)
		case "srvfail":
			s.failed = r.factor * float64(v.Int)
		case "xact_time_us":
			s.time = v.Quantiles
		}
	}
	slices.SortFunc(out, func(a, b server) int {
		return cmp.Or(cmp.Compare(b.asked(), a.asked()), strings.Compare(a.name, b.name))
	})
	return out
}

func (s *server) asked() float64 { return s.answered + s.unanswered }

// failing returns the share of queries without a reply or with SERVFAIL.
func (s *server) failing() float64 { return share(s.unanswered+s.failed, s.asked()) }

// figure returns the name of a figure of a server.
func (s *server) figure(name string) string { return "server " + s.name + " " + name }

// servedFigures returns the figures of servers that have baselines. These are shares and times.
func (v *view) servedFigures() (out []figure) {
	if !v.first {
		return nil
	}
	for _, s := range v.servers() {
		if s.asked() >= 20 {
			out = append(out, figure{s.figure("failing"), s.failing()}, figure{s.figure("time"), s.time.P50})
		}
	}
	return out
}

// oneServer finds a server that fails or is slow against its past and the others, in two periods in
// a row.
func (v *view) oneServer() {
	if !v.first {
		return
	}
	all := v.servers()
	for i := range all {
		s := &all[i]
		if s.asked() < v.threshold(Trouble, s.name, float64(v.cfg.MinEvents)/2) {
			continue
		}
		var rest server
		for k := range all {
			if k != i {
				rest.answered, rest.unanswered, rest.failed = rest.answered+all[k].answered, rest.unanswered+all[k].unanswered, rest.failed+all[k].failed
			}
		}
		if b, ok := v.usual(s.figure("failing")); ok && s.failing() >= v.threshold(Trouble, s.name, max(float64(v.cfg.Failing)/100, 3*b.high, 2*rest.failing())) {
			v.reportServer(s, figureOf("failing", 100*s.failing(), 100*b.high, "per cent"),
				fmt.Sprintf("Server %s fails: %s of its queries got SERVFAIL or no reply; usual are %s.", s.name, percent(s.failing()), percent(b.high)))
			continue
		}
		if b, ok := v.usual(s.figure("time")); ok && s.time.P50 >= v.threshold(Trouble, s.name, max(slowest, 4*b.high, b.high+10*b.spread)) {
			v.reportServer(s, figureOf("median time", s.time.P50, b.high, "microseconds"),
				fmt.Sprintf("Server %s is slow: the median time is %s ms; usual are %s ms.", s.name, quantity(s.time.P50/1000), quantity(b.high/1000)))
		}
	}
}

// slowest is the median time in microseconds below which no server is slow.
const slowest = 20_000

func (v *view) reportServer(s *server, why Figure, text string) {
	sig := signal{score: why.Value, need: 2}
	sig.Kind, sig.Subject, sig.Severity = Trouble, s.name, Warning
	sig.Figures = []Figure{why, {Name: "queries", Value: s.asked() / v.length, Unit: perSecond}}
	v.addLists(&sig, "top_srvfail", "top_timeouts")
	sig.Text = text
	v.report(sig)
}
