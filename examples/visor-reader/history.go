package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"visor/export"
	"visor/export/history"
)

// historyFile is the name of an agent's history in its directory.
const historyFile = "history.db"

var errEmptyHistory = errors.New("the history is empty")

// showHistory answers from the history of an agent, which must not be running.
func (j *job) showHistory(ctx context.Context) error {
	path := j.history
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, historyFile)
	}
	store, err := history.OpenReadOnly(path)
	if err != nil {
		return err
	}
	defer store.Close()
	policies, err := store.Policies(ctx)
	switch {
	case err != nil:
		return err
	case len(j.files) == 0:
		return j.listPolicies(policies)
	case len(policies) == 0:
		return errEmptyHistory
	}
	var names []string
	for _, p := range policies {
		if p.Name == j.files[0] {
			return j.showPolicy(ctx, store, p)
		}
		names = append(names, p.Name)
	}
	return fmt.Errorf("%s has no policy %q; it has %s", path, j.files[0], strings.Join(names, ", "))
}

// listPolicies writes the policies with their times.
func (j *job) listPolicies(policies []history.Policy) error {
	if j.format != formatText {
		list := []map[string]any{}
		for _, p := range policies {
			list = append(list, map[string]any{"name": p.Name, "from": p.From.UTC(), "to": p.To.UTC()})
		}
		out := json.NewEncoder(j.stdout)
		out.SetIndent("", "  ")
		return out.Encode(list)
	}
	if len(policies) == 0 {
		return errEmptyHistory
	}
	for _, p := range policies {
		if _, err := fmt.Fprintf(j.stdout, "%-24s  %s to %s UTC\n", p.Name, p.From.UTC().Format(time.DateTime), p.To.UTC().Format(time.DateTime)); err != nil {
			return err
		}
	}
	return nil
}

// showPolicy writes a summary of a range, or its steps.
func (j *job) showPolicy(ctx context.Context, store *history.Store, p history.Policy) error {
	from, to := p.From, p.To
	if j.from != nil {
		from = j.from(p.From)
	}
	if j.to != nil {
		to = j.to(p.From)
	}
	if err := ordered(j.from, j.to, p.From); err != nil {
		return misuse{err}
	}
	if !from.Before(to) {
		return j.nothing(&p, from, to)
	}
	if j.step > 0 {
		return j.historySteps(ctx, store, p.Name, from, to)
	}
	a, err := store.Range(ctx, p.Name, from, to)
	if err != nil {
		return err
	}
	if a.Snapshot == nil {
		return j.nothing(&p, from, to)
	}
	if err := j.showSnapshot(a.Snapshot); err != nil {
		return err
	}
	for _, line := range gapLines(a.Gaps) {
		fmt.Fprintln(j.stderr, "visor-reader:", line)
	}
	return nil
}

// nothing returns the error for a range of p without periods.
func (j *job) nothing(p *history.Policy, from, to time.Time) error {
	asked := ""
	if j.from != nil {
		asked += " from " + from.UTC().Format(time.DateTime)
	}
	if j.to != nil {
		asked += " to " + to.UTC().Format(time.DateTime)
	}
	return fmt.Errorf("%s has nothing%s UTC; it has %s to %s", p.Name, asked, p.From.UTC().Format(time.DateTime), p.To.UTC().Format(time.DateTime))
}

// historySteps writes the steps of a range. The step doubles until the range has few enough.
func (j *job) historySteps(ctx context.Context, store *history.Store, policy string, from, to time.Time) error {
	step := j.step
	for to.Sub(from)/step >= history.MaxSteps {
		step *= 2
	}
	if step != j.step {
		fmt.Fprintf(j.stderr, "visor-reader: warning: --step %v: %v is used, for %d steps at most\n", j.step, step, history.MaxSteps)
	}
	out := steps{out: j.stdout, format: j.format, step: step, width: j.width}
	for a, err := range store.Series(ctx, policy, from, to, step) {
		if err != nil {
			return err
		}
		if a.Snapshot == nil {
			continue // the next row shows the gap
		}
		for i := range a.Snapshot.Modules {
			a.Snapshot.Modules[i].TopN = j.top
		}
		if out.add(a.Snapshot); out.err != nil {
			return out.err
		}
		out.end = a.To // later where only a coarser record is left
	}
	return nil
}

// gapLines describes the first gaps.
func gapLines(gaps []history.Gap) (lines []string) {
	const most = 10
	for i, g := range gaps {
		if i == most {
			return append(lines, fmt.Sprintf("and %d more gaps", len(gaps)-most))
		}
		line := fmt.Sprintf("nothing was counted from %s to %s UTC (%s)", g.Start.UTC().Format(time.DateTime), g.End.UTC().Format(time.DateTime), export.Brief(g.End.Sub(g.Start)))
		if g.Reason != "" {
			line += ": " + g.Reason
		}
		lines = append(lines, line)
	}
	return lines
}
