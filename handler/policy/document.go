package policy

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"visor/export/findings"
	"visor/handler/anonymize"
)

// Document is the content of a YAML or JSON document of taps and policies, in its order.
type Document struct {
	Config   Options // the agent's configuration: visor.config
	Taps     []Tap
	Global   []Global           // defaults of handler types
	Policies []Policy           // nil without the section
	Own      map[string]Options // sections for the agent itself, by name: see [Section]
	// keys without effect and unusable taps, which pktvisor ignores silently
	Warnings []*Error

	configKeys []*yaml.Node
}

// UnknownConfig returns a warning about a key of Config that is missing in the agent's list of
// keys.
func (d *Document) UnknownConfig(key string, known []string) *Error {
	for _, node := range d.configKeys {
		if node.Value == key {
			return errorAt(node, known, "visor.config has no key '%s'", key)
		}
	}
	return &Error{Text: fmt.Sprintf("visor.config has no key '%s'", key)}
}

// Tap is an input that policies may use.
type Tap struct {
	Name      string
	InputType string  // "pcap", "dnstap", "flow", "sflow", "netprobe" or "mock"
	Config    Options // of the input
	Tags      Options // tags for selection by policies
	// how all policies show the addresses of hosts; nil leaves it to each policy
	Anonymize *anonymize.Config
	Posted    bool // received over the API: it may only open files below ManagerConfig.APIFiles

	faults map[string]*Error // problems of Config, by path
}

// Global holds the defaults for all handlers of a type, in all policies.
type Global struct {
	Type   string
	Config Options
}

// Policy selects the metrics to compute from the traffic of some taps.
type Policy struct {
	Name  string
	Merge bool // merge_like_handlers: handlers of the same type are shown as one
	// lease_secs: the policy ends if it is not renewed for this time; querying its metrics over the
	// API renews it. 0 means without a lease
	Lease time.Duration
	// original: the policy whose traffic this one shows more closely. This one ends with it, and
	// when it is replaced by one that shows addresses in another way. "" is none
	Original string
	Input    Input
	Window   Options // window_config of all modules; nil without one
	Modules  []Module
	Sequence bool // each module sees the events that passed its predecessor
	Findings findings.Config
	// how addresses of hosts are shown; nil shows them whole. The tap's own setting precedes it
	Anonymize *anonymize.Config
	Fault     error // problem in its keys that prevents a start, or nil
	Posted    bool  // received over the API, see Tap
}

// Input selects the traffic of a policy: the named tap, or all taps that the selector matches.
type Input struct {
	Tap       string
	Selector  *Selector // nil if Tap is set
	InputType string
	Config    Options // overrides the tap's configuration
	Filter    Options // filter of the input
}

// Selector selects taps by their tags.
type Selector struct {
	All  bool // all tags must match; otherwise any of them
	Tags []Tag
}

// Tag is a tag in a selector. Value is a uint64, a bool or a string.
type Tag struct {
	Key   string
	Value any
}

// Parse parses a configuration file with any number of taps and policies, which may name the inputs
// and handlers in c. It returns an error if pktvisor refuses the document. The Document holds the
// warnings and the parsed parts in any case.
func (c Catalog) Parse(data []byte) (*Document, error) {
	p, doc := &parser{types: c, budget: maxNodes}, &Document{}
	if visor := p.root(data); visor != nil {
		p.document(visor, doc)
	}
	doc.Warnings = p.warnings
	return doc, p.err()
}

// sections returns the keys of the section visor.
func (p *parser) sections() []string {
	out := []string{"config", "taps", "global_handler_config", "policies"}
	for i := range p.types.Sections {
		out = append(out, p.types.Sections[i].Name)
	}
	return out
}

// document reads the sections of a configuration file.
func (p *parser) document(visor *yaml.Node, doc *Document) {
	known, sections := 0, p.sections()
	for key, value := range p.pairs(visor) {
		if !slices.Contains(sections, key.Value) {
			p.unknown(key, "the section 'visor'", sections...)
			continue
		}
		if known++; p.isSection(key, value) {
			p.readSection(key.Value, value, doc)
		}
	}
	p.checkAllowed(p.find(visor, "policies"), doc.Policies, doc.Taps)
	if known == 0 && len(visor.Content) > 0 { // pktvisor's own test refuses it
		p.fail(visor, "no policies found in schema")
	}
}

func (p *parser) readSection(name string, node *yaml.Node, doc *Document) {
	switch name {
	case "taps":
		doc.Taps = p.taps(node)
	case "policies":
		doc.Policies = p.policies(node)
	case "global_handler_config":
		doc.Global = p.global(node)
	case "config":
		doc.Config = p.table(node, "")
		for key := range p.pairs(node) {
			doc.configKeys = append(doc.configKeys, key)
		}
	default:
		p.own(name, node, doc)
	}
}

// own reads a section for the agent itself.
func (p *parser) own(name string, node *yaml.Node, doc *Document) {
	prefix := fmt.Sprintf("invalid section '%s': ", name)
	table := p.table(node, prefix)
	if doc.Own == nil {
		doc.Own = make(map[string]Options)
	}
	doc.Own[name] = table
	if s := p.types.section(name); s.Check != nil {
		p.located(p.failAt, s.Check(table), prefix, node)
	}
}

