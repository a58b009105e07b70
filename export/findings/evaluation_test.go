package findings_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/export/findings"
	"visor/handler"
	"visor/internal/racetest"
)

var long = flag.String("findings.table", "", "evaluate all scenarios, and write the tables to `files` with this name and a suffix")

// save writes a part of the evaluation.
func save(t testing.TB, suffix string, b *strings.Builder) {
	require.NoError(t, os.WriteFile(*long+suffix, []byte(b.String()), 0o666))
}

// strike is a kind of attack. It must be found from a strength on, in per cent of the ordinary
// queries.
type strike struct {
	name   string
	kinds  []findings.Kind // any of them names it
	from   int
	few    bool // each client must be active: at most 2
	attack func(n, clients int) func(*minute)
	other  func(n, clients int) func(*minute) // of another shape, which no threshold was set on
}

var (
	randomKinds = []findings.Kind{findings.RandomLabels}
	listKinds   = []findings.Kind{findings.Enumerator}
)

var strikes = []strike{
	{"random labels, errors", randomKinds, 10, false, labels, labels2},
	{"random labels, no reply", randomKinds, 10, false, silent, silent2},
	{"labels that look like words", []findings.Kind{findings.RandomLabels, findings.Enumerator}, 10, false, nil, spoken2},
	{"tunnel", []findings.Kind{findings.Tunnel}, 10, false, tunnel, tunnel2},
	{"scan of ports", []findings.Kind{findings.Scan}, 10, false, scan, scan2},
	{"reflection", []findings.Kind{findings.Reflection}, 25, false, amplify, amplify2},
	{"volume", []findings.Kind{findings.Spike}, 100, false, volume, volume2},
	{"enumerator by words", listKinds, 10, false, guess, guess2},
	{"enumerator by numbers", listKinds, 10, true, count, count2},
	{"walk of a zone", listKinds, 10, false, walk, walk2},
	{"names of many domains", listKinds, 25, true, generate, generate2},
	{"names of many domains, many clients", listKinds, 25, false, infect, infect2},
	{"sweep of reverse names", listKinds, 10, true, sweep, sweep2},
	{"transfers of zones", listKinds, 10, false, transfer, transfer2},
	{"proofs of a zone with hashes", listKinds, 10, true, hashed, hashed2},
}

// silent returns n queries per minute for random labels that get no reply.
func silent(n, clients int) func(*minute) {
	return func(m *minute) {
		for i := range n {
			m.ask(m.at(), client(1<<20+i%clients), fmt.Sprintf("%08x.silent.com", m.rnd.Uint32()), 1, 0, -1, 0, 0)
		}
	}
}

// volume returns n queries per minute for a name that exists.
func volume(n, clients int) func(*minute) {
	return func(m *minute) {
		for i := range n {
			m.ask(m.at(), client(1<<20+i%clients), "www.zone3.de", 1, 0, 0, 1, 5e6)
		}
	}
}

// shapes are the attacks of a kind, with their names.
func (k *strike) shapes() (out []func(n, clients int) func(*minute)) {
	for _, s := range []func(n, clients int) func(*minute){k.attack, k.other} {
		if s != nil {
			out = append(out, s)
		}
	}
	return out
}

// found reports whether an attack is found within two periods.
func (k *strike) found(t testing.TB, b *background, attack func(*minute)) bool {
	return b.first(t, attack, nil, func(f *findings.Finding) bool { return slices.Contains(k.kinds, f.Kind) }) > 0
}

// clients returns the number of clients in a third of the scenarios.
func (k *strike) clients(third int) int {
	if k.few {
		return 1 + third/2
	}
	return []int{1, 100, 100_000}[third]
}

var (
	strengths = []int{1, 5, 10, 25, 50, 100, 200, 500}
	mixes     = []mix{resolver, authoritative, office}
)

// events returns the number of an attack's events in a minute.
func (b *background) events(percent int) int { return int(b.qps) * 60 * percent / 100 }

// input is how traffic comes, and to which modules.
type input struct {
	name, suffix     string // the suffix is of its tables
	version2, dnstap bool
}

