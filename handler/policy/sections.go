package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"visor/handler/anonymize"
	"visor/handler/options"
)

func (p *parser) taps(node *yaml.Node) (out []Tap) {
	for key, value := range p.pairs(node) {
		if !p.isName(key, "expecting tap identifier") || !p.isMap(value, "expecting tap configuration map") {
			continue
		}
		t := Tap{Name: key.Value, InputType: p.text(value, "input_type", "missing or invalid tap type key 'input_type'")}
		if t.InputType != "" && !slices.Contains(p.types.InputTypes(), t.InputType) {
			p.failAt(p.find(value, "input_type"), p.types.InputTypes(), "Tap '%s' requires input stream type '%s' which is not available", t.Name, t.InputType)
		}
		t.Config = p.options(value, "config", "tap configuration is not a map", "")
		// the API shows null for a tap without tags
		if tags := p.find(value, "tags"); tags != nil && tags.Tag != "!!null" {
			t.Tags = p.options(value, "tags", "tap tags is not a map", "")
		}
		t.Anonymize = p.anonymize(value, fmt.Sprintf("invalid anonymize for tap '%s': ", t.Name))
		p.only(value, fmt.Sprintf("tap '%s'", t.Name), "input_type", "config", "tags", "anonymize")
		p.checkTap(value, &t)
		out = append(out, t)
	}
	return out
}

func (p *parser) global(node *yaml.Node) (out []Global) {
	for key, value := range p.pairs(node) {
		if p.isMap(value, "expecting global_handler_config configuration map") {
			g := Global{key.Value, p.table(value, "")}
			a := p.types.analyzer(g.Type, "1.0")
			if a == nil {
				p.warnAt(key, p.types.handlerTypes(), "global_handler_config has no handler type '%s'", g.Type)
				continue
			}
			_, problems := a.read(&Module{Config: g.Config})
			p.located(p.warnAt, problems, fmt.Sprintf("invalid global_handler_config for '%s': ", g.Type), value)
			out = append(out, g)
		}
	}
	return out
}

// allPolicies means all policies in the API's paths.
const allPolicies = "__all"

// policies reads the policies. It refuses names that are invalid in the API's paths, because such a
// policy could not be deleted. pktvisor accepts them.
func (p *parser) policies(node *yaml.Node) []Policy {
	out := []Policy{} // not nil: there is a section
	for key, value := range p.pairs(node) {
		if !p.isName(key, "expecting policy identifier") || !p.isMap(value, "expecting policy configuration map") {
			continue
		}
		if !IsName(key.Value) || key.Value == allPolicies {
			p.fail(key, "invalid module name: %s", key.Value)
		}
		out = append(out, p.policy(key.Value, value))
	}
	return out
}

// policy reads a policy. Of several errors in its sections, it reports pktvisor's first error
// first.
func (p *parser) policy(name string, node *yaml.Node) Policy {
	p.faults = nil
	pol := Policy{Name: name}
	if kind := p.text(node, "kind", "missing or invalid policy kind at key 'kind'"); kind != "" && kind != "collection" {
		p.failAt(p.find(node, "kind"), []string{"collection"}, "unknown policy kind: %s", kind)
	}
	if input := p.find(node, "input"); input == nil || input.Kind != yaml.MappingNode {
		p.fail(orElse(input, node), "missing or invalid policy input stream configuration at key 'input'")
	} else {
		pol.Input = p.input(input, name)
	}
	if handlers := p.find(node, "handlers"); handlers == nil || handlers.Kind != yaml.MappingNode {
		p.fail(orElse(handlers, node), "missing or invalid handler configuration at key 'handlers'")
	} else {
		p.handlers(handlers, &pol)
	}
	p.policyConfig(node, &pol)
	p.findings(node, &pol)
	pol.Anonymize = p.anonymize(node, fmt.Sprintf("invalid anonymize for policy '%s': ", name))
	p.only(node, fmt.Sprintf("policy '%s'", name), "kind", "config", "input", "handlers", "findings", "anonymize")
	pol.Fault, p.earlier = p.faults.orNil(), append(p.earlier, p.faults...)
	return pol
}

// policyConfig has the keys of a policy's config.
type policyConfig struct {
	Merge bool          `policy:"merge_like_handlers" help:"shows handlers of the same type as one"`
	Lease time.Duration `policy:"lease_secs" range:"0-86400,cut" help:"the policy ends when no client has requested its metrics for this long"`

	Original string `policy:"original" help:"the policy whose traffic this one shows more closely: it ends with that one, and when that one shows addresses in another way"`
}

