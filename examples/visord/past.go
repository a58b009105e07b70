package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"sync"
	"time"

	"visor/export/history"
	"visor/handler"
	"visor/internal/atomicfile"
)

// setups remembers since when each policy has its configuration, in a file beside the history.
// Periods from before do not compare with later ones.
type setups struct {
	path string

	mu sync.Mutex
	of map[string]setup // by policy
}

type setup struct {
	Setup string    `json:"setup"`
	Since time.Time `json:"since"`
}

// openSetups reads the file. Without a valid one, all configurations are new. It returns an error,
// too, if the file exists and is invalid.
func openSetups(dir string) (*setups, error) {
	s := &setups{path: filepath.Join(dir, "setups.json")}
	data, err := os.ReadFile(s.path)
	if err == nil {
		err = json.Unmarshal(data, &s.of)
	}
	if err != nil || s.of == nil { // the JSON null is valid, too
		s.of = make(map[string]setup)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return s, err
}

// since returns the time from which on a policy has a setup, which may be now.
func (s *setups) since(policy, id string, now time.Time) (time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := s.of[policy]; ok && at.Setup == id && !at.Since.After(now) {
		return at.Since, nil
	}
	s.of[policy] = setup{id, now}
	data, err := json.Marshal(s.of)
	if err == nil {
		err = atomicfile.Write(s.path, data)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return now, nil // the history has ended
	}
	return now, err
}

// The times that baselines come from: hours of a week, and the latest periods.
const (
	pastDays   = 7
	pastLatest = time.Hour
)

// past returns what the history has of a policy: sums of hours, then single periods.
func (a *agent) past(ctx context.Context, policy, id string) iter.Seq[*handler.Snapshot] {
	return func(yield func(*handler.Snapshot) bool) {
		now := time.Now()
		since, err := a.setups.since(policy, id, now)
		if err != nil {
			a.log.Error("the setup of a policy cannot be kept: after a restart its findings compare with new periods alone", "policy", policy, "error", err)
		}
		latest := now.Add(-pastLatest).Truncate(time.Hour)
		hours := latest.AddDate(0, 0, -pastDays)
		if hours.Before(since) {
			hours = since.Truncate(time.Hour).Add(time.Hour)
		}
		if latest.Before(since) {
			latest = since
		}
		step := cmp.Or(a.o.period, time.Minute)
		if now.Sub(latest)/step > history.MaxSteps {
			latest = now.Add(-history.MaxSteps * step)
		}
		_ = a.periods(ctx, policy, hours, latest, time.Hour, yield) && a.periods(ctx, policy, latest, now, step, yield)
	}
}

// periods yields what the history has between two times in steps. It reports whether to go on.
func (a *agent) periods(ctx context.Context, policy string, from, to time.Time, step time.Duration, yield func(*handler.Snapshot) bool) bool {
	if !from.Before(to) {
		return true
	}
	for answer, err := range a.history.Series(ctx, policy, from, to, step) {
		switch {
		case errors.Is(err, history.ErrUnknownPolicy), ctx.Err() != nil:
			return false
		case err != nil:
			a.log.Error("baselines of findings", "policy", policy, "error", err)
			return false
		case answer.Snapshot != nil && !yield(answer.Snapshot):
			return false
		}
	}
	return true
}
