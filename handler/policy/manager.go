package policy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"

	"visor/handler"
	"visor/handler/resources"
	"visor/internal/hash64"
)

// ManagerConfig configures a Manager. The zero ManagerConfig is ready to use.
type ManagerConfig struct {
	Env        Env
	Periods    int          // of policies without a window_config; 0 means 5
	DeepSample int          // per cent, likewise; 0 means 100
	Logger     *slog.Logger // told of inputs that end with an error; nil is silence

	// Open opens an input; nil means OpenInput. The Manager closes the sources.
	Open func(typ string, config, filter Options) (Opened, error)
}

// Manager runs policies on taps. Policies whose inputs are configured alike share one. It is safe for concurrent use; Close ends all.
type Manager struct {
	cfg ManagerConfig

	mu       sync.Mutex
	taps     map[string]Tap
	global   map[string]Options
	policies map[string]*Running
	inputs   map[string]*input
}

// Running is a policy that runs: its handlers, once for each of its taps. It is immutable.
type Running struct {
	Policy Policy
	Parts  []Part
}

// Part is what a policy does with one tap.
type Part struct {
	Tap   string
	Input string // name of the input
	Group *handler.Group
	input *input
}

// Resources returns what the input of the part has cost in a period: the metrics of handler/resources. Policies that share the input share
// these.
func (p *Part) Resources(bucket int) (*handler.Snapshot, error) {
	return p.input.pipeline.Bucket(bucket)
}

// input feeds the policies that share it.
type input struct {
	name     string
	pipeline *handler.Pipeline
	end      context.CancelFunc
	ended    chan struct{}
	policies int
	handlers int
	usage    *resources.Handler
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
	for _, g := range doc.Global {
		m.mu.Lock()
		_, exists := m.global[g.Type]
		if !exists {
			m.global[g.Type] = g.Config
		}
		m.mu.Unlock()
		if exists {
			return fmt.Errorf("stream handler type '%s' already exists in global_handler_config configuration", g.Type)
		}
	}
	for _, p := range doc.Policies {
		if err := m.AddPolicy(p); err != nil {
			return err
		}
	}
	return nil
}

// AddTap adds a tap. Nothing is opened until a policy uses it.
func (m *Manager) AddTap(t Tap) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, exists := m.taps[t.Name]; exists {
		return fmt.Errorf("module name '%s' %w exists", t.Name, ErrExists)
	}
	m.taps[t.Name] = t
	return nil
}

// RemoveTap removes a tap. Policies that use it run on.
func (m *Manager) RemoveTap(name string) error {
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
func (m *Manager) AddPolicy(p Policy) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, exists := m.policies[p.Name]; exists {
		return fmt.Errorf("policy with name '%s' %w defined", p.Name, ErrExists)
	}
	taps, err := m.choose(&p)
	if err != nil {
		return err
	}
	r := &Running{Policy: p}
	for _, t := range taps {
		part, err := m.start(&p, &t)
		if err != nil {
			m.undo(r)
			return fmt.Errorf("policy [%s] failed to start: %w", p.Name, err)
		}
		r.Parts = append(r.Parts, part)
	}
	m.policies[p.Name] = r
	return nil
}

// RemovePolicy ends a policy, and its inputs if no other policy uses them.
func (m *Manager) RemovePolicy(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.policies[name]
	if r == nil {
		return fmt.Errorf("policy %q: %w", name, ErrUnknown)
	}
	delete(m.policies, name)
	m.undo(r)
	return nil
}

// Close ends all policies.
func (m *Manager) Close() error {
	for _, r := range m.Policies() {
		if err := m.RemovePolicy(r.Policy.Name); err != nil && !errors.Is(err, ErrUnknown) {
			return err
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

// start attaches the handlers of a policy to the input of a tap, which it opens unless it is open.
func (m *Manager) start(p *Policy, t *Tap) (Part, error) {
	handlers, err := m.build(p, t)
	if err != nil {
		return Part{}, err
	}
	config := merged(t.Config, p.Input.Config)
	name := inputName(t.Name, merged(config, p.Input.Filter))
	for _, h := range handlers {
		if !takes(t.InputType, h.Info().Type) {
			return Part{}, refusal(h.Info(), name)
		}
	}
	in := m.inputs[name]
	if in == nil {
		if in, err = m.open(name, t, config, p.Input.Filter); err != nil {
			return Part{}, fmt.Errorf("unable to instantiate tap '%s': %w", t.Name, err)
		}
		m.inputs[name] = in
	}
	group, err := in.pipeline.Attach(handler.GroupConfig{Handlers: handlers, Sequence: p.Sequence})
	if err != nil {
		m.release(in)
		return Part{}, err
	}
	in.change(1, len(handlers))
	if in.end == nil { // only now, so that a recording is not read before anybody looks
		m.run(in)
	}
	return Part{Tap: t.Name, Input: name, Group: group, input: in}, nil
}

// build makes the handlers of a policy for a tap.
func (m *Manager) build(p *Policy, t *Tap) (out []handler.Handler, err error) {
	window := p.Window
	if window == nil {
		window = Options{"num_periods": uint64(m.cfg.Periods), "deep_sample_rate": uint64(m.cfg.DeepSample)}
	}
	for _, mod := range p.Modules {
		mod.Config = merged(m.global[mod.Type], mod.Config, window)
		mod.Name = p.Name + "-" + t.Name + "-" + mod.Name
		h, err := Build(mod, m.cfg.Env)
		if err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, nil
}

// inputName tells inputs apart: those of one tap with the same configuration are one.
func inputName(tap string, config Options) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(config)) {
		fmt.Fprintf(&b, "%s=%v\n", key, config[key])
	}
	return fmt.Sprintf("%s-%x", tap, hash64.Sum([]byte(b.String())))
}

// open opens an input and gives it a pipeline, which does not run yet.
func (m *Manager) open(name string, t *Tap, config, only Options) (*input, error) {
	o, err := m.cfg.Open(t.InputType, config, only)
	if err != nil {
		return nil, err
	}
	usage, err := resources.New(resources.Config{Settings: handler.Settings{Name: name + "-resources", Periods: m.cfg.Periods}})
	if err != nil {
		return nil, err
	}
	p, err := handler.NewPipeline(handler.Config{
		Sources: o.Sources, Handlers: []handler.Handler{usage}, Hosts: o.Hosts, Live: o.Live, MaxConns: o.MaxConns,
	})
	if err != nil {
		return nil, err
	}
	return &input{name: name, pipeline: p, usage: usage, ended: make(chan struct{})}, nil
}

func (m *Manager) run(in *input) {
	ctx, end := context.WithCancel(context.Background())
	in.end = end
	go func() {
		defer close(in.ended)
		if err := in.pipeline.Run(ctx); err != nil {
			m.cfg.Logger.Error("input ended", "input", in.name, "error", err)
		}
	}()
}

// change says what the input feeds.
func (in *input) change(policies, handlers int) {
	in.policies += policies
	in.handlers += handlers
	in.usage.Attached(in.policies, in.handlers)
}

// undo detaches the handlers of a policy, and ends inputs that feed nobody.
func (m *Manager) undo(r *Running) {
	for i := range r.Parts {
		part := &r.Parts[i]
		part.Group.Detach()
		part.input.change(-1, -len(part.Group.Infos()))
		m.release(part.input)
	}
}

// release ends an input that feeds nobody.
func (m *Manager) release(in *input) {
	if in.policies > 0 {
		return
	}
	delete(m.inputs, in.name)
	if in.end == nil {
		m.run(in) // to close its sources
	}
	in.end()
	<-in.ended
}
