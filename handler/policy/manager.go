package policy

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"

	"visor/handler"
	"visor/internal/hash64"
)

// ManagerConfig configures a Manager. The zero ManagerConfig is ready to use.
type ManagerConfig struct {
	Env        Env
	Periods    int          // of policies without a window_config; 0 means 5
	DeepSample int          // per cent, likewise; 0 means 100
	Logger     *slog.Logger // told of taps and policies that come and go, and of inputs that end with an error; nil is silence

	// Open opens an input; nil means OpenInput. The Manager closes the sources.
	Open func(typ string, config, filter Options) (Opened, error)
}

// Manager runs policies on taps. Policies whose inputs are configured alike share one. It is safe for concurrent use; Close ends all.
//
// For each input that is open there is one policy more, named after it with "-resources" behind: it tells what the input costs.
type Manager struct {
	cfg ManagerConfig

	changing sync.Mutex // one change at a time; who holds it may read what mu guards
	mu       sync.Mutex
	taps     map[string]Tap
	policies map[string]*Running

	global map[string]Options // guarded by changing, as is all below
	inputs map[string]*input
	loaded struct{ taps, policies []string } // what came from documents
}

// Errors that callers may want to tell apart.
var (
	ErrExists  = errors.New("already")               // a tap or a policy of that name
	ErrNoTap   = errors.New("no tap match found")    // a selector chooses nothing
	ErrUnknown = errors.New("policy does not exist") // or a tap
)

// NewManager returns a Manager without taps and policies.
func NewManager(cfg ManagerConfig) *Manager {
	cfg.Periods, cfg.DeepSample = cmp.Or(cfg.Periods, 5), cmp.Or(cfg.DeepSample, 100)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Open == nil {
		cfg.Open = OpenInput
	}
	return &Manager{
		cfg: cfg, taps: make(map[string]Tap), global: make(map[string]Options), policies: make(map[string]*Running), inputs: make(map[string]*input),
	}
}

// Load adds all that a document holds: taps, defaults of handlers, policies. It stops at the first error; what came before stays.
func (m *Manager) Load(doc *Document) error {
	for _, t := range doc.Taps {
		if err := m.AddTap(t); err != nil {
			return err
		}
	}
	m.changing.Lock()
	defer m.changing.Unlock()
	for _, t := range doc.Taps {
		m.loaded.taps = append(m.loaded.taps, t.Name)
	}
	for _, g := range doc.Global {
		if _, exists := m.global[g.Type]; exists {
			return fmt.Errorf("stream handler type '%s' %w exists in global_handler_config configuration", g.Type, ErrExists)
		}
		m.global[g.Type] = g.Config
	}
	for _, p := range doc.Policies {
		if _, err := m.add(p); err != nil {
			return err
		}
		m.loaded.policies = append(m.loaded.policies, p.Name)
	}
	return nil
}

