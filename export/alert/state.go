package alert

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"visor/export/findings"
	"visor/internal/atomicfile"
)

// stateVersion is the version of the state file. Files of other versions are not read.
const stateVersion = 1

// maxState is the number of bytes of a state file. Beyond it messages are left out, then all.
const maxState = 64 << 20

// state is the contents of the state file: alerts that last, cool-downs and messages that wait.
type state struct {
	Version  int                     `json:"version"`
	Last     int64                   `json:"last"` // of Dispatcher.last
	Groups   []savedGroup            `json:"groups"`
	Messages map[string]*Message     `json:"messages"` // by ID, since receivers share them
	Entries  map[string][]savedEntry `json:"entries"`  // by receiver
}

// savedGroup is a group that has an episode or a cool-down.
type savedGroup struct {
	Labels  map[string]string  `json:"labels"`
	Episode string             `json:"episode,omitempty"`
	Found   []findings.Finding `json:"found,omitempty"` // for the resolved message
	Ready   time.Time          `json:"ready,omitzero"`
}

// savedEntry is an alert of a receiver.
type savedEntry struct {
	Key      string    `json:"key"`
	Fired    string    `json:"fired,omitempty"`    // ID
	Resolved string    `json:"resolved,omitempty"` // ID
	Accepted bool      `json:"accepted"`           // the receiver has accepted that it fired
	Born     time.Time `json:"born"`
}

// keeper writes the state file. Without a path it does nothing.
type keeper struct {
	path string

	mu     sync.Mutex // one writer at a time
	failed bool       // the last attempt
}

// afterRestart is how long an alert of an earlier process, or of a policy that was replaced, may be
// without a finding. Findings that need no baseline return within two periods.
const afterRestart = 5 * time.Minute

// save writes the state file, if there is one. It does not hold the lock while it writes.
func (d *Dispatcher) save() {
	if d.state.path == "" {
		return
	}
	d.state.mu.Lock()
	defer d.state.mu.Unlock()
	data, err := d.encode()
	if err == nil {
		err = atomicfile.Write(d.state.path, data)
	}
	if err != nil && !d.state.failed {
		d.cfg.Logger.Error("alerts do not survive a restart", "file", d.state.path, "error", err)
	}
	d.state.failed = err != nil
}

// encode returns the state in JSON, without messages if it has too many.
func (d *Dispatcher) encode() ([]byte, error) {
	s := d.snapshot()
	data, err := json.Marshal(s)
	if err == nil && len(data) > maxState {
		s.Messages, s.Entries = nil, nil
		data, err = json.Marshal(s)
	}
	if err == nil && len(data) > maxState {
		err = fmt.Errorf("the state has more than %d bytes", maxState)
	}
	return data, err
}

// snapshot returns the state.
func (d *Dispatcher) snapshot() *state {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := &state{Version: stateVersion, Last: d.last, Messages: make(map[string]*Message), Entries: make(map[string][]savedEntry)}
	for _, g := range d.groups {
		if g.episode == "" && g.ready.IsZero() {
			continue
		}
		found := slices.Clone(g.ended)
		for _, f := range g.lasting {
			found = append(found, f)
		}
		s.Groups = append(s.Groups, savedGroup{Labels: g.labels, Episode: g.episode, Found: strongest(found), Ready: g.ready})
	}
	for _, box := range d.boxes {
		s.Entries[box.name] = box.saved(s.Messages)
	}
	return s
}

// saved returns the alerts of a receiver. It adds their messages to a map.
func (o *outbox) saved(messages map[string]*Message) (out []savedEntry) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range o.entries {
		s := savedEntry{Key: e.key, Accepted: e.told, Born: e.born}
		for id, m := range map[*string]*Message{&s.Fired: e.fired, &s.Resolved: e.resolved} {
			if m != nil {
				*id, messages[m.ID] = m.ID, m
			}
		}
		e.saved = true
		out = append(out, s)
	}
	return out
}

// restore reads the state file. Without a valid one, nothing has fired before.
func (d *Dispatcher) restore() {
	s, err := readState(d.state.path)
	if err != nil {
		d.cfg.Logger.Error("alerts of the last run are lost", "file", d.state.path, "error", err)
	}
	if s == nil {
		return
	}
	now := time.Now()
	d.last = min(s.Last, now.UnixMilli())
	for i := range s.Groups[:min(len(s.Groups), maxGroups)] {
		d.restoreGroup(&s.Groups[i], now)
	}
	for _, box := range d.boxes {
		box.restore(s, now)
	}
}

// readState returns nil without a file.
func readState(path string) (*state, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxState+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxState {
		return nil, fmt.Errorf("the file has more than %d bytes", maxState)
	}
	s := new(state)
	if err := json.Unmarshal(data, s); err != nil {
		return nil, err
	}
	if s.Version != stateVersion {
		return nil, fmt.Errorf("the file has version %d, not %d", s.Version, stateVersion)
	}
	return s, nil
}

// restoreGroup resumes an episode or a cool-down. A clock that was set back does not extend it.
func (d *Dispatcher) restoreGroup(s *savedGroup, now time.Time) {
	if s.Episode != "" && len(s.Found) == 0 {
		return // damaged: there is nothing to resolve it with
	}
	g := d.groupBy(s.Labels)
	g.episode, g.ended, g.ready = s.Episode, strongest(s.Found), earlier(s.Ready, now.Add(d.cfg.CoolDown))
	if g.episode != "" {
		g.wait(now, &d.cfg)
	}
}

// wait has an alert without findings last, because another policy may find them again.
func (g *group) wait(now time.Time, cfg *Config) {
	g.quiet = now.Add(max(afterRestart-cfg.ResolveAfter, 0))
}

// restore resumes the alerts of a receiver. Messages without their texts are lost.
func (o *outbox) restore(s *state, now time.Time) {
	for _, saved := range s.Entries[o.name] {
		e := &entry{
			key: saved.Key, told: saved.Accepted, fired: s.message(saved.Fired), resolved: s.message(saved.Resolved),
			due: now, born: earlier(saved.Born, now), saved: true,
		}
		needs := e.fired == nil && (!e.told || o.wire.repeat() > 0)
		if e.key == "" || needs || saved.Resolved != "" && e.resolved == nil || len(o.entries) == maxEntries {
			continue
		}
		o.entries = append(o.entries, e)
	}
}

// message returns a message that has a finding, which receivers need, or nil.
func (s *state) message(id string) *Message {
	if m := s.Messages[id]; m != nil && len(m.Findings) > 0 {
		return m
	}
	return nil
}
