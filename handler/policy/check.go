package policy

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"visor/handler"
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
	config := p.find(node, "config")
	for _, wrong := range p.types.input(t.InputType).problems(t.Config, nil) {
		if at := p.place(wrong.Path, config); at != nil {
			p.warnAt(at, wrong.Known, "%s%v", prefix, wrong)
			t.keepPlace(wrong, at)
		}
	}
}

// keepPlace keeps the position of a problem for policies that cannot start because of it.
func (t *Tap) keepPlace(wrong *options.Problem, at *yaml.Node) {
	if t.faults == nil {
		t.faults = make(map[string]*Error)
	}
	t.faults[strings.Join(wrong.Path, "/")] = errorAt(at, wrong.Known, "%v, in tap '%s'", wrong, t.Name)
}

// located adds the position of a problem to an error, if the problem is in the configuration of the
// tap and the policy does not override it.
func (t *Tap) located(err error, config, only Options) error {
	wrong, ok := errors.AsType[*options.Problem](err)
	if !ok {
		return err
	}
	at, key := t.faults[strings.Join(wrong.Path, "/")], wrong.Key()
	if _, filtered := only[key]; at != nil && !filtered && reflect.DeepEqual(config[key], t.Config[key]) {
		return at
	}
	return &Error{Text: wrong.Error(), Nearest: nearest(wrong.Path[len(wrong.Path)-1], wrong.Known)}
}

// checkPolicyInput reports the invalid keys of a policy's input.
func (p *parser) checkPolicyInput(node *yaml.Node, in *Input, prefix string) {
	t := p.types.input(in.InputType)
	p.located(p.faultAt, t.problems(in.Config, nil), prefix, p.find(node, "config"))
	p.located(p.faultAt, t.problems(nil, in.Filter), prefix, p.find(node, "filter"))
}

// checkModule reports the invalid keys of a module, including its window_config.
func (p *parser) checkModule(a *Analyzer, pol *Policy, m Module, node, window *yaml.Node) {
	p.warnPeriods(pol, &m, p.find(node, "config"), window)
	m.Config = merged(m.Config, pol.Window)
	prefix := failedToStart(pol.Name)
	_, problems := a.read(&m)
	p.located(p.faultAt, problems, prefix, p.find(node, "filter"), p.find(node, "config"), window)
	info, err := a.Info()
	groups := p.find(node, "metric_groups")
	if err == nil && groups != nil && len(info.GroupNames) == 0 {
		p.warnAt(groups, nil, "'metric_groups' of module '%s' has no effect: type '%s' has no groups", m.Name, m.Type)
	}
	for _, list := range p.pairs(groups) {
		for _, item := range list.Content {
			p.checkGroup(&info, p.resolve(item), prefix)
		}
	}
	if err != nil {
		p.faultAt(node, nil, "%s%v", prefix, err)
	}
}

// warnPeriods warns about the keys that pktvisor takes from a policy's window_config, or from the
// command line without one, and clamps in silence.
func (p *parser) warnPeriods(pol *Policy, m *Module, config, window *yaml.Node) {
	table := merged(m.Config, pol.Window)
	for _, k := range []struct {
		key  string
		most uint64
	}{{"num_periods", 10}, {"deep_sample_rate", 100}} {
		at := p.place([]string{k.key}, window, config)
		n, number := table[k.key].(uint64)
		switch {
		case at == nil:
		case pol.Window == nil:
			p.warnAt(at, nil, "'%s' of module '%s' has no effect without a window_config: write it there", k.key, m.Name)
		case number && (n < 1 || n > k.most):
			p.warnAt(at, nil, "%s %d: must be from 1 to %d; %d is used", k.key, n, k.most, min(max(n, 1), k.most))
		}
	}
}

// checkGroup checks the name of a metric group. Handlers without groups ignore names, as in
// pktvisor.
func (p *parser) checkGroup(info *handler.Info, node *yaml.Node, prefix string) {
	if len(info.GroupNames) == 0 {
		return
	}
	_, err := info.GroupNames.Resolve(0, info.Own, []string{node.Value}, nil)
	if group, ok := errors.AsType[*metric.GroupError](err); ok {
		p.faultAt(node, append(group.Valid, group.Own...), "%s%s", prefix, groupText(group))
	}
}

// groupText is pktvisor's text about an unknown metric group.
func groupText(e *metric.GroupError) string {
	return fmt.Sprintf("%s is an invalid/unsupported metric group. The valid groups are: %s", e.Name, strings.Join(e.Valid, ", "))
}

// failedToStart is the beginning of errors about policies that cannot start.
func failedToStart(name string) string { return fmt.Sprintf("policy [%s] failed to start: ", name) }

// located reports problems at their position in the first of maps that contains the key. It omits
// keys found in none.
func (p *parser) located(note report, problems options.Problems, prefix string, maps ...*yaml.Node) {
	for _, wrong := range problems {
		if at := p.place(wrong.Path, maps...); at != nil {
			note(at, wrong.Known, "%s%v", prefix, wrong)
		}
	}
}

// place returns the innermost key or list item of a path that exists in the first of maps with its
// first key, or nil.
func (p *parser) place(path []string, maps ...*yaml.Node) *yaml.Node {
	for _, node := range maps {
		if at, value := p.entry(node, path[0]); at != nil {
			return p.inside(at, value, path[1:])
		}
	}
	return nil
}

func (p *parser) inside(at, node *yaml.Node, path []string) *yaml.Node {
	for _, name := range path {
		key, value := p.entry(node, name)
		if key == nil {
			break
		}
		at, node = key, value
	}
	return at
}

// entry returns the key and the value of an entry of a map, or the item of a list, or nil.
func (p *parser) entry(node *yaml.Node, name string) (key, value *yaml.Node) {
	if node != nil && node.Kind == yaml.SequenceNode {
		if i, err := strconv.Atoi(name); err == nil && i < len(node.Content) {
			return node.Content[i], nil
		}
	}
	for key, value := range p.pairs(node) {
		if key.Value == name {
			return key, value
		}
	}
	return nil, nil
}