func (p *parser) policyConfig(node *yaml.Node, pol *Policy) {
	prefix := fmt.Sprintf("invalid policy config for policy '%s': ", pol.Name)
	var cfg policyConfig
	table, given := p.options(node, "config", "policy configuration is not a map", prefix), p.find(node, "config")
	for _, wrong := range options.Read(table, &cfg, "", options.Dialect{}) {
		if wrong.Known == nil {
			p.located(p.failAt, options.Problems{wrong}, prefix, given)
		}
	}
	pol.Merge, pol.Lease, pol.Original = cfg.Merge, cfg.Lease, cfg.Original
	if given != nil {
		p.only(given, fmt.Sprintf("'config' of policy '%s'", pol.Name), options.Names(options.Keys[policyConfig](""))...)
	}
}

// findings reads thresholds and exceptions of findings.
func (p *parser) findings(node *yaml.Node, pol *Policy) {
	prefix := fmt.Sprintf("invalid findings for policy '%s': ", pol.Name)
	table, given := p.options(node, "findings", "findings are not a map", prefix), p.find(node, "findings")
	if given == nil {
		return
	}
	problems := options.Read(table, &pol.Findings, "", options.Dialect{})
	var invalid options.Problems
	if errors.As(pol.Findings.Check(), &invalid) {
		problems = append(problems, invalid...)
	}
	p.located(p.failAt, problems, prefix, given)
}

// checkAllowed warns about exceptions of policies for clients that are never seen, because the
// policy or one of its taps shows networks in place of them.
func (p *parser) checkAllowed(policies *yaml.Node, all []Policy, taps []Tap) {
	for key, node := range p.pairs(policies) {
		for i := range all {
			if all[i].Name == key.Value {
				p.checkAllowedIn(node, &all[i], all[i].shown(taps))
			}
		}
	}
}

// shown returns how a policy shows addresses on the taps that it uses. A tap's own setting
// precedes the policy's.
func (p *Policy) shown(taps []Tap) (out []anonymize.Config) {
	add := func(cfg *anonymize.Config) {
		if cfg != nil && !slices.Contains(out, *cfg) {
			out = append(out, *cfg)
		}
	}
	used := false
	for i := range taps {
		if p.Input.uses(&taps[i]) {
			used = true
			add(cmp.Or(taps[i].Anonymize, p.Anonymize))
		}
	}
	if !used {
		add(p.Anonymize)
	}
	return out
}

// checkAllowedIn is checkAllowed for one policy. What is encrypted cannot be compared here.
func (p *parser) checkAllowedIn(node *yaml.Node, pol *Policy, shown []anonymize.Config) {
	for _, cfg := range shown {
		if cfg.KeyFile != "" {
			continue
		}
		method, err := anonymize.New(cfg)
		if err != nil {
			return // reported before
		}
		p.located(p.warnAt, pol.Findings.Unmatched(method.NewCache().Addr), fmt.Sprintf("findings of policy '%s': ", pol.Name), p.find(node, "findings"))
	}
}

// anonymize reads how addresses are shown, or returns nil without the section.
func (p *parser) anonymize(node *yaml.Node, prefix string) *anonymize.Config {
	given := p.find(node, "anonymize")
	if given == nil {
		return nil
	}
	cfg := new(anonymize.Config)
	table := p.options(node, "anonymize", "anonymize is not a map", prefix)
	problems := options.Read(table, cfg, "", options.Dialect{})
	p.located(p.failAt, problems, prefix, given)
	if err := cfg.Check(); err != nil && len(problems) == 0 {
		p.fail(given, "%s%v", prefix, err)
	}
	return cfg
}

func (p *parser) input(node *yaml.Node, policy string) Input {
	in := Input{InputType: p.text(node, "input_type", "missing or invalid input_type at key 'input.input_type'")}
	in.Config = p.options(node, "config", "input configuration is not a map", "invalid input config: ")
	in.Filter = p.options(node, "filter", "input filter configuration is not a map", "invalid input filter: ")
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
	p.only(node, "'input'", "tap", "tap_selector", "input_type", "config", "filter")
	p.checkPolicyInput(node, &in, failedToStart(policy))
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