// Reload makes the difference between the documents that were loaded and doc: policies that are no more in it end, new ones start, and
// those are replaced of which something has changed: the policy, one of its taps, or a default of its handlers. All others, and all that
// was added by AddTap and AddPolicy, go on undisturbed. What is wrong with one policy does not keep the others from theirs; it goes on as
// it was.
func (m *Manager) Reload(doc *Document) error {
	m.changing.Lock()
	defer m.changing.Unlock()
	m.reloadTaps(doc.Taps)
	clear(m.global)
	for _, g := range doc.Global {
		m.global[g.Type] = g.Config
	}
	names := make([]string, 0, len(doc.Policies))
	for _, p := range doc.Policies {
		names = append(names, p.Name)
	}
	for _, name := range m.loaded.policies {
		if r := m.policies[name]; r != nil && !slices.Contains(names, name) {
			m.remove(r)
		}
	}
	m.loaded.policies = names
	var errs []error
	for _, p := range doc.Policies {
		if !m.runs(p) {
			_, err := m.replace(p)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (m *Manager) reloadTaps(taps []Tap) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range m.loaded.taps {
		delete(m.taps, name)
	}
	m.loaded.taps = nil
	for _, t := range taps {
		m.taps[t.Name] = t
		m.loaded.taps = append(m.loaded.taps, t.Name)
	}
}

// runs reports whether a policy runs just as p would.
func (m *Manager) runs(p Policy) bool {
	r := m.policies[p.Name]
	if r == nil || !reflect.DeepEqual(r.Policy, p) {
		return false
	}
	parts, err := m.plan(&p)
	return err == nil && slices.EqualFunc(parts, r.Parts, func(a, b Part) bool {
		return a.Input == b.Input && reflect.DeepEqual(a.Tap, b.Tap) && reflect.DeepEqual(a.Modules, b.Modules)
	})
}

// AddTap adds a tap. Nothing is opened until a policy uses it.
func (m *Manager) AddTap(t Tap) error {
	m.changing.Lock()
	defer m.changing.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, exists := m.taps[t.Name]; exists {
		return fmt.Errorf("module name '%s' %w exists", t.Name, ErrExists)
	}
	m.taps[t.Name] = t
	m.cfg.Logger.Info(fmt.Sprintf("tap [%s]: loaded, type %s", t.Name, t.InputType))
	return nil
}

// RemoveTap removes a tap. Policies that use it run on.
func (m *Manager) RemoveTap(name string) error {
	m.changing.Lock()
	defer m.changing.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, exists := m.taps[name]; !exists {
		return fmt.Errorf("tap %q: %w", name, ErrUnknown)
	}
	delete(m.taps, name)
	return nil
}

// Taps returns the taps in the order of their names.
func (m *Manager) Taps() []Tap {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.SortedFunc(maps.Values(m.taps), func(a, b Tap) int { return strings.Compare(a.Name, b.Name) })
}

// Policies returns the policies that run, in the order of their names.
func (m *Manager) Policies() []*Running {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.SortedFunc(maps.Values(m.policies), func(a, b *Running) int { return strings.Compare(a.Policy.Name, b.Policy.Name) })
}

// Policy returns the policy of a name, or nil.
func (m *Manager) Policy(name string) *Running {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.policies[name]
}

// AddPolicy starts a policy: all of it, or nothing if there is an error.
func (m *Manager) AddPolicy(p Policy) (*Running, error) {
	m.changing.Lock()
	defer m.changing.Unlock()
	return m.add(p)
}

func (m *Manager) add(p Policy) (*Running, error) {
	if _, exists := m.policies[p.Name]; exists {
		return nil, fmt.Errorf("policy with name '%s' %w defined", p.Name, ErrExists)
	}
	return m.replace(p)
}

// ReplacePolicy starts a policy in the place of that of the same name, if there is one: either is there at any moment, and if there is
// an error, the former one goes on. Only if both must have the same socket for themselves, the former one ends first; it is started again
// if the new one fails.
func (m *Manager) ReplacePolicy(p Policy) (*Running, error) {
	m.changing.Lock()
	defer m.changing.Unlock()
	return m.replace(p)
}

func (m *Manager) replace(p Policy) (*Running, error) {
	former := m.policies[p.Name]
	r, err := m.begin(p)
	if errors.Is(err, syscall.EADDRINUSE) && former != nil {
		m.remove(former)
		if r, err = m.begin(p); err != nil {
			again, failed := m.begin(former.Policy)
			if failed != nil {
				return nil, errors.Join(err, failed)
			}
			m.show(again)
		}
		former = nil
	}
	if err != nil {
		return nil, err
	}
	m.show(r)
	if former != nil {
		m.undo(former)
	}
	return r, nil
}

// show makes r known under its name.
func (m *Manager) show(r *Running) {
	m.mu.Lock()
	m.policies[r.Policy.Name] = r
	m.mu.Unlock()
	r.expire(func() { m.expired(r) })
}

// expired removes r unless another one has taken its place.
func (m *Manager) expired(r *Running) {
	m.changing.Lock()
	defer m.changing.Unlock()
	if m.policies[r.Policy.Name] == r {
		m.remove(r)
	}
}

// RemovePolicy ends a policy, and its inputs if no other policy uses them.
func (m *Manager) RemovePolicy(name string) error {
	m.changing.Lock()
	defer m.changing.Unlock()
	r := m.policies[name]
	if r == nil {
		return fmt.Errorf("policy %q: %w", name, ErrUnknown)
	}
	m.remove(r)
	return nil
}

func (m *Manager) remove(r *Running) {
	m.mu.Lock()
	delete(m.policies, r.Policy.Name)
	m.mu.Unlock()
	m.undo(r)
}

// Close ends all policies.
func (m *Manager) Close() error {
	m.changing.Lock()
	defer m.changing.Unlock()
	for _, r := range m.Policies() {
		if m.policies[r.Policy.Name] == r { // policies of resources end with their inputs
			m.remove(r)
		}
	}
	return nil
}

// choose returns the taps of a policy.
func (m *Manager) choose(p *Policy) (out []Tap, err error) {
	if p.Input.Selector == nil {
		t, ok := m.taps[p.Input.Tap]
		if !ok {
			return nil, fmt.Errorf("tap '%s' does not exist", p.Input.Tap)
		}
		out = append(out, t)
	} else {
		for _, name := range slices.Sorted(maps.Keys(m.taps)) {
			t := m.taps[name]
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

// plan returns what a policy does with each of its taps, before anything of it is there.
func (m *Manager) plan(p *Policy) (parts []Part, err error) {
	taps, err := m.choose(p)
	for _, t := range taps {
		config := merged(t.Config, p.Input.Config)
		parts = append(parts, Part{Tap: t, Input: inputName(t.Name, merged(config, p.Input.Filter)), Modules: m.modules(p, &t)})
	}
	return parts, err
}

// modules returns the modules of a policy as they are for a tap.
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

// begin starts a policy, which is not known yet.
func (m *Manager) begin(p Policy) (*Running, error) {
	m.cfg.Logger.Info(fmt.Sprintf("policy [%s]: starting", p.Name))
	parts, err := m.plan(&p)
	if err != nil {
		return nil, err
	}
	r := &Running{Policy: p, lease: p.Lease}
	for i := range parts {
		if err := m.start(&p, &parts[i]); err != nil {
			m.undo(r)
			return nil, fmt.Errorf("policy [%s] failed to start: %w", p.Name, err)
		}
		r.Parts = parts[:i+1]
	}
	return r, nil
}

// start attaches the handlers of a part to its input, which it opens unless it is open.
func (m *Manager) start(p *Policy, part *Part) error {
	var handlers []handler.Handler
	for _, mod := range part.Modules {
		h, err := Build(mod, m.cfg.Env)
		if err != nil {
			return err
		}
		if !takes(part.Tap.InputType, h.Info().Type) {
			return refusal(h.Info(), part.Input)
		}
		handlers = append(handlers, h)
	}
	in, err := m.input(p, part)
	if err != nil {
		return fmt.Errorf("unable to instantiate tap '%s': %w", part.Tap.Name, err)
	}
	part.input = in
	if part.Group, err = in.pipeline.Attach(handler.GroupConfig{Handlers: handlers, Sequence: p.Sequence}); err != nil {
		m.release(in)
		return err
	}
	in.change(1, countHandlers(p))
	in.run(m.cfg.Logger) // only now, so that a recording is not read before anybody looks
	return nil
}

// countHandlers counts a sequence as one.
func countHandlers(p *Policy) int {
	if p.Sequence {
		return min(1, len(p.Modules))
	}
	return len(p.Modules)
}

// undo detaches the handlers of a policy, and ends inputs that feed nobody.
func (m *Manager) undo(r *Running) {
	m.cfg.Logger.Info(fmt.Sprintf("policy [%s]: stopping", r.Policy.Name))
	r.end()
	for i := range r.Parts {
		part := &r.Parts[i]
		part.Group.Detach()
		if r.Policy.Name != part.input.resources() {
			part.input.change(-1, -countHandlers(&r.Policy))
			m.release(part.input)
		}
	}
}

// inputName tells inputs apart: those of one tap with the same configuration are one.
func inputName(tap string, config Options) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(config)) {
		fmt.Fprintf(&b, "%s=%v\n", key, config[key])
	}
	return fmt.Sprintf("%s-%x", tap, hash64.Sum([]byte(b.String())))
}

// input returns the input of a part, which it opens unless it is open. A recording that was read to its end is opened again.
func (m *Manager) input(p *Policy, part *Part) (*input, error) {
	if in := m.inputs[part.Input]; in != nil && !in.over() {
		return in, nil
	}
	in, err := m.open(part.Input, &part.Tap, merged(part.Tap.Config, p.Input.Config), p.Input.Filter)
	if err != nil {
		return nil, err
	}
	m.inputs[in.name] = in
	watch, err := in.watch(&part.Tap, m.cfg.Periods)
	if err != nil {
		m.release(in)
		return nil, err
	}
	m.show(watch)
	return in, nil
}

// open opens an input and gives it a pipeline, which does not run yet.
func (m *Manager) open(name string, t *Tap, config, only Options) (*input, error) {
	o, err := m.cfg.Open(t.InputType, config, only)
	if err != nil {
		return nil, err
	}
	p, err := handler.NewPipeline(handler.Config{Sources: o.Sources, Hosts: o.Hosts, Live: o.Live, MaxConns: o.MaxConns})
	if err != nil {
		return nil, err
	}
	return &input{name: name, config: merged(config, only), live: o.Live, facts: o.Facts, pipeline: p, ended: make(chan struct{})}, nil
}

// release ends an input that feeds nobody, and the policy that tells what it costs.
func (m *Manager) release(in *input) {
	if in.policies > 0 {
		return
	}
	if m.inputs[in.name] == in {
		delete(m.inputs, in.name)
		if r := m.policies[in.resources()]; r != nil && r.Parts[0].input == in {
			m.remove(r)
		}
	}
	in.run(m.cfg.Logger) // to close its sources
	in.end()
	<-in.ended
}
