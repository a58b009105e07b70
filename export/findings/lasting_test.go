package findings_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/export/findings"
	"visor/internal/racetest"
)

// Attacks that last for an hour are one finding until their end, although they are usual by then:
// those that are there from the first period on, and those after some ordinary ones.
func TestLasting(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out hours of generated traffic")
	}
	const minutes = 72
	for name, attack := range map[string]func(*minute){
		"labels": labels(1000, 100), "silent": silent(1000, 100), "tunnel": tunnel(1000, 1), "scan": scan(1000, 1),
		"reflection": amplify(2000, 2), "enumerator": guess(1000, 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, begin := range []int{0, 3, 12} {
				s := scenario{mix: resolver, seed: 5, minutes: begin + minutes, qps: 10, begin: begin, attack: attack}
				var attacks []findings.Finding
				for _, f := range s.find(t, findings.Config{}) {
					if f.Kind != findings.Spike && f.Kind != findings.Trouble {
						attacks = append(attacks, f)
					}
				}
				require.Len(t, attacks, 1, "from minute %d", begin)
				require.False(t, attacks[0].Resolved)
				require.Equal(t, begin, minuteOf(attacks[0].Since))
				require.GreaterOrEqual(t, minuteOf(attacks[0].Until), begin+minutes-1)
			}
		})
	}
}

// An attack that began before a restart is found after it, although history has more of it than of
// calm.
func TestLastingRestart(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out hours of generated traffic")
	}
	s := scenario{mix: resolver, seed: 6, minutes: 50, qps: 10, begin: 12, attack: labels(1000, 100)}
	all := s.periods(t)
	w := watcher(t)
	for _, p := range all[:45] {
		w.Learn(p)
	}
	require.Empty(t, w.Active())
	require.True(t, fired(w, all[45:])[findings.RandomLabels])
}

// An attack that ended before a restart is not found after it.
func TestEndedRestart(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out hours of generated traffic")
	}
	attack := labels(1000, 100)
	s := scenario{mix: resolver, seed: 6, minutes: 50, qps: 10, attack: func(m *minute) {
		if m.n >= 12 && m.n < 44 {
			attack(m)
		}
	}}
	all := s.periods(t)
	w := watcher(t)
	for _, p := range all[:45] {
		w.Learn(p)
	}
	require.NotContains(t, fired(w, all[45:]), findings.RandomLabels)
}

// during returns an attack from one minute to before another.
func during(from, to int, attack func(*minute)) func(*minute) {
	return func(m *minute) {
		if m.n >= from && m.n < to {
			attack(m)
		}
	}
}

// What lasts longer than a day is usual then, as is a greater volume after two hours.
func TestUsual(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out hours of generated traffic")
	}
	for _, c := range []struct {
		kind    findings.Kind
		minutes int
		event   func(*minute)
	}{
		{findings.RandomLabels, 24 * 60, labels(200, 10)},
		{findings.Spike, 2 * 60, volume(400, 10)},
	} {
		t.Run(string(c.kind), func(t *testing.T) {
			t.Parallel()
			s := scenario{mix: resolver, seed: 7, minutes: 30 + c.minutes, qps: 3, begin: 15, attack: c.event}
			found := s.of(t, c.kind)
			require.NotEmpty(t, found)
			for _, f := range found {
				require.True(t, f.Resolved && f.Usual, "%+v", f)
				require.Contains(t, f.Text, "counts as usual now")
				require.Equal(t, 15, minuteOf(f.Since))
				require.InDelta(t, 15+c.minutes, minuteOf(f.Until), 1)
			}
		})
	}
}

// A greater volume, and the absence of a domain or of all traffic, last until their end.
func TestUntilEnd(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out hours of generated traffic")
	}
	const begin, end = 25, 115
	for name, c := range map[string]struct {
		kind   findings.Kind
		change func(*minute)
	}{
		"volume": {findings.Spike, func(m *minute) { m.queries *= 3 }},
		"domain": {findings.Vanished, func(m *minute) {
			m.skip = func(name, _ string) bool { return strings.HasSuffix(name, "zone1.net") }
		}},
		"all": {findings.Vanished, func(m *minute) { m.queries = 1 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := scenario{mix: authoritative, seed: 9, minutes: end + 5, qps: 20, change: during(begin, end, c.change)}
			found := s.of(t, c.kind)
			require.NotEmpty(t, found)
			for _, f := range found {
				require.True(t, f.Resolved && !f.Usual, "%+v", f)
				require.InDelta(t, begin, minuteOf(f.Since), 1, "%+v", f)
				require.InDelta(t, end, minuteOf(f.Until), 1)
			}
		})
	}
}

// All traffic vanishes while a spike lasts, whose baselines are of less traffic.
func TestVanishedFromSpike(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out hours of generated traffic")
	}
	s := scenario{mix: resolver, seed: 9, minutes: 110, qps: 3, change: func(m *minute) {
		if m.n >= 60 {
			m.queries = 10
		} else if m.n >= 20 {
			m.queries *= 10
		}
	}}
	for _, f := range s.of(t, findings.Vanished) {
		require.InDelta(t, 60, minuteOf(f.Since), 1, "%+v", f)
		require.False(t, f.Resolved, "%+v", f)
	}
	require.Len(t, s.of(t, findings.Vanished), 2, "queries and packets")
}

// An attack that pauses is found again at once, although the baselines of its pause have learned
// from it.
func TestAgain(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out hours of generated traffic")
	}
	for name, attack := range map[string]func(*minute){
		"labels": labels(1000, 100), "silent": silent(1000, 100), "tunnel": tunnel(1000, 1), "scan": scan(1000, 1),
		"reflection": amplify(2000, 2), "enumerator": guess(1000, 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := scenario{mix: resolver, seed: 5, minutes: 60, qps: 10, attack: func(m *minute) {
				during(12, 42, attack)(m)
				during(48, 60, attack)(m)
			}}
			var since []int
			for _, f := range s.find(t, findings.Config{}) {
				if f.Severity == findings.Attack {
					since = append(since, minuteOf(f.Since))
				}
			}
			require.Equal(t, []int{12, 48}, since)
		})
	}
}

// A tunnel that began in the night does not keep the baselines of the night for others: more wrong
// names by day are not an attack.
func TestLastingNight(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out hours of generated traffic")
	}
	s := scenario{mix: resolver, seed: 30, minutes: 5 * 60, qps: 4, attack: during(60, 290, tunnel(60, 1)), change: func(m *minute) {
		labels(60+max(m.n-60, 0)*3/2, 20)(m)
	}}
	for _, f := range s.find(t, findings.Config{}) {
		if f.Severity == findings.Attack {
			require.Equal(t, findings.Tunnel, f.Kind, "%+v", f)
			require.InDelta(t, 60, minuteOf(f.Since), 1)
			require.InDelta(t, 290, minuteOf(f.Until), 1)
		}
	}
}

// of returns the episodes of a kind.
func (s *scenario) of(t testing.TB, kind findings.Kind) []findings.Finding {
	return slices.DeleteFunc(s.find(t, findings.Config{}), func(f findings.Finding) bool { return f.Kind != kind })
}
