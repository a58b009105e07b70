package policy

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"visor/decode"
	"visor/export/findings"
	"visor/handler"
	"visor/sketch/hash64"
)

// ManagerConfig configures a Manager. The zero ManagerConfig is ready to use.
type ManagerConfig struct {
	Types      Catalog // inputs and handlers for policies, as of package builtin
	Env        Env
	Period     time.Duration // length of periods; 0 means 60 s, which pktvisor has
	Periods    int           // for policies without a window_config; 0 means 5
	DeepSample int           // percent, for policies without a window_config; 0 means 100
	// maximum bytes of all inputs and policies together; a policy that does not fit is refused. 0
	// is unlimited
	Memory int64
	// logs changes of taps and policies, and inputs that end with an error; may be nil
	Logger *slog.Logger

	// Ended is called for each policy that has ended or was replaced, after its last event. It must
	// not change the Manager. It may be nil.
	Ended func(*Running)

	// Closed, unless nil, receives the metrics of each period once, in the order of periods: of all
	// taps of a policy when the period closes, and the last one when the policy ends. Recordings,
	// policies with a lease and policies that keep one period are left out. The snapshot belongs to
	// Closed. It must return soon and must not change the Manager; see [handler.AttachConfig].
	Closed func(policy string, s *handler.Snapshot)

	// Past returns earlier periods of a policy that starts, for the baselines of its findings. It
	// is called for each tap of the policy, in a goroutine that the policy waits for. It may be
	// nil. Policies with a lease have none.
	Past Past

	// Found is called for each finding that fires, when it becomes more severe, and when it is
	// resolved, with the same Key. A policy that ends resolves its findings. Found must not call
	// the Manager or its policies. It may be nil.
	Found func(findings.Finding)

	// Open opens an input. Nil means Types.Open with the Logger and Socket of the ManagerConfig.
	// The Manager closes the sources.
	Open func(typ string, config, filter Options) (Opened, error)

	Socket func(network, address string) (net.Listener, error) // see InputEnv; may be nil

	// of all inputs, see handler.Config; nil counts unknown link types as undecodable
	Fallback decode.LinkFallback

	// hashes keys for the sketches of all policies, see handler.Config; nil means a random one
	Hash *hash64.Hasher

	// APIFiles is the directory below which taps and policies from the API may open files. With nil
	// they cannot open any. The Manager does not close it.
	APIFiles *os.Root
}

type openFunc func(typ string, config, filter Options) (Opened, error)

func (c Catalog) opener(env InputEnv) openFunc {
	return func(typ string, config, filter Options) (Opened, error) { return c.Open(env, typ, config, filter) }
}

// Manager runs policies on taps. Policies with equal input configurations share one input. It is
// safe for concurrent use. Close ends all policies.
//
// Each open input has an additional policy, named after it with the suffix "-resources". It
// measures the cost of the input.
type Manager struct {
	cfg    ManagerConfig
	posted openFunc // opens inputs whose files were named over the API

	// mu is held during a change, which may start and end policies and wait for them. It is the
	// only writer of all that follows. Queries take no lock: they read a registry as it is.
	mu       sync.Mutex
	taps     registry[Tap]
	policies registry[*Running]

	global map[string]Options
	inputs map[string]*input
	loaded struct{ taps, policies []string } // taps and policies from documents
}

// Errors that callers may distinguish.
var (
	ErrExists  = errors.New("name is taken")         // by a tap or a policy
	ErrNoTap   = errors.New("no tap match found")    // a selector matches nothing
	ErrUnknown = errors.New("policy does not exist") // or a tap

	// the original of a policy that starts has ended, or shows addresses in another way
	ErrOriginal = errors.New("the original policy has changed")
)

// existsError is an [ErrExists] with pktvisor's text.
type existsError string

func existsTap(name string) error { return existsError("module name '" + name + "' already exists") }

func existsPolicy(name string) error {
	return existsError("policy with name '" + name + "' already defined")
}

func existsGlobal(typ string) error {
	return existsError("stream handler type '" + typ + "' already exists in global_handler_config configuration")
}

