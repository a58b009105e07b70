package policy

import (
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"

	"visor/handler/metric"
	"visor/handler/options"
)

// Missing keys of inputs are not errors before a policy starts, because a tap may leave them to the
// policy.

// report records a finding: as an error, a policy's fault, or a warning.
type report func(node *yaml.Node, known []string, format string, args ...any)

// checkTap warns about invalid keys of a tap. As in pktvisor, the tap is accepted, but a policy
// that uses it cannot start.
func (p *parser) checkTap(node *yaml.Node, t *Tap) {
	prefix := fmt.Sprintf("invalid tap config for tap '%s': ", t.Name)
	p.located(p.warnAt, p.types.input(t.InputType).problems(t.Config, nil), prefix, p.find(node, "config"))
}

// checkPolicyInput reports the invalid keys of a policy's input.
func (p *parser) checkPolicyInput(node *yaml.Node, in *Input, prefix string) {
	t := p.types.input(in.InputType)
	p.located(p.faultAt, t.problems(in.Config, nil), prefix, p.find(node, "config"))
	p.located(p.faultAt, t.problems(nil, in.Filter), prefix, p.find(node, "filter"))
}

// checkModule reports the invalid keys of a module, including its window_config.
func (p *parser) checkModule(a *Analyzer, pol *Policy, m Module, node, window *yaml.Node) {
	m.Config = merged(m.Config, pol.Window)
	prefix := failedToStart(pol.Name)
	_, problems := a.read(&m)
	p.located(p.faultAt, problems, prefix, p.find(node, "filter"), p.find(node, "config"), window)
	info, err := a.Info()
	for _, list := range p.pairs(p.find(node, "metric_groups")) {
		for _, item := range list.Content {
			p.checkGroup(info.GroupNames, p.resolve(item), prefix)
		}
	}
	if err != nil {
		p.faultAt(node, nil, "%s%v", prefix, err)
	}
}

// checkGroup checks the name of a metric group. Handlers without groups ignore names, as in
// pktvisor.
func (p *parser) checkGroup(names metric.GroupNames, node *yaml.Node, prefix string) {
	if len(names) == 0 {
		return
	}
	_, err := names.Resolve(0, []string{node.Value}, nil)
	if group, ok := errors.AsType[*metric.GroupError](err); ok {
		p.faultAt(node, group.Valid, "%s%v", prefix, err)
	}
}

// failedToStart is the beginning of errors about policies that cannot start.
func failedToStart(name string) string { return fmt.Sprintf("policy [%s] failed to start: ", name) }

// located reports keys at their position in the first of maps that contains them. It omits keys
// found in none.
func (p *parser) located(note report, problems []*options.Problem, prefix string, maps ...*yaml.Node) {
	for _, wrong := range problems {
		if key := p.keyNode(wrong.Key, maps); key != nil {
			note(key, wrong.Known, "%s%v", prefix, wrong)
		}
	}
}

func (p *parser) keyNode(name string, maps []*yaml.Node) *yaml.Node {
	for _, node := range maps {
		if node == nil {
			continue
		}
		for key := range p.pairs(node) {
			if key.Value == name {
				return key
			}
		}
	}
	return nil
}
