package policy

import (
	"fmt"
	"maps"
	"slices"

	"visor/handler/options"
)

// InputType is a type of inputs for taps. [DeclareInput] returns one.
type InputType struct {
	Name  string
	Feeds []string // types of handlers whose policies may use it; see [Catalog.Add]
	Keys  []options.Key
	// keys that a policy's filter may have; nil ignores the filter
	FilterKeys []options.Key
	Words      options.Dialect
	AnyKey     bool // unknown keys are accepted
	Datagrams  bool // the API shows the number of unreadable flow datagrams

	// Redact returns a configuration without possible secrets, for the API. It must not modify its
	// argument. Nil means that there are none.
	Redact func(Options) Options

	read func(table Options, d options.Dialect) (inputConfig, options.Problems)
}

// inputConfig is the parsed configuration of an input.
type inputConfig struct {
	open   func(InputEnv) (Opened, error)
	verify func() error
	bytes  func(Limits) int64
}

// Checker is implemented by configurations of inputs whose keys depend on each other. Check
// receives the table and the problems found by [options.Read], and returns all problems in the
// order in which they are shown. The problem of a key that the table lacks is only reported when a
// policy starts, because a tap may leave the key to its policies.
type Checker interface {
	Check(table Options, found options.Problems) options.Problems
}

// Verifier is implemented by configurations of inputs with checks that need the network or files.
// Verify is called before an input is opened.
type Verifier interface{ Verify() error }

// Sizer is implemented by configurations of inputs that need more memory than a worker. Bytes
// returns the maximum.
type Sizer interface{ Bytes(Limits) int64 }

// DeclareInput returns a type of inputs that feeds handlers of some types. Its configuration C is a
// struct. The tags of its fields declare the keys, see package options. A policy's keys override
// the tap's. The function open receives the parsed configuration.
//
// A *C may be a [Checker], a [Verifier], and a [Sizer].
func DeclareInput[C any](name string, feeds []string, open func(C, InputEnv) (Opened, error)) InputType {
	keys := options.Keys[C]("")
	return InputType{
		Name: name, Feeds: feeds, Keys: keys, FilterKeys: filterKeys(keys),
		read: func(table Options, d options.Dialect) (inputConfig, options.Problems) {
			cfg := new(C)
			problems := options.Read(table, cfg, "", d)
			if c, ok := any(cfg).(Checker); ok {
				problems = c.Check(table, problems)
			}
			in := inputConfig{
				open:   func(env InputEnv) (Opened, error) { return open(*cfg, env) },
				verify: func() error { return nil },
				bytes:  func(Limits) int64 { return WorkerBytes },
			}
			if v, ok := any(cfg).(Verifier); ok {
				in.verify = v.Verify
			}
			if s, ok := any(cfg).(Sizer); ok {
				in.bytes = s.Bytes
			}
			return in, problems
		},
	}
}

// filterKeys returns the keys for filters, or all keys if there are none.
func filterKeys(keys []options.Key) []options.Key {
	own := slices.DeleteFunc(slices.Clone(keys), func(k options.Key) bool { return !k.Filter })
	if len(own) == 0 {
		return keys
	}
	return own
}

// parse reads a configuration and a filter. It returns all problems.
func (t *InputType) parse(config, only Options) (inputConfig, options.Problems) {
	table := merged(config)
	for i := range t.Keys {
		if t.Keys[i].Filter {
			delete(table, t.Keys[i].Name) // without effect here, as in pktvisor
		}
	}
	var unknown options.Problems
	if t.FilterKeys != nil {
		unknown = options.Unknown(only, options.Names(t.FilterKeys))
		table = merged(table, only)
		for _, p := range unknown {
			delete(table, p.Key())
		}
	}
	if t.AnyKey {
		table, unknown = known(table, t.Keys), nil
	}
	in, problems := t.read(table, t.Words)
	return in, append(problems, unknown...)
}

// known returns the entries of a table that have one of keys.
func known(table Options, keys []options.Key) Options {
	names, out := options.Names(keys), merged(table)
	maps.DeleteFunc(out, func(key string, _ any) bool { return !slices.Contains(names, key) })
	return out
}

// problems returns all problems of an input.
func (t *InputType) problems(config, only Options) options.Problems {
	if t == nil {
		return nil
	}
	_, problems := t.parse(config, only)
	return problems
}

// Takes reports whether inputs of a type can feed handlers of a type.
func (c Catalog) Takes(input, typ string) bool {
	t := c.input(input)
	return typ == "input_resources" || t != nil && slices.Contains(t.Feeds, typ)
}

// refusal is pktvisor's error about a handler that an input cannot feed.
func (c *Catalog) refusal(mod *Module, input string) error {
	return fmt.Errorf("%s: unsupported input event proxy %s", c.analyzer(mod.Type, mod.Version).Class, input)
}

// Redact returns the configuration of an input without possible secrets. It returns config itself
// if there are none.
func (c Catalog) Redact(typ string, config Options) Options {
	if t := c.input(typ); t != nil && t.Redact != nil {
		return t.Redact(config)
	}
	return config
}
