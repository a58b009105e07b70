package policy

import (
	"cmp"
	"slices"

	"visor/handler/options"
)

// Catalog lists the inputs and handlers that documents may name. The zero Catalog is empty. Package
// builtin has visor's own. A program adds its analyzers with Add, and appends its inputs.
type Catalog struct {
	Inputs   []InputType
	Handlers []Analyzer
	Sections []Section
}

// Add adds an analyzer, for policies on inputs of these types. Policies on other inputs cannot name
// it.
func (c *Catalog) Add(a Analyzer, inputs ...string) {
	c.Handlers = append(c.Handlers, a)
	for i := range c.Inputs {
		if slices.Contains(inputs, c.Inputs[i].Name) {
			c.Inputs[i].Feeds = append(c.Inputs[i].Feeds, a.Type)
		}
	}
}

// Section is a section of a configuration file for the agent itself. Documents from an API must not
// have it: they get a warning, and the section has no effect.
type Section struct {
	Name string
	Keys []options.Key // for the schema
	// returns the problems of a table; nil accepts all
	Check func(options.Table) options.Problems
}

// section returns the section with a name, or nil without one.
func (c *Catalog) section(name string) *Section {
	i := slices.IndexFunc(c.Sections, func(s Section) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return &c.Sections[i]
}

// analyzer returns the handler type in a version, or nil without one. Version "" means "1.0".
func (c *Catalog) analyzer(typ, version string) *Analyzer {
	version = cmp.Or(version, "1.0")
	i := slices.IndexFunc(c.Handlers, func(a Analyzer) bool { return a.Type == typ && a.Version == version })
	if i < 0 {
		return nil
	}
	return &c.Handlers[i]
}

// handlerTypes returns the names of the handler types, sorted.
func (c *Catalog) handlerTypes() (out []string) {
	for i := range c.Handlers {
		out = append(out, c.Handlers[i].Type)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// InputTypes returns the names of the inputs.
func (c *Catalog) InputTypes() (out []string) {
	for i := range c.Inputs {
		out = append(out, c.Inputs[i].Name)
	}
	return out
}

// input returns the input with a name, or nil without one.
func (c *Catalog) input(name string) *InputType {
	i := slices.IndexFunc(c.Inputs, func(t InputType) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	return &c.Inputs[i]
}
