package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"

	"visor/capture"
	"visor/handler"
)

// choose returns the taps of a policy.
func (m *Manager) choose(p *Policy) (out []Tap, err error) {
	if p.Input.Selector == nil {
		t, ok := m.taps.all()[p.Input.Tap]
		if !ok {
			return nil, fmt.Errorf("tap '%s' does not exist%s", p.Input.Tap, m.didYouMean(p.Input.Tap))
		}
		out = append(out, t)
	} else {
		for _, name := range slices.Sorted(maps.Keys(m.taps.all())) {
			t := m.taps.all()[name]
			match, err := p.Input.Selector.matches(&t)
			if err != nil {
				return nil, err
			}
			if match {
				out = append(out, t)
			}
		}
		if len(out) == 0 {
			return nil, fmt.Errorf("%w for specified 'input.tap_selector' tags", ErrNoTap)
		}
	}
	for _, t := range out {
		if t.InputType != p.Input.InputType {
			return nil, fmt.Errorf("input_type for policy specified tap '%s' doesn't match tap's defined input type: %s/%s", t.Name, p.Input.InputType, t.InputType)
		}
	}
	return out, nil
}

// didYouMean returns the end of an error about an unknown tap: the nearest name, if there is one.
func (m *Manager) didYouMean(tap string) string {
	if name := nearest(tap, slices.Sorted(maps.Keys(m.taps.all()))); name != "" {
		return fmt.Sprintf("; did you mean '%s'?", name)
	}
	return ""
}

// uses reports whether a policy with this input uses a tap.
func (in *Input) uses(t *Tap) bool {
	if in.Selector == nil {
		return in.Tap == t.Name
	}
	match, err := in.Selector.matches(t)
	return match && err == nil
}

// matches compares tags in the order of the selector.
func (s *Selector) matches(t *Tap) (bool, error) {
	for _, want := range s.Tags {
		got, has := t.Tags[want.Key]
		switch {
		case !has && s.All:
			return false, nil
		case !has:
			continue
		case fmt.Sprintf("%T", got) != fmt.Sprintf("%T", want.Value):
			return false, fmt.Errorf("Tap [%s]: tag and selector value types are different for key '%s'", t.Name, want.Key)
		case (got == want.Value) != s.All:
			return !s.All, nil
		}
	}
	return s.All && len(s.Tags) > 0, nil
}

// plan returns a policy's parts, one per tap, before any of them is started.
func (m *Manager) plan(p *Policy) (parts []Part, err error) {
	taps, err := m.choose(p)
	for _, t := range taps {
		config := merged(t.Config, p.Input.Config)
		parts = append(parts, Part{Tap: t, Input: m.inputName(t.Name, merged(config, p.Input.Filter)), Modules: m.modules(p, &t)})
	}
	return parts, err
}

// modules returns the modules of a policy, adapted to a tap.
func (m *Manager) modules(p *Policy, t *Tap) (out []Module) {
	window := p.Window
	if window == nil {
		window = Options{"num_periods": uint64(m.cfg.Periods), "deep_sample_rate": uint64(m.cfg.DeepSample)}
	}
	for _, mod := range p.Modules {
		mod.Config = merged(m.global[mod.Type], mod.Config, window)
		mod.Config[tapKey] = t.Name
		mod.Name = p.Name + "-" + t.Name + "-" + mod.Name
		out = append(out, mod)
	}
	return out
}

// begin starts a policy that is not yet visible. From its start, the former policy, which may be
// nil, no longer counts what the new one counts.
func (m *Manager) begin(p Policy, former *Running) (*Running, error) {
	m.cfg.Logger.Info(fmt.Sprintf("policy [%s]: starting", p.Name))
	parts, err := m.plan(&p)
	switch {
	case err != nil:
		return nil, choiceError{err}
	case p.Fault != nil:
		return nil, p.Fault
	}
	if err := m.fits(&p, parts); err != nil {
		return nil, err
	}
	return m.run(p, parts, former)
}

