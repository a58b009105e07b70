package findings_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/export/findings"
	"visor/handler"
	"visor/internal/packettest"
	"visor/internal/racetest"
)

// sweep asks for the reverse names of a network, one address after another. Some have a name.
func sweep(n, clients int) func(*minute) {
	return repeat(n, func(m *minute, i int) {
		k := m.n*n + i
		m.ask(m.at(), client(1<<20+i%clients), fmt.Sprintf("%d.%d.20.172.in-addr.arpa", k%256, k/256%256), 12, 0, 3*(i%2), 1, 5e6)
	})
}

// sweep2 walks the reverse tree of an IPv6 network, with names of all lengths.
func sweep2(n, clients int) func(*minute) {
	return repeat(n, func(m *minute, i int) {
		labels := strings.Split(fmt.Sprintf("%016x", uint64(m.n*n+i)*0x9E3779B97F4A7C15), "")[:1+i%16]
		name := strings.Join(labels, ".") + ".4.3.2.1.8.b.d.0.1.0.0.2.ip6.arpa"
		m.ask(m.at(), client(1<<23+i%clients), name, 12, m.rnd.IntN(3), 3*m.rnd.IntN(2), 0, 30*time.Millisecond)
	})
}

// transfer tries to copy zones, and is refused.
func transfer(n, clients int) func(*minute) {
	return repeat(n, func(m *minute, i int) {
		m.ask(m.at(), client(1<<20+i%clients), zones[i%20], 252, 0, 5, 0, 5e6)
	})
}

// copyZone copies a zone over TCP: the reply takes three messages, and the first has the question.
func copyZone(clients ...string) func(*minute) {
	return func(m *minute) {
		for _, client := range clients {
			m.id++
			q := packettest.Query(m.id, "shop-zone.de", 252)
			first := packettest.Reply(q, 0, 40)
			rest := append([]byte(nil), first[:12]...)
			rest[5] = 0 // no question
			rest = append(rest, first[len(q):]...)
			asked, from, to := packettest.Stream(q), client+":40000", "192.0.2.53:53"
			at, back := m.at(), packettest.Stream(first, rest, rest)
			m.frames = append(m.frames,
				packettest.TCP(at, from, to, 2, 99, 0, nil), packettest.TCP(at, to, from, 0x12, 499, 100, nil),
				packettest.TCP(at+1e6, from, to, 0x10, 100, 500, asked),
				packettest.TCP(at+2e6, to, from, 0x10, 500, 100+uint32(len(asked)), back))
		}
	}
}

// A client that copies a zone for the first time is found, with the zone and its size. A secondary
// server, which did so before, is not, and neither is a client that the configuration allows.
func TestCopies(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out hours of generated traffic")
	}
	secondary, thief := copyZone("10.9.9.9"), copyZone("10.9.9.9", "10.66.66.66")
	attack := func(m *minute) {
		switch m.n {
		case 2, 20:
			secondary(m)
		case 16:
			thief(m)
		}
	}
	s := scenario{mix: authoritative, seed: 180, minutes: 22, qps: 20, attack: attack}
	found := named(s.find(t, findings.Config{}))
	require.Len(t, found, 1, "%+v", found)
	f := found[0]
	require.Equal(t, findings.Enumerator, f.Kind)
	require.Equal(t, "10.66.66.66", f.Subject)
	require.Equal(t, []string{"shop-zone.de"}, f.Evidence.Examples)
	require.Contains(t, f.Text, "Client 10.66.66.66 copied the zone shop-zone.de, 1,974 bytes")
	require.Empty(t, named(s.find(t, findings.Config{AllowClients: []string{"10.66.0.0/16"}})))
}

