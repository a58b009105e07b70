package alert

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"visor/export/findings"
)

// Dispatcher turns findings into alerts, and sends them. It is safe for concurrent use.
type Dispatcher struct {
	boxes   []*outbox // sorted by name
	stop    context.CancelFunc
	working sync.WaitGroup
	changed chan struct{} // has an entry if the next step may be earlier

	mu     sync.Mutex
	cfg    Config
	groups map[string]*group
	held   int // findings in groups
	last   int64
	counts Counts
	closed bool

	suspended bool

	state keeper
	dirty atomic.Bool // the state file is outdated
}

// Counts are the numbers of findings that caused no alert, by reason.
type Counts struct {
	Open     uint64 `json:"open"`     // alerts that have fired and are not resolved
	Below    uint64 `json:"below"`    // below Config.MinSeverity
	Silenced uint64 `json:"silenced"` // resolved before the end of a silence
	Cooled   uint64 `json:"cooled"`   // resolved before the end of a cool-down
	Dropped  uint64 `json:"dropped"`  // lost because 1024 findings lasted
}

// maxHeld is the number of findings that a Dispatcher holds.
const maxHeld = 1024

// New starts a Dispatcher. It returns an error that lists the problems in cfg. It reads the files
// of receivers once. Close ends it.
func New(cfg Config) (*Dispatcher, error) {
	cfg = cfg.withDefaults()
	if problems := cfg.problems(); len(problems) > 0 {
		return nil, fmt.Errorf("alert: %w", errors.Join(problems.Unwrap()...))
	}
	d := &Dispatcher{cfg: cfg, groups: make(map[string]*group), changed: make(chan struct{}, 1), state: keeper{path: cfg.StateFile}}
	for _, name := range slices.Sorted(maps.Keys(cfg.Receivers)) {
		r := cfg.Receivers[name]
		w, err := newWire(&cfg, &r)
		if err != nil {
			return nil, fmt.Errorf("alert: receiver %q: %w", name, err)
		}
		d.boxes = append(d.boxes, newOutbox(name, w, &cfg, d.save, func() { d.dirty.Store(true) }))
	}
	d.restore()
	ctx, stop := context.WithCancel(context.Background())
	d.stop = stop
	for _, box := range d.boxes {
		d.working.Go(func() { box.run(ctx) })
	}
	d.working.Go(func() { d.run(ctx) })
	return d, nil
}

// Add adds a finding that has fired, changed or resolved. It does not wait for receivers. It
// ignores findings after Close.
func (d *Dispatcher) Add(f findings.Finding) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || d.suspended && f.Ended {
		return
	}
	g := d.groupOf(&f)
	_, known := g.lasting[f.Key]
	switch {
	case f.Resolved && known:
		delete(g.lasting, f.Key)
		d.held--
		d.countQuiet(g, &f)
		if g.episode != "" {
			g.ended = strongest(append(g.ended, f))
			if f.Replaced {
				g.wait(time.Now(), &d.cfg)
			}
		}
	case f.Resolved:
	case !known && rank(f.Severity) < rank(d.cfg.MinSeverity):
		d.counts.Below++
	case !known && d.held >= maxHeld:
		if d.counts.Dropped++; d.counts.Dropped == 1 {
			d.cfg.Logger.Error("alerts are lost", "because", fmt.Sprintf("%d findings last", maxHeld))
		}
	default:
		if !known {
			d.held++
		}
		g.lasting[f.Key] = f
	}
	d.advance(g, time.Now())
	d.wake()
}

// countQuiet counts a finding that resolves without an alert.
func (d *Dispatcher) countQuiet(g *group, f *findings.Finding) {
	switch {
	case g.episode != "":
	case d.silenced(f, time.Now()):
		d.counts.Silenced++
	default:
		d.counts.Cooled++
	}
}

// strongest returns the findings that a message has room for.
func strongest(found []findings.Finding) []findings.Finding {
	found = findings.Sorted(found)
	return found[:min(maxFindings, len(found))]
}

