package policy

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"sync"

	"visor/export/findings"
	"visor/handler"
)

// maxRecent is the number of resolved findings that a part keeps.
const maxRecent = 100

// watch looks for findings in the closed periods of a part.
type watch struct {
	policy string
	log    *slog.Logger
	found  func(findings.Finding) // may be nil

	// closed when earlier periods are in the baselines; guards watcher until then
	learned chan struct{}
	stop    func() // ends learning

	mu      sync.Mutex
	watcher *findings.Watcher
	recent  []findings.Finding // resolved, the newest last
}

// newWatch returns nil if nothing can be found: the policy wants no findings, no handler has a
// detector, or one keeps no closed period.
func (m *Manager) newWatch(p *Policy, parts int, handlers []handler.Handler, past func(context.Context) iter.Seq[*handler.Snapshot]) (*watch, error) {
	useful := false
	for _, h := range handlers {
		info := h.Info()
		useful = useful || findings.Analyzes(info.Type)
		if info.Periods < 2 {
			return nil, nil
		}
	}
	if !useful || p.Findings.Off {
		return nil, nil
	}
	watcher, err := findings.NewWatcher(p.Findings)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	w := &watch{policy: p.Name, log: m.cfg.Logger, found: m.cfg.Found, watcher: watcher, learned: make(chan struct{}), stop: stop}
	if past == nil {
		close(w.learned)
	} else {
		go w.learn(ctx, past, pastNames(p, parts, handlers))
	}
	return w, nil
}

// add looks at a closed period.
func (w *watch) add(s *handler.Snapshot) {
	<-w.learned
	w.mu.Lock()
	defer w.mu.Unlock()
	w.publish(w.watcher.Add(s))
}

// end resolves all findings, because nothing watches any more, or another policy has replaced the
// one that is watched.
func (w *watch) end(replaced bool) {
	w.stop()
	<-w.learned
	w.mu.Lock()
	defer w.mu.Unlock()
	changes := w.watcher.End()
	for i := range changes {
		changes[i].Replaced = replaced
	}
	w.publish(changes)
}

// publish logs changes and passes them on.
func (w *watch) publish(changes []findings.Finding) {
	for _, f := range changes {
		f.Policy = w.policy
		what, level := "finding", slog.LevelWarn
		if f.Resolved {
			what = "finding resolved"
			w.recent = append(w.recent, f)
			if n := len(w.recent); n > maxRecent {
				w.recent = slices.Delete(w.recent, 0, n-maxRecent)
			}
		}
		if f.Resolved || f.Severity == findings.Info {
			level = slog.LevelInfo
		}
		w.log.Log(context.Background(), level, fmt.Sprintf("policy [%s]: %s: %s", w.policy, what, f.Text),
			"kind", string(f.Kind), "severity", string(f.Severity), "subject", f.Subject, "key", f.Key)
		if w.found != nil {
			w.found(f)
		}
	}
}

// findings returns the findings that have fired, and the resolved ones, the newest last.
func (w *watch) findings() (active, recent []findings.Finding) {
	select {
	case <-w.learned:
	default:
		return nil, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	active = w.watcher.Active()
	for i := range active {
		active[i].Policy = w.policy
	}
	return active, slices.Clone(w.recent)
}

// Findings returns the findings of all parts: those that have fired, the most urgent first, and the
// latest resolved ones, the newest last.
func (r *Running) Findings() (active, recent []findings.Finding) {
	for i := range r.Parts {
		if w := r.Parts[i].watch; w != nil {
			a, b := w.findings()
			active, recent = append(active, a...), append(recent, b...)
		}
	}
	slices.SortStableFunc(recent, func(a, b findings.Finding) int { return a.Until.Compare(b.Until) })
	return findings.Sorted(active), recent
}