// run starts a planned policy.
func (m *Manager) run(p Policy, parts []Part, former *Running) (*Running, error) {
	r := &Running{Policy: p, lease: p.Lease, inputs: len(parts), ended: make(chan struct{})}
	r.closing = m.newClosing(&r.Policy, len(parts))
	r.past = m.past(&r.Policy, parts)
	if err := m.connect(r, parts, former); err != nil {
		m.undo(r, errNotBegun)
		if errors.Is(err, syscall.EADDRINUSE) {
			err = m.occupied(p.Name, parts, err)
		}
		return nil, fmt.Errorf("%s%w", failedToStart(p.Name), err)
	}
	return r, nil
}

// connect opens the inputs of r, and attaches its handlers when nothing can prevent that any more.
func (m *Manager) connect(r *Running, parts []Part, former *Running) error {
	for i := range parts {
		if err := m.prepare(r, &parts[i]); err != nil {
			return err
		}
		r.Parts = parts[:i+1]
	}
	if err := m.checkOriginal(r); err != nil {
		return err
	}
	for i := range parts {
		if err := parts[i].attach(r, i, former); err != nil {
			return err
		}
		// only now, so that handlers do not miss the start of a recording
		parts[i].input.run(m.cfg.Logger)
	}
	return nil
}

// prepare makes the handlers of a part, and opens its input if necessary.
func (m *Manager) prepare(r *Running, part *Part) error {
	p := &r.Policy
	env := m.cfg.Env
	env.FlowBytes = m.limits().Flows()
	var err error
	if part.Anonymize, err = m.anonymizer(p, &part.Tap); err != nil {
		return err
	}
	env.Anonymize = part.Anonymize
	for _, mod := range part.Modules {
		h, err := m.cfg.Types.Build(mod, env)
		if err != nil {
			return err
		}
		if !m.cfg.Types.Takes(part.Tap.InputType, mod.Type) {
			return m.cfg.Types.refusal(&mod, part.Input)
		}
		part.handlers = append(part.handlers, h)
	}
	if part.input, err = m.input(p, part); err != nil {
		return err
	}
	if part.watch, err = m.newWatch(p, r.inputs, part.handlers, r.past); err != nil {
		m.release(part.input)
		return err
	}
	part.input.change(1, countHandlers(p))
	return nil
}

// attach attaches the handlers of r's i-th part to its input. They replace the handlers of the
// former policy, which may be nil.
func (part *Part) attach(r *Running, i int, former *Running) (err error) {
	cfg := handler.AttachConfig{Handlers: part.handlers, Sequence: r.Policy.Sequence}
	if part.watch != nil {
		cfg.Closed = part.watch.add
	}
	cfg.Closed = both(cfg.Closed, r.closing.receiver(i, part.input, part.handlers))
	if former != nil {
		if same := former.part(part.Tap.Name); same != nil && same.input == part.input {
			cfg.Replaces = same.Attachment
		}
	}
	part.Attachment, err = part.input.pipeline.Attach(cfg)
	return err
}

// countHandlers counts a sequence as one.
func countHandlers(p *Policy) int {
	if p.Sequence {
		return min(1, len(p.Modules))
	}
	return len(p.Modules)
}

// undo detaches the handlers of a policy and ends unused inputs.
func (m *Manager) undo(r *Running, reason error) {
	m.cfg.Logger.Info(fmt.Sprintf("policy [%s]: stopping", r.Policy.Name))
	r.end(reason)
	for i := range r.Parts {
		part := &r.Parts[i]
		if part.watch != nil {
			part.watch.stop() // the last period waits for it
		}
		if part.Attachment != nil {
			part.Attachment.Detach()
		}
		if part.watch != nil {
			part.watch.end(reason == errReplaced)
		}
		if !r.measures {
			part.input.change(-1, -countHandlers(&r.Policy))
			m.release(part.input)
		}
	}
	r.closing.end()
}

// finish is undo for a visible policy.
func (m *Manager) finish(r *Running, reason error) {
	m.undo(r, reason)
	if m.cfg.Ended != nil {
		m.cfg.Ended(r)
	}
}

// inputName identifies an input. Inputs of one tap with the same configuration are equal. The keyed
// hash does not reveal the configuration, which may hold secrets.
func (m *Manager) inputName(tap string, config Options) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(config)) {
		fmt.Fprintf(&b, "%s=%v\n", key, config[key])
	}
	return fmt.Sprintf("%s-%x", tap, m.cfg.Hash.Sum([]byte(b.String())))
}