func (d *Dispatcher) wake() {
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

// run makes the steps that depend on time until ctx is done.
func (d *Dispatcher) run(ctx context.Context) {
	for {
		wait := time.NewTimer(d.step())
		if d.dirty.Swap(false) {
			d.save()
		}
		select {
		case <-ctx.Done():
		case <-d.changed:
		case <-wait.C:
		}
		wait.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// maxWait is the longest time between two steps. Silences begin and end at a step.
const maxWait = 10 * time.Second

// step advances all groups. It returns the time until the next step.
func (d *Dispatcher) step() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	if len(d.groups) == 0 && d.state.path == "" {
		return time.Hour // Add ends the wait
	}
	next := now.Add(maxWait)
	for _, g := range d.groups {
		d.advance(g, now)
		for _, t := range []time.Time{g.ready, g.quiet.Add(d.cfg.ResolveAfter)} {
			if t.After(now) && t.Before(next) {
				next = t
			}
		}
	}
	return next.Sub(now)
}

// send queues a message for all receivers.
func (d *Dispatcher) send(m *Message) {
	for _, box := range d.boxes {
		box.add(m)
	}
}

// Reload replaces the rules: severity, times, groups and silences. Alerts that have fired keep
// their labels. It reports whether cfg has other receivers, which need a new Dispatcher.
func (d *Dispatcher) Reload(cfg Config) (others bool, err error) {
	if problems := cfg.problems(); len(problems) > 0 {
		return false, problems
	}
	cfg = cfg.withDefaults()
	d.mu.Lock()
	defer d.mu.Unlock()
	others = !maps.Equal(d.cfg.Receivers, cfg.Receivers)
	d.cfg.MinSeverity, d.cfg.ResolveAfter, d.cfg.CoolDown, d.cfg.Silences = cfg.MinSeverity, cfg.ResolveAfter, cfg.CoolDown, cfg.Silences
	if len(d.groups) == 0 {
		d.cfg.GroupBy = cfg.GroupBy
	} else if !slices.Equal(d.cfg.GroupBy, cfg.GroupBy) {
		others = true
	}
	d.wake()
	return others, nil
}

// Suspend has alerts outlive this process, if there is a state file. Findings that end because
// their policies end do not resolve alerts from now on. It is for the time before Close.
func (d *Dispatcher) Suspend() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.suspended = d.state.path != ""
}

// Close resolves alerts without findings that last, and sends pending messages until ctx is done.
// It returns an error that lists what was not sent. After Suspend, the state file has what is not
// resolved or not sent for the next Dispatcher.
func (d *Dispatcher) Close(ctx context.Context) error {
	d.mu.Lock()
	d.closed = true
	for _, g := range d.groups {
		d.advance(g, time.Now())
	}
	d.mu.Unlock()
	var lost []string
	for _, box := range d.boxes {
		box.finish()
	}
	for _, box := range d.boxes {
		if n := box.wait(ctx); n > 0 {
			lost = append(lost, fmt.Sprintf("%d messages for %s", n, box.name))
		}
	}
	d.stop()
	d.working.Wait()
	d.save()
	if len(lost) > 0 && d.state.path != "" && !d.state.failed {
		return fmt.Errorf("alert: left for the next run: %s", strings.Join(lost, ", "))
	}
	if len(lost) > 0 {
		return fmt.Errorf("alert: lost at the end: %s", strings.Join(lost, ", "))
	}
	return nil
}

// Stats returns the counts so far.
func (d *Dispatcher) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := Stats{Counts: d.counts}
	for _, g := range d.groups {
		if g.episode != "" {
			s.Open++
		}
	}
	for _, box := range d.boxes {
		s.Receivers = append(s.Receivers, box.receiverStats())
	}
	return s
}

// Stats counts findings and messages by outcome.
type Stats struct {
	Counts
	Receivers []ReceiverStats `json:"receivers"` // sorted by name
}

// ReceiverStats counts the messages for a receiver by outcome.
type ReceiverStats struct {
	Name       string `json:"name"`
	Type       string `json:"type"`       // Webhook or Alertmanager
	Sent       uint64 `json:"sent"`       // messages that the receiver accepted
	Repeated   uint64 `json:"repeated"`   // further times that an Alertmanager accepted an alert
	Retries    uint64 `json:"retries"`    // attempts after a failed one
	Refused    uint64 `json:"refused"`    // lost: rejected by the receiver
	Expired    uint64 `json:"expired"`    // lost: waited longer than Config.Keep
	Overflowed uint64 `json:"overflowed"` // lost: more than Config.Pending was waiting
	Pending    uint64 `json:"pending"`    // messages that wait for the receiver
}
