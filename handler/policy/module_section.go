package policy

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

func (p *parser) handlers(node *yaml.Node, pol *Policy) {
	window := p.find(node, "window_config")
	switch {
	case window == nil:
	case window.Kind == yaml.MappingNode:
		pol.Window = p.table(window, "invalid stream handler window config: ")
	default:
		p.warnAt(window, nil, "'window_config' is not a map: it is ignored")
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
		for i, item := range modules.Content {
			p.item(pol, p.resolve(item), window)
			if i+1 == len(pol.Modules) && i+1 < len(modules.Content) {
				p.checkForwards(item, &pol.Modules[i])
			}
		}
	}
	p.only(node, "'handlers'", "window_config", "modules")
}

// checkForwards warns of a module that is not the last of its sequence and passes no events on.
func (p *parser) checkForwards(node *yaml.Node, m *Module) {
	a := p.types.analyzer(m.Type, m.Version)
	if a == nil {
		return // already an error
	}
	if info, err := a.Info(); err == nil && !info.Forwards {
		p.warnAt(node, nil, "module '%s' of type '%s' passes no events on: the modules behind it in the sequence count nothing", m.Name, m.Type)
	}
}

// item reads a module of a sequence: the name with a nested map, or the name with the module's keys
// beside it.
func (p *parser) item(pol *Policy, item, window *yaml.Node) {
	if item.Kind != yaml.MappingNode || len(item.Content) == 0 {
		p.fail(item, "expecting handler module identifier")
		return
	}
	key, value := item.Content[0], p.resolve(item.Content[1])
	rest := *item
	rest.Content = item.Content[2:]
	if value.Kind == yaml.ScalarNode && value.Value == "" {
		value = &rest
	} else {
		for other := range p.pairs(&rest) {
			p.warnAt(other, nil, "'%s' is ignored: an item of a sequence is one module, and this is '%s'", other.Value, key.Value)
		}
	}
	p.module(pol, key, value, window)
}

func (p *parser) module(pol *Policy, key, node, window *yaml.Node) {
	// pktvisor accepts one redundant level
	if inner := p.find(node, key.Value); inner != nil && p.find(node, "type") == nil {
		p.only(node, fmt.Sprintf("module '%s'", key.Value), key.Value)
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
	a := p.types.analyzer(m.Type, m.Version)
	if a == nil && m.Type != "" {
		p.failAt(p.find(node, "type"), p.types.handlerTypes(), "Policy '%s' requires stream handler type '%s' and version '%s' which is not available", pol.Name, m.Type, m.Version)
	}
	wrong := func(what string) string {
		return fmt.Sprintf("invalid stream handler %s for handler '%s': ", what, m.Name)
	}
	m.Filter = p.options(node, "filter", "stream handler filter configuration is not a map", wrong("filter config"))
	m.Config = p.options(node, "config", "stream handler configuration is not a map", wrong("config"))
	if groups := p.find(node, "metric_groups"); groups != nil {
		p.groups(&m, groups, wrong("metrics"))
	}
	p.only(node, fmt.Sprintf("module '%s'", m.Name), "type", "require_version", "config", "filter", "metric_groups")
	if a != nil {
		p.checkModule(a, pol, m, node, window)
	}
	pol.Modules = append(pol.Modules, m)
}

func (p *parser) groups(m *Module, node *yaml.Node, prefix string) {
	if !p.isMap(node, "stream handler metric groups is not a map") {
		return
	}
	table := p.table(node, prefix)
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