func (e existsError) Error() string        { return string(e) }
func (e existsError) Is(target error) bool { return target == ErrExists }

// NewManager returns a Manager without taps and policies.
func NewManager(cfg ManagerConfig) *Manager {
	cfg.Periods, cfg.DeepSample = cmp.Or(cfg.Periods, 5), cmp.Or(cfg.DeepSample, 100)
	if cfg.Hash == nil {
		cfg.Hash = hash64.Random()
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	posted := cfg.Open
	if cfg.Open == nil {
		cfg.Open = cfg.Types.opener(InputEnv{Logger: cfg.Logger, Socket: cfg.Socket})
		posted = cfg.Types.opener(InputEnv{Logger: cfg.Logger, Socket: cfg.Socket, files: below(cfg.APIFiles)})
	}
	return &Manager{
		cfg: cfg, posted: posted, global: make(map[string]Options), inputs: make(map[string]*input),
	}
}

// Types returns the inputs and handlers that policies may name. The caller must not modify them.
func (m *Manager) Types() Catalog { return m.cfg.Types }

// AddTap adds a tap. The tap is opened when a policy uses it.
func (m *Manager) AddTap(t Tap) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, exists := m.taps.all()[t.Name]; exists {
		return existsTap(t.Name)
	}
	m.taps.change(func(all map[string]Tap) { all[t.Name] = t })
	m.cfg.Logger.Info(fmt.Sprintf("tap [%s]: loaded, type %s", t.Name, t.InputType))
	return nil
}

// RemoveTap removes a tap. Policies that use it continue.
func (m *Manager) RemoveTap(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, exists := m.taps.all()[name]; !exists {
		return fmt.Errorf("tap %q: %w", name, ErrUnknown)
	}
	m.taps.change(func(all map[string]Tap) { delete(all, name) })
	return nil
}

// Taps returns the taps sorted by name.
func (m *Manager) Taps() []Tap {
	return slices.SortedFunc(maps.Values(m.taps.all()), func(a, b Tap) int { return strings.Compare(a.Name, b.Name) })
}

// Policies returns the running policies sorted by name.
func (m *Manager) Policies() []*Running {
	return slices.SortedFunc(maps.Values(m.policies.all()), func(a, b *Running) int { return strings.Compare(a.Policy.Name, b.Policy.Name) })
}

// Policy returns the policy with a name, or nil.
func (m *Manager) Policy(name string) *Running {
	return m.policies.all()[name]
}

// AddPolicy starts a policy completely, or returns an error without any change.
func (m *Manager) AddPolicy(p Policy) (*Running, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.add(p)
}

func (m *Manager) add(p Policy) (*Running, error) {
	if _, exists := m.policies.all()[p.Name]; exists {
		return nil, existsPolicy(p.Name)
	}
	return m.replace(p)
}

// show makes r visible under its name.
func (m *Manager) show(r *Running) {
	m.policies.change(func(all map[string]*Running) { all[r.Policy.Name] = r })
	r.expire(func() { m.expired(r) })
	m.endDrilldowns(r.Policy.Name, r)
}

// expired removes r unless another policy has replaced it.
func (m *Manager) expired(r *Running) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.policies.all()[r.Policy.Name] == r {
		m.remove(r, errExpired)
	}
}

// RemovePolicy ends a policy, and its inputs unless other policies use them.
func (m *Manager) RemovePolicy(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.policies.all()[name]
	if r == nil {
		return fmt.Errorf("policy %q: %w", name, ErrUnknown)
	}
	m.remove(r, errRemoved)
	return nil
}

func (m *Manager) remove(r *Running, reason error) {
	m.policies.change(func(all map[string]*Running) { delete(all, r.Policy.Name) })
	m.endDrilldowns(r.Policy.Name, nil)
	m.finish(r, reason)
}

// Close ends all policies.
func (m *Manager) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.Policies() {
		if m.policies.all()[r.Policy.Name] == r { // policies of resources end with their inputs
			m.remove(r, errClosed)
		}
	}
	return nil
}