// joinable returns the input of that name if a new policy can join it, or nil if it must be opened.
// A recording that was read to its end is opened again.
func (m *Manager) joinable(name string) *input {
	in := m.inputs[name]
	if in == nil {
		return nil
	}
	if in.pipeline.Finished() {
		<-in.ended // it yields nothing more, and ends soon
	}
	if in.over() {
		return nil
	}
	return in
}

// input returns the input of a part, and opens it if necessary.
func (m *Manager) input(p *Policy, part *Part) (*input, error) {
	if in := m.joinable(part.Input); in != nil {
		return in, nil
	}
	open := openFunc(m.cfg.Open)
	if part.Tap.Posted || p.Posted && m.namesFile(&p.Input) {
		open = m.posted
	}
	in, err := m.open(open, part.Input, &part.Tap, merged(part.Tap.Config, p.Input.Config), p.Input.Filter)
	if err != nil {
		return nil, err
	}
	m.inputs[in.name] = in
	watch, err := in.watch(&part.Tap, m.cfg.Periods)
	if err != nil {
		m.release(in)
		return nil, err
	}
	// there may be one of a recording that has ended
	if r := m.policies.all()[watch.Policy.Name]; r == nil || r.measures {
		m.show(watch)
	}
	return in, nil
}

// open opens an input and creates its pipeline, without running it.
func (m *Manager) open(open openFunc, name string, t *Tap, config, only Options) (*input, error) {
	o, err := open(t.InputType, config, only)
	if err != nil {
		return nil, t.located(err, config, only)
	}
	var again *reopening
	live := len(o.Sources) > 0 && capture.IsLive(o.Sources[0]) // all or none, see NewPipeline
	if live && len(o.Sources) == 1 {
		again = newReopening(o.Sources[0], reopener(open, t.InputType, config, only), m.cfg.Logger.With("input", name))
		o.Sources[0] = again
	}
	typ := m.cfg.Types.input(t.InputType)
	p, err := handler.NewPipeline(handler.Config{
		Sources: o.Sources, Hosts: o.Hosts,
		MaxConns: m.limits().Conns(o.MaxConns), DNSPorts: o.DNSPorts, ProxyFrom: o.ProxyFrom,
		StreamBytes: m.limits().Streams(), FragBytes: m.limits().Fragments(), Fallback: m.cfg.Fallback,
		Hash: m.cfg.Hash, Period: m.cfg.Period,
		Logger: m.cfg.Logger.With("input", name),
	})
	if err != nil {
		return nil, err
	}
	return &input{
		name: name, config: merged(config, only), bytes: m.inputBytes(t.InputType, config, only), live: live,
		hosts: o.Hosts, facts: o.Facts, datagrams: typ != nil && typ.Datagrams, pipeline: p, ended: make(chan struct{}), again: again,
	}, nil
}

// reopener returns a function that reopens a failed input.
func reopener(open openFunc, typ string, config, only Options) func() (capture.Source, error) {
	return func() (capture.Source, error) {
		o, err := open(typ, config, only)
		if err != nil {
			return nil, err
		}
		return o.Sources[0], nil
	}
}

// Retry immediately reopens inputs that are down. They are also retried every few seconds.
func (m *Manager) Retry() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, in := range m.inputs {
		if in.again != nil {
			in.again.retry()
		}
	}
}

// Down returns why live inputs do not run, or nil if all run.
func (m *Manager) Down() error {
	var errs []error
	seen := make(map[*input]bool)
	for _, r := range m.Policies() {
		for i := range r.Parts {
			in := r.Parts[i].input
			if err := in.down(); err != nil && !seen[in] {
				errs = append(errs, fmt.Errorf("input %s is down: %w", in.name, err))
			}
			seen[in] = true
		}
	}
	return errors.Join(errs...)
}

// release ends an unused input and the policy that measures its cost.
func (m *Manager) release(in *input) {
	if in.policies > 0 {
		return
	}
	if m.inputs[in.name] == in {
		delete(m.inputs, in.name)
		if r := m.policies.all()[in.resources()]; r != nil && r.measures && r.Parts[0].input == in {
			m.remove(r, errRemoved)
		}
	}
	in.run(m.cfg.Logger) // to close its sources
	in.end()
	<-in.ended
}
