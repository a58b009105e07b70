package findings_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/export/findings"
	"visor/handler"
	"visor/internal/racetest"
)

// changing is traffic that triples at minute 26 and loses a domain and a server then.
func changing(seed uint64) *scenario {
	return &scenario{mix: authoritative, seed: seed, minutes: 36, qps: 20, change: func(m *minute) {
		if m.n >= 26 {
			m.queries, m.servers = 3*m.queries, 2
		}
	}}
}

// periods returns the periods of a scenario.
func (s *scenario) periods(t testing.TB) (out []*handler.Snapshot) {
	s.run(t, func(p *handler.Snapshot) { out = append(out, p) })
	return out
}

func watcher(t testing.TB) *findings.Watcher {
	w, err := findings.NewWatcher(findings.Config{})
	require.NoError(t, err)
	return w
}

// fired returns the kinds of the findings that fire in periods.
func fired(w *findings.Watcher, periods []*handler.Snapshot) map[findings.Kind]bool {
	out := make(map[findings.Kind]bool)
	for _, p := range periods {
		for _, f := range w.Add(p) {
			out[f.Kind] = out[f.Kind] || !f.Resolved
		}
	}
	return out
}

// After a restart, a change of the policy or of the key that hashes, nothing is a spike or has
// vanished for 10 periods. If history has the periods before the restart, both are found.
func TestRestart(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out hours of generated traffic")
	}
	all := changing(60).periods(t)
	before, after := all[:26], all[26:36]
	both := map[findings.Kind]bool{findings.Spike: true, findings.Vanished: true}

	w := watcher(t)
	fired(w, before)
	require.Equal(t, both, fired(w, after), "without a restart")

	require.Empty(t, fired(watcher(t), after), "a restart")

	w = watcher(t)
	for _, p := range before {
		w.Learn(p)
	}
	require.Empty(t, w.Active())
	require.Equal(t, both, fired(w, after), "a restart with history")

	for name, change := range map[string]func(m *handler.Module){
		"a policy with other groups":        func(m *handler.Module) { m.Groups ^= 1 << 30 },
		"a policy with the other version":   func(m *handler.Module) { m.Version += " earlier" },
		"another key":                       func(m *handler.Module) { m.HashID[0]++ },
		"a policy with modules renamed":     func(m *handler.Module) { m.Name += "-earlier" },
		"a gap in the history of two hours": func(m *handler.Module) { m.Start = m.Start.Add(-2 * time.Hour) },
	} {
		changed := make([]*handler.Snapshot, len(before))
		for i, p := range before {
			c := *p
			c.Modules = append([]handler.Module(nil), p.Modules...)
			for k := range c.Modules {
				change(&c.Modules[k])
			}
			changed[i] = &c
		}
		w := watcher(t)
		fired(w, changed)
		require.Empty(t, fired(w, after), name)
		w = watcher(t)
		for _, p := range changed {
			w.Learn(p)
		}
		require.Empty(t, fired(w, after), "history before %s", name)
	}
}

// Sums of hours of earlier days are a baseline from the first period on.
func TestLearnHours(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out hours of generated traffic")
	}
	w := watcher(t)
	for day := 3; day > 0; day-- {
		s := scenario{mix: authoritative, seed: 60 + uint64(day), minutes: 20, qps: 20}
		periods := s.periods(t)
		sum, err := handler.Merge(periods...)
		require.NoError(t, err)
		for i := range sum.Modules {
			sum.Modules[i].Start = sum.Modules[i].Start.AddDate(0, 0, -day)
		}
		w.Learn(sum)
	}
	require.Equal(t, map[findings.Kind]bool{findings.Spike: true}, fired(w, changing(64).periods(t)[26:30]))
	w = watcher(t)
	require.Empty(t, fired(w, changing(64).periods(t)[26:30]))
}

// A finding that becomes more severe is reported again, once, with the key that it fired with.
func TestMoreSevere(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out hours of generated traffic")
	}
	s := scenario{mix: resolver, seed: 61, minutes: 26, qps: 20, begin: 14}
	s.attack = func(m *minute) {
		switch {
		case m.n < 17: // more of the usual
			volume(3600, 500)(m)
		case m.n < 21: // from addresses that are used once
			volume(9000, 100_000)(m)
		}
	}
	w := watcher(t)
	var changes []findings.Finding
	for _, p := range s.periods(t) {
		for _, f := range w.Add(p) {
			if f.Kind == findings.Spike && f.Module == "dns" {
				changes = append(changes, f)
			}
		}
	}
	require.Len(t, changes, 3, "%+v", changes)
	for _, f := range changes {
		require.Equal(t, changes[0].Key, f.Key)
	}
	require.Equal(t, findings.Warning, changes[0].Severity)
	require.Equal(t, findings.Attack, changes[1].Severity)
	require.False(t, changes[1].Resolved)
	require.True(t, changes[2].Resolved)
	require.Equal(t, findings.Attack, changes[2].Severity, "the worst of the episode")
}

// A policy that ends in the first second of a period leaves one of length 0. It does not
// reach into the first period of the next policy.
func TestEndAtOnce(t *testing.T) {
	s := scenario{mix: resolver, seed: 8, minutes: 4, qps: 10}
	all := s.periods(t)
	cut := func(p *handler.Snapshot, start time.Time, length time.Duration) *handler.Snapshot {
		c := *p
		c.Modules = slices.Clone(p.Modules)
		for i := range c.Modules {
			c.Modules[i].Start, c.Modules[i].Length = start, length
		}
		return &c
	}
	w := watcher(t)
	w.Learn(all[0])
	end := all[1].Modules[0].Start
	w.Learn(cut(all[1], end, 0))
	require.Empty(t, w.Add(cut(all[2], end.Add(5*time.Second), 55*time.Second)))
}