// A secondary server whose copies are in history is known after a restart, even if history has only
// the sum of an hour. Without history it is found once.
func TestCopiesBeforeRestart(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out hours of generated traffic")
	}
	secondary := copyZone("10.9.9.9")
	all := (&scenario{mix: authoritative, seed: 181, minutes: 24, qps: 20, attack: func(m *minute) {
		if m.n == 2 || m.n > 21 {
			secondary(m)
		}
	}}).periods(t)
	past, err := handler.Merge(all[:10]...)
	require.NoError(t, err)
	for learn, want := range map[bool]map[findings.Kind]bool{true: {}, false: {findings.Enumerator: true}} {
		w := watcher(t)
		if learn {
			w.Learn(past)
		}
		require.Equal(t, want, fired(w, all[10:]), "with history: %t", learn)
	}
}

// transfer2 tries to copy parts of zones of a server that is not in charge.
func transfer2(n, clients int) func(*minute) {
	return repeat(n, func(m *minute, i int) {
		m.ask(m.at(), m.some(clients), fmt.Sprintf("inner%d.shop-zone.de", i%300), []uint16{251, 252}[m.rnd.IntN(2)], m.rnd.IntN(3), 9, 0, 5e6)
	})
}

// askProof adds a query for a name that does not exist, with DO, as for a proof of that.
func (m *minute) askProof(client, name string) {
	m.id++
	at, from, to := m.at(), fmt.Sprintf("%s:%d", client, 20000+m.rnd.IntN(40000)), "192.0.2.53:53"
	if client[0] == '[' {
		to = "[2001:db8:53::53]:53"
	}
	q := packettest.Query(m.id, name, 1, []byte{0, 3, 0, 0})
	q[len(q)-8] = 0x80 // DO: before the length and the option
	m.frames = append(m.frames, packettest.UDP(at, from, to, q), packettest.UDP(at+5e6, to, from, packettest.Reply(q, 3, 0)))
}

// hashed asks for random names, to collect the hashes of a zone.
func hashed(n, clients int) func(*minute) {
	return repeat(n, func(m *minute, i int) {
		m.askProof(client(1<<20+i%clients), fmt.Sprintf("%08x.hashed.com", m.rnd.Uint32()))
	})
}

// hashed2 has longer names below two labels.
func hashed2(n, clients int) func(*minute) {
	return repeat(n, func(m *minute, i int) {
		m.askProof(client(1<<23+7*(i%clients)), m.letters(base36, 10+m.rnd.IntN(12))+".a.hashed-zone.org")
	})
}

// infect has each of many clients ask for some generated names, of many domains.
func infect(n, clients int) func(*minute) {
	return repeat(n, func(m *minute, i int) {
		m.ask(m.at(), client(1<<20+i%clients), m.letters(lower, 12+m.rnd.IntN(8))+[]string{".com", ".net", ".org", ".ru"}[i%4], 1, 0, 3, 0, 5e6)
	})
}

// infect2 has two words and a first label.
func infect2(n, clients int) func(*minute) {
	return repeat(n, func(m *minute, i int) {
		name := "www." + foreign[m.rnd.IntN(len(foreign))] + guesses[m.rnd.IntN(len(guesses))] + fmt.Sprint(m.rnd.IntN(1000)) + []string{".info", ".biz"}[i%2]
		m.ask(m.at(), m.some(clients), name, 28, m.rnd.IntN(3), 3, 0, 30*time.Millisecond)
	})
}

// Each way to list names has one finding with subject and evidence.
func TestListings(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out hours of generated traffic")
	}
	for i, tt := range []struct {
		name, subject, text string
		severity            findings.Severity
		attack              func(*minute)
	}{
		{"reverse names of IPv4", "10.16.0.0", "reverse names of 172.20.", findings.Warning, sweep(400, 1)},
		{"reverse names of IPv6", "10.128.0.0", "reverse names of 2001:db8:1234::", findings.Warning, sweep2(400, 1)},
		{"transfers", "zone transfers", "Transfers of zones are refused: 20 of 20", findings.Warning, transfer(20, 1)},
		{"transfers, not in charge", "zone transfers", "refused", findings.Warning, transfer2(20, 1)},
		{"proofs with hashes", "hashed.com", "with the proof that it does not exist", findings.Attack, hashed(400, 1)},
		{"generated names of many clients", "generated names", "Many clients ask", findings.Warning, infect(400, 300)},
		{"generated words of many clients", "generated names", "Many clients ask", findings.Warning, infect2(400, 3000)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := scenario{mix: mixes[i%2], seed: 140 + uint64(i), minutes: 20, qps: 20, begin: 15, attack: tt.attack}
			found := named(s.find(t, findings.Config{}))
			require.Equal(t, []findings.Kind{findings.Enumerator}, kinds(found), "%+v", found)
			f := found[0]
			require.Equal(t, tt.subject, f.Subject)
			require.Equal(t, tt.severity, f.Severity)
			require.Contains(t, f.Text, tt.text)
			require.Equal(t, 15, minuteOf(f.Since))
			require.NotEmpty(t, f.Evidence.Clients)
		})
	}
}

