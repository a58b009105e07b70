package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"visor/export/history"
	"visor/handler"
)

// historyFile is the name of the history's file in its directory.
const historyFile = "history.db"

// stateDirectory returns the directory for state that outlives the process, or "" without one:
// systemd's, or the usual one of a daemon.
func (o *options) stateDirectory() string {
	if dir := os.Getenv("STATE_DIRECTORY"); dir != "" {
		return dir
	}
	if !o.daemon {
		return ""
	}
	if os.Geteuid() == 0 {
		return "/var/lib/visor"
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(cmp.Or(os.Getenv("XDG_STATE_HOME"), filepath.Join(home, ".local/state")), "visor")
}

// historyDirectory returns the directory of the history, or "" without one.
func (o *options) historyDirectory() string {
	switch state := o.stateDirectory(); {
	case o.noHistory:
		return ""
	case o.history != "":
		return o.history
	case state != "":
		return filepath.Join(state, "history")
	}
	return ""
}

// openHistory opens the history, if there is one. Without --history, the agent runs without it on
// an error.
func (a *agent) openHistory() error {
	dir := a.o.historyDirectory()
	if dir == "" {
		return nil
	}
	store, err := a.historyIn(dir)
	switch {
	case err == nil:
		a.history = store
		a.log.Info("history in " + dir)
	case a.o.history != "":
		return fmt.Errorf("--history: %w", err)
	default:
		a.log.Warn("no history is kept", "error", err)
	}
	return nil
}

func (a *agent) historyIn(dir string) (*history.Store, error) {
	if err := errors.Join(os.MkdirAll(filepath.Dir(dir), 0o755), os.MkdirAll(dir, 0o700)); err != nil {
		return nil, err
	}
	most, err := parseBytes(a.o.historyMax)
	if err != nil {
		return nil, err
	}
	cfg := history.Config{Path: filepath.Join(dir, historyFile), MaxBytes: most, Owner: "visord at " + a.address(), Logger: a.log}
	if a.memory.limit > 0 {
		cfg.Pending = int(min(a.memory.limit/32, 32<<20))
	}
	store, err := history.Open(cfg)
	if store == nil {
		return nil, err
	}
	if err != nil { // it tries again
		a.log.Error("history cannot be written yet", "error", err)
	}
	return store, a.handOver(dir)
}

// handOver makes the user that the process becomes the owner of the history.
func (a *agent) handOver(dir string) error {
	if a.o.user == "" {
		return nil
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	for _, file := range append(files, dir) {
		err = errors.Join(err, chown(a.o.user, file))
	}
	return err
}

// remember adds a closed period to the history.
func (a *agent) remember(policy string, s *handler.Snapshot) {
	by := a.origin()
	by.Policy = policy
	a.history.Add(policy, s, by)
}

// closeHistory writes what waits for the disk.
func (a *agent) closeHistory() {
	if a.history == nil {
		return
	}
	if err := a.history.Close(); err != nil {
		a.lost = fmt.Errorf("the history is incomplete: %w", err)
	}
}
