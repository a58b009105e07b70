package policy

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"go.yaml.in/yaml/v3"

	"visor/handler/metric"
)

// Errors about keys of inputs and handlers show only when these are made. The parser makes them once to have the places of the errors, and
// drops them. Missing keys are no error before a policy starts: a tap may leave them to the policy.

// report is how a finding is noted: as an error, a policy's fault, or a warning.
type report func(node *yaml.Node, known []string, format string, args ...any)

// checkTap warns of what is wrong with the keys of a tap. A policy that uses the tap cannot start; the tap itself is accepted, as by
// pktvisor.
func (p *parser) checkTap(node *yaml.Node, t *Tap) {
	prefix := fmt.Sprintf("invalid tap config for tap '%s': ", t.Name)
	for config := maps.Clone(t.Config); len(config) > 0; {
		err := checkInput(t.InputType, config, nil)
		wrong, ok := errors.AsType[*keyError](err)
		if !ok {
			return
		}
		p.located(p.warnAt, err, prefix, p.find(node, "config"))
		if _, given := config[wrong.key]; !given {
			return
		}
		delete(config, wrong.key) // what is wrong beside it is found next
	}
}

// checkPolicyInput finds what is wrong with the keys that a policy has for its input.
func (p *parser) checkPolicyInput(node *yaml.Node, in *Input, prefix string) {
	p.located(p.faultAt, checkInput(in.InputType, in.Config, nil), prefix, p.find(node, "config"))
	p.located(p.faultAt, checkInput(in.InputType, nil, in.Filter), prefix, p.find(node, "filter"))
}

// checkInput returns what is wrong with a key of an input's configuration, or of a policy's filter for it.
func checkInput(typ string, config, only Options) (err error) {
	switch typ {
	case "pcap":
		_, err = readPcapInput(merged(config, only))
	case "dnstap":
		if _, err = ParseTapFilter(only); err == nil {
			_, err = ParseTapInput(config)
		}
	case "flow", "sflow":
		_, err = ParseFlowInput(config)
	case "netprobe":
		_, err = readProbeInput(config)
	}
	return err
}

// checkModule finds what is wrong with the keys of a module, those of window_config among them.
func (p *parser) checkModule(pol *Policy, m Module, node, window *yaml.Node) {
	m.Config = merged(m.Config, pol.Window)
	_, err := Build(m, Env{})
	prefix := failedToStart(pol.Name)
	if group, ok := errors.AsType[*metric.GroupError](err); ok {
		p.faultAt(p.groupNode(node, group.Name), group.Valid, "%s%v", prefix, err)
		return
	}
	filter, config := p.find(node, "filter"), p.find(node, "config")
	if _, ok := errors.AsType[*keyError](err); err != nil && !ok {
		err = p.named(err, filter, config)
	}
	p.located(p.faultAt, err, prefix, filter, config, window)
}

// failedToStart begins the error of a policy that cannot start.
func failedToStart(name string) string { return fmt.Sprintf("policy [%s] failed to start: ", name) }

// named returns err as one of the key that it names: handlers do that in what they complain of.
func (p *parser) named(err error, maps ...*yaml.Node) error {
	for _, node := range maps {
		if node == nil {
			continue
		}
		for key := range p.pairs(node) {
			if strings.Contains(err.Error(), key.Value) {
				return &keyError{key: key.Value, error: err}
			}
		}
	}
	return err
}

// groupNode returns where a metric group is named.
func (p *parser) groupNode(node *yaml.Node, name string) *yaml.Node {
	groups := p.find(node, "metric_groups")
	for _, list := range p.pairs(groups) {
		for _, item := range list.Content {
			if item = p.resolve(item); item.Value == name {
				return item
			}
		}
	}
	return groups
}

// located reports a key where it stands in one of maps. A key that stands in none of them is not reported.
func (p *parser) located(note report, err error, prefix string, maps ...*yaml.Node) {
	wrong, ok := errors.AsType[*keyError](err)
	if !ok {
		return
	}
	for _, node := range maps {
		if node == nil {
			continue
		}
		for key := range p.pairs(node) {
			if key.Value == wrong.key {
				note(key, wrong.known, "%s%v", prefix, err)
				return
			}
		}
	}
}
