package findings_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/export/findings"
	"visor/handler"
)

var long = flag.String("findings.table", "", "evaluate all scenarios, and write the table to a `file`")

// strike is a kind of attack. It must be found from a strength on, in per cent of the ordinary
// queries.
type strike struct {
	name   string
	kind   findings.Kind
	from   int
	attack func(n, clients int) func(*minute)
}

var strikes = []strike{
	{"random labels, NXDOMAIN", findings.RandomLabels, 10, labels},
	{"random labels, no reply", findings.RandomLabels, 10, func(n, clients int) func(*minute) {
		return func(m *minute) {
			for i := range n {
				m.ask(m.at(), client(1<<20+i%clients), fmt.Sprintf("%08x.silent.com", m.rnd.Uint32()), 1, 0, -1, 0, 0)
			}
		}
	}},
	{"tunnel", findings.Tunnel, 10, tunnel},
	{"scan of ports", findings.Scan, 10, scan},
	{"reflection", findings.Reflection, 25, amplify},
	{"volume", findings.Spike, 100, func(n, clients int) func(*minute) {
		return func(m *minute) {
			for i := range n {
				m.ask(m.at(), client(1<<20+i%clients), "www.zone3.de", 1, 0, 0, 1, 5e6)
			}
		}
	}},
}

// found reports whether an attack is found within two periods.
func (k *strike) found(t testing.TB, m mix, percent, clients int, seed uint64) bool {
	const qps, begin = 30, 14
	s := scenario{mix: m, seed: seed, minutes: begin + 2, qps: qps, begin: begin, attack: k.attack(qps*60*percent/100, clients)}
	for _, f := range s.find(t, findings.Config{}) {
		if f.Kind == k.kind && minuteOf(f.Since) >= begin {
			return true
		}
	}
	return false
}

// Attacks of the least strength that must be found are found within two periods. With
// -findings.table all strengths, numbers of clients and mixes are tried.
func TestRecall(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out hours of generated traffic")
	}
	if *long == "" {
		for i := range strikes {
			k := &strikes[i]
			require.True(t, k.found(t, []mix{resolver, authoritative, office}[i%3], k.from, []int{1, 1000}[i%2], 20+uint64(i)), k.name)
		}
		return
	}
	strengths, clients, mixes := []int{1, 5, 10, 25, 50, 100, 200, 500}, []int{1, 100, 100_000}, []mix{resolver, authoritative, office}
	var b strings.Builder
	fmt.Fprintf(&b, "found within two periods, of %d scenarios each (%v clients, mixes %v), 30 queries/s\n%-26s", len(clients)*len(mixes), clients, mixes, "strength, % of ordinary")
	for _, p := range strengths {
		fmt.Fprintf(&b, "%6d", p)
	}
	for i := range strikes {
		k := &strikes[i]
		fmt.Fprintf(&b, "\n%-26s", k.name)
		hit, all := 0, 0
		for _, p := range strengths {
			n := 0
			for _, c := range clients {
				for _, m := range mixes {
					ok := k.found(t, m, p, c, uint64(1000*p+c+i))
					if ok {
						n++
					}
					if p >= k.from {
						all++
						if ok {
							hit++
						}
					}
				}
			}
			fmt.Fprintf(&b, "%6d", n)
		}
		fmt.Fprintf(&b, "   recall from %d %%: %d of %d", k.from, hit, all)
		t.Log(k.name, hit, all)
	}
	b.WriteString("\n\n")
	for _, m := range mixes {
		found := day(t, m, 20)
		fmt.Fprintf(&b, "24 h of ordinary traffic, %s: %d findings, %d of them attacks\n", m, len(found), attacks(found))
		for _, f := range found {
			fmt.Fprintf(&b, "  minute %4d %s: %s\n", minuteOf(f.Since), f.Severity, f.Text)
		}
	}
	require.NoError(t, os.WriteFile(*long, []byte(b.String()), 0o666))
}

// day returns the findings in a day of ordinary traffic.
func day(t testing.TB, m mix, qps float64) []findings.Finding {
	w, err := findings.NewWatcher(findings.Config{})
	require.NoError(t, err)
	var all findings.Collector
	s := scenario{mix: m, seed: 30, minutes: 24 * 60, qps: qps, rhythm: true}
	s.run(t, func(p *handler.Snapshot) { all.Add(w.Add(p)) })
	return all.Findings(w)
}

func attacks(found []findings.Finding) (n int) {
	for _, f := range found {
		if f.Severity == findings.Attack {
			n++
		}
	}
	return n
}

// A day with rhythm, deployments, content networks and pulses has no attacks, and few findings.
func TestDay(t *testing.T) {
	if testing.Short() {
		t.Skip("a day of traffic takes seconds")
	}
	found := day(t, resolver, 4)
	require.Zero(t, attacks(found), "%+v", found)
	require.LessOrEqual(t, len(found), 3, "%+v", found)
}
