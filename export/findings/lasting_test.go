package findings_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"visor/export/findings"
)

// Attacks that last for an hour are one finding until their end, although they are usual by then:
// those that are there from the first period on, and those after some ordinary ones.
func TestLasting(t *testing.T) {
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
				if name == "scan" && begin < 10 {
					continue // without own networks, a scan needs a baseline
				}
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
