package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Document is what a YAML or JSON document of taps and policies says, in the order in which it says it.
type Document struct {
	Config   Options // of the agent: visor.config
	Taps     []Tap
	Global   []Global // defaults of handler types
	Policies []Policy
}

// Tap is an input that policies may use.
type Tap struct {
	Name      string
	InputType string  // "pcap", "dnstap", "flow", "sflow", "netprobe" or "mock"
	Config    Options // of the input
	Tags      Options // by which policies may select the tap
}

// Global is what holds for all handlers of a type, in all policies, where these do not say otherwise.
type Global struct {
	Type   string
	Config Options
}

// Policy says what is counted of the traffic of some taps.
type Policy struct {
	Name     string
	Merge    bool          // merge_like_handlers: handlers of the same type are shown as one
	Lease    time.Duration // lease_secs: the policy ends when nobody has renewed it for so long, in the API by asking for its metrics; 0 lets it stay
	Input    Input
	Window   Options // window_config of all modules; nil if there is none
	Modules  []Module
	Sequence bool // each module sees what its predecessor let through
}

// maxLease is in seconds: a day.
const maxLease = 24 * 60 * 60

// Input is where the traffic of a policy comes from: the tap of a name, or all those that the selector chooses.
type Input struct {
	Tap       string
	Selector  *Selector // nil if Tap is set
	InputType string
	Config    Options // laid over that of the tap
	Filter    Options // of the input
}

// Selector chooses taps by their tags.
type Selector struct {
	All  bool // all tags must match; else any of them
	Tags []Tag
}

// Tag is a tag as a selector names it. Value is a uint64, a bool or a string.
type Tag struct {
	Key   string
	Value any
}

// Parse reads a document with any number of taps and policies, as it stands in a configuration file.
func Parse(data []byte) (*Document, error) {
	p := &parser{budget: maxNodes}
	visor, err := p.root(data)
	if err != nil {
		return nil, err
	}
	doc := &Document{}
	for key, value := range p.pairs(visor) {
		switch name := key.Value; name {
		case "taps":
			doc.Taps = p.taps(value)
		case "policies":
			doc.Policies = p.policies(value)
		case "global_handler_config":
			doc.Global = p.global(value)
		case "config":
			if p.isMap(value, "'config' is not a map") {
				doc.Config = p.table(value)
			}
		default:
			p.unknown(key, "the section 'visor'", "config", "taps", "global_handler_config", "policies")
		}
	}
	return doc, p.err()
}

// ParseTap reads a document with a single tap.
func ParseTap(data []byte) (Tap, error) {
	taps, err := parseSingle(data, "tap", "taps", (*parser).taps)
	if err != nil {
		return Tap{}, err
	}
	return taps[0], nil
}

// ParsePolicy reads a document with a single policy.
func ParsePolicy(data []byte) (Policy, error) {
	policies, err := parseSingle(data, "policy", "policies", (*parser).policies)
	if err != nil {
		return Policy{}, err
	}
	return policies[0], nil
}

// parseSingle reads the only entry of a section.
func parseSingle[T any](data []byte, what, section string, read func(*parser, *yaml.Node) []T) ([]T, error) {
	p := &parser{budget: maxNodes}
	visor, err := p.root(data)
	if err != nil {
		return nil, err
	}
	node := p.find(visor, section)
	if node == nil || node.Kind != yaml.MappingNode {
		p.fail(visor, "no %s found in schema", section)
		return nil, p.err()
	}
	if n := len(node.Content) / 2; n != 1 {
		p.fail(node, "only a single %s expected but got %d", what, n)
		return nil, p.err()
	}
	out := read(p, node)
	return out, p.err()
}

// root returns the section "visor" of a document.
func (p *parser) root(data []byte) (*yaml.Node, error) {
	if strings.TrimSpace(string(data)) == "" {
		return nil, &Error{Text: "empty data"}
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, syntaxError(err)
	}
	if len(doc.Content) == 0 { // comments alone
		return nil, &Error{Text: "empty data"}
	}
	top := p.resolve(doc.Content[0])
	visor := p.find(top, "visor")
	if visor == nil {
		p.fail(top, "invalid schema")
		return nil, p.err()
	}
	if version := p.find(top, "version"); version != nil && version.Value != "1.0" {
		p.fail(version, "unsupported version")
	}
	for key := range p.pairs(top) {
		if key.Value != "visor" && key.Value != "version" {
			p.unknown(key, "the document", "version", "visor")
		}
	}
	return visor, p.err()
}

