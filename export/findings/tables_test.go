package findings_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"visor/export/findings"
	"visor/internal/racetest"
)

// trouble is a fault of one server of three. It must be found from a strength on.
type trouble struct {
	name      string
	strengths []int // per cent of the queries, or median milliseconds
	from      int
	reply     func(m *minute, strength int) (code int, after time.Duration)
}

// unlucky reports true with a probability in per cent.
func (m *minute) unlucky(percent int) bool { return m.rnd.IntN(100) < percent }

var troubles = []trouble{
	{"SERVFAIL, % of queries", []int{5, 10, 25, 50, 75, 100}, 50, func(m *minute, percent int) (int, time.Duration) {
		if m.unlucky(percent) {
			return 2, 0
		}
		return 0, 0
	}},
	{"no reply, % of queries", []int{5, 10, 25, 50, 75, 100}, 50, func(m *minute, percent int) (int, time.Duration) {
		if m.unlucky(percent) {
			return -1, 0
		}
		return 0, 0
	}},
	{"slow, ms at least", []int{5, 10, 20, 50, 100, 1000}, 50, func(_ *minute, ms int) (int, time.Duration) {
		return 0, time.Duration(ms) * time.Millisecond
	}},
	{"slow, ms more or less", []int{5, 10, 20, 50, 100, 1000}, 50, func(m *minute, ms int) (int, time.Duration) {
		return 0, time.Duration((0.7 + 0.9*m.rnd.Float64()) * float64(ms) * float64(time.Millisecond))
	}},
}

// first returns the first period with a finding of a kind about a subject, since the change; or 0.
func (s *scenario) first(t testing.TB, kind findings.Kind, subject string) int {
	for _, f := range s.find(t, findings.Config{}) {
		if f.Kind == kind && f.Subject == subject && minuteOf(f.Since) >= s.begin {
			return minuteOf(f.Since) - s.begin + 1
		}
	}
	return 0
}

// found reports the first period that shows a fault of one server.
func (k *trouble) found(t testing.TB, b *background, strength int) int {
	const failing = "192.0.2.54"
	return b.first(t, nil, func(m *minute) {
		m.reply = func(_ string, server int) (int, time.Duration) {
			if server == 1 {
				return k.reply(m, strength)
			}
			return 0, 0
		}
	}, func(f *findings.Finding) bool { return f.Kind == findings.Trouble && f.Subject == failing })
}

// vanishes reports the first period that shows that a subject has vanished.
func vanishes(t testing.TB, what string, m mix, percent int, seed uint64, in *input) int {
	const begin = 24
	steady := func(m *minute) {
		for i := range 30 * 60 * percent / 100 {
			name, from, server := "www.zone1.net", client(m.zipf(2000)), m.rnd.IntN(3)
			switch what {
			case "domain":
				name = fmt.Sprintf("w%d.gone-zone.org", m.rnd.IntN(9))
			case "client subnet":
				from = fmt.Sprintf("10.77.7.%d", 1+i%20)
			case "server":
				server, from = 46, "10.1.2.3"
			}
			m.ask(m.at(), from, name, 1, server, 0, 1, 5e6)
		}
	}
	s := scenario{mix: m, seed: seed, minutes: begin + 2, qps: 30, begin: begin, version2: in.version2, dnstap: in.dnstap, change: func(m *minute) {
		if m.n < begin {
			steady(m)
		}
	}}
	subject := map[string]string{"domain": "gone-zone.org", "client subnet": "10.77.7.0/24", "server": "192.0.2.99"}[what]
	if what == "domain" && in.version2 {
		subject += " (in)"
	}
	return s.first(t, findings.Vanished, subject)
}

// line writes how many of 9 scenarios are found, and the first period that shows them.
func line(b *strings.Builder, name string, strengths []int, from int, found func(strength, scenario int) int) {
	fmt.Fprintf(b, "%-36s", name)
	for _, s := range strengths {
		fmt.Fprintf(b, "%6d", s)
	}
	fmt.Fprintf(b, "\n%-36s", "  found")
	hit, all, late := 0, 0, 0
	for _, s := range strengths {
		n := 0
		for i := range 9 {
			first := found(s, i)
			if first > 0 {
				n++
			}
			if s >= from {
				all++
				if first > 0 {
					hit++
				}
				late = max(late, first)
			}
		}
		fmt.Fprintf(b, "%6d", n)
	}
	fmt.Fprintf(b, "   from %d: %d of %d, first shown by period %d or before\n", from, hit, all, late)
}

func troubleTable(t testing.TB, b *strings.Builder, in *input) {
	b.WriteString("one server of three in trouble: found within two periods, of 9 scenarios (3 mixes, 3 seeds)\n")
	var before [9]*background
	for i := range before {
		before[i] = newBackground(t, mixes[i%3], 100+uint64(i), in)
	}
	for i := range troubles {
		k := &troubles[i]
		line(b, k.name, k.strengths, k.from, func(strength, scenario int) int { return k.found(t, before[scenario], strength) })
	}
}

func vanishedTable(t testing.TB, b *strings.Builder, in *input) {
	b.WriteString("\na subject with steady traffic vanishes: found within two periods, of 9 scenarios (3 mixes, 3 seeds)\n")
	for _, what := range []string{"domain", "client subnet", "server"} {
		line(b, what+", % of queries before", []int{1, 2, 5, 10, 25, 50}, 5, func(strength, scenario int) int {
			return vanishes(t, what, mixes[scenario%3], strength, 100+uint64(scenario), in)
		})
	}
	b.WriteString("\n")
}

// One server in trouble, and vanished subjects, of the least strength that must be found.
// With -findings.table all strengths are tried.
func TestTables(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out hours of generated traffic")
	}
	for _, in := range inputs {
		t.Run(in.name, func(t *testing.T) {
			if *long != "" {
				var b strings.Builder
				fmt.Fprintf(&b, "%s\n", in.name)
				troubleTable(t, &b, &in)
				vanishedTable(t, &b, &in)
				save(t, ".tables"+in.suffix, &b)
				return
			}
			for i := range troubles {
				k := &troubles[i]
				if got := k.found(t, newBackground(t, mixes[i%3], 7, &in), k.from); got != 1 {
					t.Errorf("%s: first shown by period %d", k.name, got)
				}
			}
			for i, what := range []string{"domain", "client subnet", "server"} {
				if got := vanishes(t, what, mixes[i], 5, 8, &in); got != 1 {
					t.Errorf("%s: first shown by period %d", what, got)
				}
			}
		})
	}
}
