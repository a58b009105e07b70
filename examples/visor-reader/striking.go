package main

import (
	"visor/export/findings"
	"visor/handler"
)

// striking collects what stands out in the closed periods.
type striking struct {
	watcher *findings.Watcher
	all     findings.Collector
}

func (s *striking) add(period *handler.Snapshot) {
	if s.watcher == nil {
		w, err := findings.NewWatcher(findings.Config{})
		if err != nil {
			return // the zero Config has no problems
		}
		s.watcher = w
	}
	s.all.Add(s.watcher.Add(period))
}

// findings returns the most urgent findings first.
func (s *striking) findings() []findings.Finding {
	if s.watcher == nil {
		return nil
	}
	return findings.Sorted(s.all.Findings(s.watcher))
}

// extra returns the keys of the JSON document for findings, or nil without any.
func (s *striking) extra() map[string]any {
	found := s.findings()
	if len(found) == 0 {
		return nil
	}
	return map[string]any{"findings": found}
}