// Two clients that share the reverse names of a network are found, although each asks for fewer
// than a single one would have to.
func TestSharedSweep(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out hours of generated traffic")
	}
	for i, attack := range []func(*minute){sweep(160, 2), sweep2(160, 2)} {
		s := scenario{mix: mixes[i], seed: 170 + uint64(i), minutes: 18, qps: 20, begin: 15, attack: attack}
		found := named(s.find(t, findings.Config{}))
		require.Equal(t, []findings.Kind{findings.Enumerator, findings.Enumerator}, kinds(found), "%+v", found)
		for _, f := range found {
			require.Contains(t, f.Text, "reverse names of")
		}
	}
}

// None of these list names: a log is resolved, secondary servers copy zones, a mail server asks
// lists of bad addresses, all names of a resolver fail for a while, validating resolvers carry an
// attack.
func TestNotListings(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out hours of generated traffic")
	}
	for name, attack := range map[string]func(*minute){
		"addresses of a log": repeat(500, func(m *minute, _ int) {
			name := fmt.Sprintf("%d.%d.%d.%d.in-addr.arpa", m.rnd.IntN(256), m.rnd.IntN(256), m.rnd.IntN(256), 1+m.rnd.IntN(223))
			m.ask(m.at(), client(1<<20), name, 12, 0, 3*m.rnd.IntN(2), 1, 5e6)
		}),
		"addresses of the logs of a few hosts": repeat(300, func(m *minute, i int) {
			name := fmt.Sprintf("%d.%d.%d.%d.in-addr.arpa", m.rnd.IntN(256), m.rnd.IntN(256), m.rnd.IntN(256), 1+m.rnd.IntN(223))
			m.ask(m.at(), client(1<<20+i%4), name, 12, 0, 3*m.rnd.IntN(2), 1, 5e6)
		}),
		"secondary servers": repeat(30, func(m *minute, i int) { m.ask(m.at(), client(1<<20+i%3), zones[i%20], 252, 0, 0, 20, 5e6) }),
		"lists of bad addresses": repeat(500, func(m *minute, i int) {
			name := fmt.Sprintf("%d.%d.%d.%d.zen.spamhaus.org", m.rnd.IntN(256), m.rnd.IntN(256), m.rnd.IntN(256), 1+m.rnd.IntN(223))
			m.ask(m.at(), client(1<<20+i%40), name, 1, 0, 3, 0, 5e6)
		}),
		"a search list of many hosts": repeat(600, func(m *minute, i int) {
			m.ask(m.at(), client(m.zipf(500)), zones[m.zipf(200)]+".office.example.net", 1, 0, 3, 0, 5e6)
		}),
		"a search list with ndots": repeat(600, func(m *minute, i int) {
			m.ask(m.at(), client(m.zipf(50)), guesses[m.rnd.IntN(len(guesses))]+"."+zones[m.zipf(3000)]+".svc.cluster.example", 1, 0, 3, 0, 5e6)
		}),
	} {
		t.Run(name, func(t *testing.T) {
			s := scenario{mix: resolver, seed: 150, minutes: 20, qps: 20, begin: 15, attack: attack}
			require.Empty(t, named(s.find(t, findings.Config{})))
		})
	}
}
