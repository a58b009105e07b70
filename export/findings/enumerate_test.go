package findings_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/export/findings"
	"visor/internal/racetest"
)

var (
	guesses = strings.Fields(`mail remote blog webmail server secure vpn shop support portal intranet gateway proxy exchange calendar chat media video files
		upload backup monitor status login accounts billing payment sales search data database cluster staging testing production internal external router
		switch firewall printer camera office london paris berlin tokyo east west north south admin manager control panel beta alpha mobile download forum`)
	endings = strings.Fields("a b old new dev test prod eu us one two three main core edge lab home work")
)

// word returns a name as in lists of names of hosts.
func (m *minute) word() string {
	word := guesses[m.rnd.IntN(len(guesses))]
	if m.rnd.IntN(3) > 0 {
		word += "-" + endings[m.rnd.IntN(len(endings))]
	}
	return fmt.Sprintf("%s%d", word, m.rnd.IntN(30))
}

// guess returns n queries per minute for words below a domain.
func guess(n, clients int) func(*minute) {
	return func(m *minute) {
		for i := range n {
			m.ask(m.at(), client(1<<20+i%clients), m.word()+".guessed.com", 1, 0, 3, 0, 5e6)
		}
	}
}

// count returns n queries per minute for names with numbers, one after another. They exist.
func count(n, clients int) func(*minute) {
	return func(m *minute) {
		for i := range n {
			m.ask(m.at(), client(1<<20+i%clients), fmt.Sprintf("host-%05d.counted.com", m.n*n+i), 1, 0, 0, 1, 5e6)
		}
	}
}

// walk returns n queries per minute for the records that name the next name.
func walk(n, clients int) func(*minute) {
	return func(m *minute) {
		for i := range n {
			m.ask(m.at(), client(1<<20+i%clients), fmt.Sprintf("n%d-%x.walked.com", m.n*n+i, m.rnd.Uint32()), 47, 0, 0, 1, 5e6)
		}
	}
}

// generate returns n queries per minute of each client for names of many domains.
func generate(n, clients int) func(*minute) {
	return func(m *minute) {
		for i := range n {
			m.ask(m.at(), client(1<<20+i%clients), fmt.Sprintf("%c%x.%s", 'a'+i%26, m.rnd.Uint64(), []string{"com", "net", "org", "info"}[i%4]), 1, 0, 3, 0, 5e6)
		}
	}
}

// named returns the findings about names. Strong attacks are a spike, too, and make servers slow.
func named(found []findings.Finding) (out []findings.Finding) {
	for _, f := range found {
		switch f.Kind {
		case findings.Spike, findings.Trouble:
		default:
			out = append(out, f)
		}
	}
	return out
}

func TestEnumerators(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out hours of generated traffic")
	}
	for i, tt := range []struct {
		name, subject string
		severity      findings.Severity
		attack        func(*minute)
	}{
		{"words", "guessed.com", findings.Attack, guess(400, 1)},
		{"words of many clients", "guessed.com", findings.Attack, guess(400, 1000)},
		{"words of a short list, again and again", "guessed-zone.de", findings.Attack, guess2(6000, 1)},
		{"numbers", "counted.com", findings.Warning, count(400, 1)},
		{"numbers of two clients", "counted.com", findings.Warning, count(401, 2)},
		{"walk", "walked.com", findings.Attack, walk(400, 1)},
		{"many domains", "10.16.0.0", findings.Warning, generate(400, 1)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := scenario{mix: resolver, seed: 40 + uint64(i), minutes: 20, qps: 20, begin: 15, attack: tt.attack}
			found := named(s.find(t, findings.Config{}))
			require.Equal(t, []findings.Kind{findings.Enumerator}, kinds(found), "%+v", found)
			f := found[0]
			require.Equal(t, tt.subject, f.Subject)
			require.Equal(t, tt.severity, f.Severity)
			require.Equal(t, 15, minuteOf(f.Since))
			require.NotEmpty(t, f.Evidence.Examples)
			require.NotEmpty(t, f.Evidence.Clients)
			if !strings.Contains(tt.name, " of ") {
				require.Equal(t, "10.16.0.0", f.Evidence.Clients[0].Name)
			}
		})
	}
}

// A client that asks for numbered names of an exception is not reported, nor one with many names
// that exist.
func TestNotEnumerated(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out hours of generated traffic")
	}
	s := scenario{mix: resolver, seed: 50, minutes: 20, qps: 20, begin: 15, attack: count(400, 1)}
	require.Empty(t, s.find(t, findings.Config{AllowSuffixes: []string{"counted.com"}}))
	s.attack = func(m *minute) {
		for i := range 400 {
			m.ask(m.at(), client(1<<20), fmt.Sprintf("www.%s", zones[i%len(zones)]), 1, 0, 0, 1, 5e6)
		}
	}
	require.Empty(t, s.find(t, findings.Config{}))
}

// A zone whose names were asked for before is not attacked when its server fails, also if clients
// repeat their queries.
func TestOutageIsNoAttack(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out hours of generated traffic")
	}
	for _, code := range []int{2, 3, -1} {
		s := scenario{mix: resolver, seed: 51, minutes: 20, qps: 20, attack: func(m *minute) {
			again, reply := 1, 0
			if m.n >= 15 {
				again, reply = 3, code
			}
			for range 600 {
				at, from, name := m.at(), client(m.zipf(500)), m.letters(base36, 2)+".outage-zone.net"
				for i := range again {
					m.ask(at+time.Duration(i)*time.Second, from, name, 1, 0, reply, 1, 5e6)
				}
			}
		}}
		found := s.find(t, findings.Config{})
		require.Zero(t, attacks(found), "code %d: %+v", code, found)
	}
}