var inputs = []input{
	{"version 1.0", "", false, false}, {"version 2.0", "2", true, false},
	{"version 1.0, dnstap", "tap", false, true}, {"version 2.0, dnstap", "2tap", true, true},
}

// Attacks of the least strength that must be found are found within two periods, in both shapes and
// from all inputs. With -findings.table all strengths, numbers of clients and mixes
// are tried.
func TestRecall(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out hours of generated traffic")
	}
	for _, in := range inputs {
		t.Run(in.name, func(t *testing.T) {
			if *long != "" {
				recall(t, &in)
				return
			}
			for third, m := range mixes {
				b := newBackground(t, m, 20+uint64(third), &in)
				for i := range strikes {
					k := &strikes[i]
					for n, shape := range k.shapes() {
						if (i+n)%3 == third {
							require.True(t, k.found(t, b, shape(b.events(k.from), k.clients(i%3))), "%s, shape %d", k.name, n)
						}
					}
				}
			}
		})
	}
}

// recall tries all scenarios. It writes a row for each shape of each kind of attack.
func recall(t *testing.T, in *input) {
	hits := make(map[[3]int]int) // by kind, shape and strength
	for third := range 3 {
		for _, m := range mixes {
			b := newBackground(t, m, 100+uint64(third), in)
			for i := range strikes {
				k := &strikes[i]
				for n, shape := range k.shapes() {
					for at, percent := range strengths {
						if k.found(t, b, shape(b.events(percent), k.clients(third))) {
							hits[[3]int{i, n, at}]++
						}
					}
				}
			}
			t.Log(in.name, third, m)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "found within two periods, of 9 scenarios each (1, 100 and 100,000 clients; mixes %v), 30 queries/s, %s\n%-36s", mixes, in.name, "strength, % of ordinary")
	for _, p := range strengths {
		fmt.Fprintf(&b, "%6d", p)
	}
	for i := range strikes {
		k := &strikes[i]
		for n := range k.shapes() {
			name, hit, all := k.name, 0, 0
			if n > 0 || k.attack == nil {
				name = "  unseen shape"
			}
			if k.attack == nil {
				name = k.name
			}
			fmt.Fprintf(&b, "\n%-36s", name)
			for at, percent := range strengths {
				fmt.Fprintf(&b, "%6d", hits[[3]int{i, n, at}])
				if percent >= k.from {
					hit, all = hit+hits[[3]int{i, n, at}], all+9
				}
			}
			fmt.Fprintf(&b, "   from %d %%: %d of %d", k.from, hit, all)
		}
	}
	b.WriteString("\n")
	save(t, ".recall"+in.suffix, &b)
}

// day returns the findings in a day of ordinary traffic.
func day(t testing.TB, m mix, qps float64, in *input) []findings.Finding {
	w, err := findings.NewWatcher(findings.Config{})
	require.NoError(t, err)
	var all findings.Collector
	s := scenario{mix: m, seed: 30, minutes: 24 * 60, qps: qps, rhythm: true, version2: in.version2, dnstap: in.dnstap}
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
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("a day of traffic takes seconds")
	}
	for _, in := range inputs {
		t.Run(in.name, func(t *testing.T) {
			if *long != "" {
				days(t, &in)
				return
			}
			found := day(t, resolver, 4, &in)
			require.Zero(t, attacks(found), "%+v", found)
			require.LessOrEqual(t, len(found), 3, "%+v", found)
		})
	}
}

// days writes what is found in a day of each mix.
func days(t *testing.T, in *input) {
	var b strings.Builder
	for _, m := range mixes {
		found := day(t, m, 20, in)
		fmt.Fprintf(&b, "24 h of ordinary traffic, %s, %s: %d findings, %d of them attacks\n", m, in.name, len(found), attacks(found))
		for _, f := range found {
			fmt.Fprintf(&b, "  minute %4d %s: %s\n", minuteOf(f.Since), f.Severity, f.Text)
		}
	}
	save(t, ".days"+in.suffix, &b)
}