func (p *parser) taps(node *yaml.Node) (out []Tap) {
	for key, value := range p.section(node, "taps") {
		if !p.isName(key, "expecting tap identifier") || !p.isMap(value, "expecting tap configuration map") {
			continue
		}
		t := Tap{Name: key.Value, InputType: p.text(value, "input_type", "missing or invalid tap type key 'input_type'")}
		if t.InputType != "" && !slices.Contains(InputTypes(), t.InputType) {
			p.failAt(p.find(value, "input_type"), InputTypes(), "Tap '%s' requires input stream type '%s' which is not available", t.Name, t.InputType)
		}
		t.Config = p.options(value, "config", "tap configuration is not a map")
		t.Tags = p.options(value, "tags", "tap tags is not a map")
		p.only(value, fmt.Sprintf("tap '%s'", t.Name), "input_type", "config", "tags")
		p.checkTap(value, &t)
		out = append(out, t)
	}
	return out
}

// InputTypes names the types of inputs.
func InputTypes() []string { return []string{"pcap", "dnstap", "flow", "sflow", "netprobe", "mock"} }

func (p *parser) global(node *yaml.Node) (out []Global) {
	for key, value := range p.section(node, "global_handler_config") {
		if p.isMap(value, "expecting global_handler_config configuration map") {
			g := Global{key.Value, p.table(value)}
			if !slices.Contains(knownTypes(), g.Type) {
				p.failAt(key, knownTypes(), "global_handler_config has no handler type '%s'", g.Type)
			}
			_, err := Build(Module{Type: g.Type, Config: g.Config}, Env{})
			p.located(err, fmt.Sprintf("invalid global_handler_config for '%s': ", g.Type), value)
			out = append(out, g)
		}
	}
	return out
}

func (p *parser) policies(node *yaml.Node) (out []Policy) {
	for key, value := range p.section(node, "policies") {
		if p.isName(key, "expecting policy identifier") && p.isMap(value, "expecting policy configuration map") {
			out = append(out, p.policy(key.Value, value))
		}
	}
	return out
}

func (p *parser) policy(name string, node *yaml.Node) Policy {
	pol := Policy{Name: name}
	if kind := p.text(node, "kind", "missing or invalid policy kind at key 'kind'"); kind != "" && kind != "collection" {
		p.failAt(p.find(node, "kind"), []string{"collection"}, "unknown policy kind: %s", kind)
	}
	config := &Reader{opts: p.options(node, "config", "policy configuration is not a map")} // with other keys too, as in the reference
	pol.Merge = config.Flag("merge_like_handlers")
	pol.Lease = time.Duration(config.Int("lease_secs", maxLease)) * time.Second
	if config.err != nil {
		p.fail(p.find(node, "config"), "invalid policy config for policy '%s': %v", name, config.err)
	}
	if input := p.find(node, "input"); input == nil || input.Kind != yaml.MappingNode {
		p.fail(orElse(input, node), "missing or invalid policy input stream configuration at key 'input'")
	} else {
		pol.Input = p.input(input)
	}
	if handlers := p.find(node, "handlers"); handlers == nil || handlers.Kind != yaml.MappingNode {
		p.fail(orElse(handlers, node), "missing or invalid handler configuration at key 'handlers'")
	} else {
		p.handlers(handlers, &pol)
	}
	p.only(node, fmt.Sprintf("policy '%s'", name), "kind", "config", "input", "handlers")
	return pol
}

func (p *parser) input(node *yaml.Node) Input {
	in := Input{InputType: p.text(node, "input_type", "missing or invalid input_type at key 'input.input_type'")}
	tap, selector := p.find(node, "tap"), p.find(node, "tap_selector")
	switch {
	case tap != nil && selector != nil:
		p.fail(selector, "input can have only key 'input.tap' or key 'input.tap_selector'")
	case tap == nil && selector == nil:
		p.fail(node, "missing key 'input.tap' or key 'input.tap_selector'")
	case tap != nil && (tap.Kind != yaml.ScalarNode || tap.Value == ""):
		p.fail(tap, "invalid tap at key 'input.tap'")
	case tap != nil:
		in.Tap = tap.Value
	case selector.Kind != yaml.MappingNode:
		p.fail(selector, "'input.tap_selector' is not a map")
	default:
		in.Selector = p.selector(selector)
	}
	in.Config = p.options(node, "config", "input configuration is not a map")
	in.Filter = p.options(node, "filter", "input filter configuration is not a map")
	p.only(node, "'input'", "tap", "tap_selector", "input_type", "config", "filter")
	p.checkPolicyInput(node, &in)
	return in
}