// isSection reports whether a section is a map. Others are skipped with a warning. pktvisor skips
// them silently.
func (p *parser) isSection(key, node *yaml.Node) bool {
	if node.Kind != yaml.MappingNode {
		p.warnAt(node, nil, "'%s' is not a map: it is ignored", key.Value)
	}
	return node.Kind == yaml.MappingNode
}

// ParseTap parses a document with a single tap. It returns the warnings in any case.
func (c Catalog) ParseTap(data []byte) (Tap, []*Error, error) {
	return parseSingle(c, data, "tap", "taps", (*parser).taps)
}

// ParsePolicy parses a document with a single policy. It returns the warnings in any case.
func (c Catalog) ParsePolicy(data []byte) (Policy, []*Error, error) {
	return parsePolicy(c, data, nil)
}

// ParsePolicy is [Catalog.ParsePolicy] for a policy on the taps of m: there are also warnings about
// what can never work on them.
func (m *Manager) ParsePolicy(data []byte) (Policy, []*Error, error) {
	return parsePolicy(m.cfg.Types, data, m.Taps())
}

func parsePolicy(c Catalog, data []byte, taps []Tap) (Policy, []*Error, error) {
	return parseSingle(c, data, "policy", "policies", func(p *parser, node *yaml.Node) []Policy {
		all := p.policies(node)
		p.checkAllowed(node, all, taps)
		return all
	})
}

// parseSingle reads the only entry of a section.
func parseSingle[T any](c Catalog, data []byte, what, section string, read func(*parser, *yaml.Node) []T) (one T, warnings []*Error, err error) {
	p := &parser{types: c, budget: maxNodes}
	if visor := p.root(data); visor != nil {
		p.refuseOwn(visor)
		node := p.find(visor, section)
		switch {
		case node == nil || node.Kind != yaml.MappingNode:
			p.fail(visor, "no %s found in schema", section)
		case len(node.Content) != 2:
			p.fail(node, "only a single %s expected but got %d", what, len(node.Content)/2)
		default:
			if all := read(p, node); len(all) > 0 {
				one = all[0]
			}
		}
	}
	return one, p.warnings, p.err()
}

// refuseOwn warns about sections that only the configuration file of the agent may have.
func (p *parser) refuseOwn(visor *yaml.Node) {
	for key := range p.pairs(visor) {
		if p.types.section(key.Value) != nil {
			p.warnAt(key, nil, "'%s' has no effect here: only the configuration file of the agent may have it", key.Value)
		}
	}
}

// root returns the section "visor" of a document, or nil after an error.
func (p *parser) root(data []byte) *yaml.Node {
	var doc yaml.Node
	err := yaml.Unmarshal(data, &doc)
	switch {
	case err != nil:
		p.errors.add(syntaxError(err))
		return nil
	case len(doc.Content) == 0: // empty, or only comments
		p.errors.add(&Error{Text: "empty data"})
		return nil
	}
	top := p.resolve(doc.Content[0])
	visor := p.find(top, "visor")
	switch version := p.find(top, "version"); {
	case visor == nil && p.isAnswer(top):
		return &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Value: "taps"}, top}}
	case visor == nil:
		p.fail(top, "invalid schema%s", p.misplaced(top))
		return nil
	case version != nil && version.Value != "1.0":
		p.fail(version, "unsupported version")
		return nil
	}
	p.only(top, "the document", "version", "visor")
	return visor
}

// misplaced describes a document whose content belongs elsewhere: Orb shows policies, and taps,
// without what is around them.
func (p *parser) misplaced(top *yaml.Node) string {
	has := func(keys ...string) bool {
		return slices.ContainsFunc(keys, func(key string) bool { return p.find(top, key) != nil })
	}
	switch {
	case has("kind", "handlers"):
		return ": it is the body of a policy, which belongs below 'visor', 'policies' and a name"
	case has("taps", "policies"):
		return ": 'taps' and 'policies' belong below 'visor'"
	case has("orb"):
		return ": 'orb' configures Orb's agent; 'taps' and 'policies' belong below 'visor'"
	}
	return ""
}

// tapInterface is the interface of every tap in the API.
const tapInterface = "visor.module.input/1.0"

// isAnswer reports whether a document is the API's answer about taps, which can be posted back
// unchanged.
func (p *parser) isAnswer(top *yaml.Node) bool {
	taps := 0
	for _, tap := range p.pairs(top) {
		if shown := p.find(tap, "interface"); shown == nil || shown.Value != tapInterface {
			return false
		}
		taps++
	}
	return taps > 0
}

// NamePattern matches the names that are valid in the API's paths.
const NamePattern = `^[a-zA-Z_][a-zA-Z0-9_-]*$`

var nameForm = regexp.MustCompile(NamePattern)

// IsName reports whether the name of a tap or a policy is valid in the API's paths.
func IsName(name string) bool { return nameForm.MatchString(name) }
