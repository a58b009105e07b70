package policy

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"sync"

	"visor/geo"
	"visor/handler"
	"visor/handler/anonymize"
	"visor/handler/flow"
	"visor/handler/metric"
	"visor/handler/options"
)

// Module is one entry of a policy's handlers.
type Module struct {
	Name    string   // instance name; "" means the type
	Type    string   // "net", "dns", "pcap", …
	Version string   // require_version; "" means "1.0"
	Config  Options  // config, with the policy's window_config laid over it
	Filter  Options  // filter: overrides Config for the same key
	Enable  []string // metric_groups.enable
	Disable []string // metric_groups.disable
	// visor's own groups, which pktvisor lacks, are on unless Disable names them. Documents leave
	// it false: there, such groups are off unless Enable names them
	Own bool
}

// Env is the environment of modules.
type Env struct {
	Anonymize *anonymize.Method // nil shows whole addresses

	Geo      *geo.DB        // nil without databases; the caller keeps ownership
	Services *flow.Services // names of ports; nil shows numbers

	FlowBytes int // maximum of each flow module; 0 is the default of [flow.Config]
}

// Analyzer is a type of handlers in one version, for use in modules.
type Analyzer struct {
	Type, Version string
	Keys          []options.Key // of config and filter

	Class  string          // the handler's name in pktvisor's errors
	Words  options.Dialect // special readers of keys, and texts about them
	AnyKey bool            // unknown keys are accepted
	// Bytes returns the maximum memory of a handler with some periods; nil means 256 KiB for each
	Bytes func(periods int64, l Limits) int64
	// OwnBytes returns what metric groups that pktvisor lacks add to Bytes; nil means nothing
	OwnBytes func(periods int64) int64

	info    func() (handler.Info, error)
	prepare func(m *Module, opts Options, d options.Dialect) (build, options.Problems)
}

// build makes the handler of a parsed module.
type build func(Env) (handler.Handler, error)

// Declare returns an Analyzer. Its configuration C is [handler.Settings], or a struct that embeds
// it. The tags of its fields declare the keys, see package options. The function make receives the
// parsed configuration.
func Declare[C any](typ, version string, make func(C, Env) (handler.Handler, error)) Analyzer {
	return Analyzer{
		Type: typ, Version: version, Keys: options.Keys[C](version), Class: typ,
		info: sync.OnceValues(func() (handler.Info, error) {
			var cfg C
			h, err := make(cfg, Env{})
			if err != nil {
				return handler.Info{}, err
			}
			return h.Info(), nil
		}),
		prepare: func(m *Module, opts Options, d options.Dialect) (build, options.Problems) {
			var cfg C
			problems := options.Read(opts, &cfg, version, d)
			s := settingsOf(&cfg)
			if s != nil {
				s.Name, s.Enable, s.Disable, s.PktvisorGroups = m.Name, m.Enable, m.Disable, !m.Own
				s.Tap, _ = m.Config[tapKey].(string)
			}
			return func(env Env) (handler.Handler, error) {
				if s != nil {
					s.Anonymize = env.Anonymize
				}
				return make(cfg, env)
			}, problems
		},
	}
}

// settingsOf returns the Settings that cfg is or embeds, or nil.
func settingsOf(cfg any) *handler.Settings {
	if s, ok := cfg.(*handler.Settings); ok {
		return s
	}
	v := reflect.ValueOf(cfg).Elem()
	if v.Kind() != reflect.Struct {
		return nil
	}
	if v = v.FieldByName("Settings"); !v.IsValid() {
		return nil
	}
	s, _ := v.Addr().Interface().(*handler.Settings)
	return s
}

// Info describes a handler of the type with default options.
func (a *Analyzer) Info() (handler.Info, error) { return a.info() }

// hasOwn reports whether a module enables metric groups that pktvisor lacks.
func (a *Analyzer) hasOwn(m *Module) bool {
	info, err := a.Info()
	if err != nil {
		return false
	}
	defaults := metric.GroupSet(0)
	if m.Own {
		defaults = info.Own
	}
	groups, err := info.GroupNames.Resolve(defaults, info.Own, m.Enable, m.Disable)
	return err == nil && groups&info.Own != 0
}

// tapKey is the key for the tap's name in a module's table. It is not a key of handlers.
const tapKey = "_internal_tap_name"

// read reads the keys of a module.
func (a *Analyzer) read(m *Module) (build, options.Problems) {
	opts := merged(m.Config, m.Filter)
	delete(opts, tapKey)
	if a.AnyKey {
		opts = known(opts, a.Keys)
	}
	return a.prepare(m, opts, a.Words)
}

// Build makes the handler described by m.
func (c Catalog) Build(m Module, env Env) (handler.Handler, error) {
	m.Version = cmp.Or(m.Version, "1.0") // used in the error
	a := c.analyzer(m.Type, m.Version)
	if a == nil {
		return nil, fmt.Errorf("requires stream handler type '%s' and version '%s' which is not available", m.Type, m.Version)
	}
	build, problems := a.read(&m)
	if len(problems) > 0 {
		return nil, problems[0]
	}
	h, err := build(env)
	if group, ok := errors.AsType[*metric.GroupError](err); ok {
		return nil, errors.New(groupText(group))
	}
	return h, err
}