func (p *parser) selector(node *yaml.Node) *Selector {
	all, anyOf := p.find(node, "all"), p.find(node, "any")
	s, list := &Selector{All: all != nil}, all
	switch {
	case all != nil && anyOf != nil:
		p.fail(anyOf, "input can have only key 'input.tap_selector.all' or key 'input.tap_selector.any'")
		return s
	case all == nil && anyOf == nil:
		p.fail(node, "missing key 'input.tap_selector.all' or key 'input.tap_selector.any'")
		return s
	case all != nil && all.Kind != yaml.SequenceNode:
		p.fail(all, "'input.tap_selector.all' is not a sequence")
		return s
	case all == nil && anyOf.Kind != yaml.SequenceNode:
		p.fail(anyOf, "'input.tap_selector.any' is not a sequence")
		return s
	case all == nil:
		list = anyOf
	}
	for _, item := range list.Content {
		item = p.resolve(item)
		if item.Kind != yaml.MappingNode || len(item.Content) != 2 {
			p.fail(item, "selector tag must contain only one key/value pair per sequence index")
			continue
		}
		key, value := item.Content[0], p.resolve(item.Content[1])
		if value.Kind != yaml.ScalarNode {
			p.fail(value, "tag key '%s' must have scalar value", key.Value)
			continue
		}
		s.Tags = append(s.Tags, Tag{key.Value, scalar(value)})
	}
	return s
}

func (p *parser) handlers(node *yaml.Node, pol *Policy) {
	window := p.find(node, "window_config")
	if window != nil && window.Kind == yaml.MappingNode { // else it is ignored, as in the reference
		pol.Window = p.table(window)
	}
	modules := p.find(node, "modules")
	switch {
	case modules == nil || modules.Kind != yaml.MappingNode && modules.Kind != yaml.SequenceNode:
		p.fail(orElse(modules, node), "missing or invalid handler modules at key 'modules'")
	case modules.Kind == yaml.MappingNode:
		for key, value := range p.pairs(modules) {
			p.module(pol, key, value, window)
		}
	default:
		pol.Sequence = true
		for _, item := range modules.Content {
			p.item(pol, p.resolve(item), window)
		}
	}
	p.only(node, "'handlers'", "window_config", "modules")
}

// item reads a module of a sequence: the name with a map behind it, or the name alone with the module's keys beside it.
func (p *parser) item(pol *Policy, item, window *yaml.Node) {
	if item.Kind != yaml.MappingNode || len(item.Content) == 0 {
		p.fail(item, "expecting handler module identifier")
		return
	}
	key, value := item.Content[0], p.resolve(item.Content[1])
	if value.Kind == yaml.ScalarNode && value.Value == "" {
		rest := *item
		rest.Content = item.Content[2:]
		value = &rest
	}
	p.module(pol, key, value, window)
}

func (p *parser) module(pol *Policy, key, node, window *yaml.Node) {
	if inner := p.find(node, key.Value); inner != nil && p.find(node, "type") == nil { // the reference takes one redundant level
		node = inner
	}
	if !p.isName(key, "expecting handler module identifier") || !p.isMap(node, "expecting Handler configuration map") {
		return
	}
	m := Module{Name: key.Value, Type: p.text(node, "type", "missing or invalid stream handler type at key 'type'"), Version: "1.0"}
	if version := p.find(node, "require_version"); version != nil {
		if m.Version = version.Value; version.Kind != yaml.ScalarNode {
			p.fail(version, "Invalid stream handler version at key 'require_version'")
		}
	}
	if _, known := Builtin()[Kind{m.Type, m.Version}]; !known && m.Type != "" {
		p.failAt(p.find(node, "type"), knownTypes(), "Policy '%s' requires stream handler type '%s' and version '%s' which is not available", pol.Name, m.Type, m.Version)
	}
	m.Filter = p.options(node, "filter", "stream handler filter configuration is not a map")
	m.Config = p.options(node, "config", "stream handler configuration is not a map")
	if groups := p.find(node, "metric_groups"); groups != nil {
		p.groups(&m, groups)
	}
	p.only(node, fmt.Sprintf("module '%s'", m.Name), "type", "require_version", "config", "filter", "metric_groups")
	p.checkModule(pol, m, node, window)
	pol.Modules = append(pol.Modules, m)
}

func knownTypes() (out []string) {
	for kind := range Builtin() {
		out = append(out, kind.Type)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (p *parser) groups(m *Module, node *yaml.Node) {
	if !p.isMap(node, "stream handler metric groups is not a map") {
		return
	}
	table := p.table(node)
	_, enable := table["enable"]
	_, disable := table["disable"]
	if !enable && !disable {
		p.fail(node, "stream handler metric groups should contain enable and/or disable tags")
		return
	}
	for name, to := range map[string]*[]string{"enable": &m.Enable, "disable": &m.Disable} {
		value, given := table[name]
		if list, ok := value.([]string); ok {
			*to = list
		} else if given {
			p.fail(p.find(node, name), "wrong type for key: %s", name)
		}
	}
	p.only(node, "'metric_groups'", "enable", "disable")
}

func orElse(node, other *yaml.Node) *yaml.Node {
	if node != nil {
		return node
	}
	return other
}
