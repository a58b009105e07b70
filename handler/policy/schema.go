package policy

import (
	"strconv"

	"visor/export/findings"
	"visor/handler"
	"visor/handler/anonymize"
	"visor/handler/metric"
	"visor/handler/options"
	"visor/internal/jsonschema"
)

type object = map[string]any

// Schemas returns JSON Schemas of documents by name: of a configuration file, and of documents with
// a single tap or policy. They refer to each other by the prefix and their names. A valid document
// has no errors and no warnings that depend on single values; what depends on several keys, as the
// options of the tests of probes, is beyond a schema.
func (c Catalog) Schemas(prefix string) (map[string]any, error) {
	s := schemas{Catalog: c, prefix: prefix, all: make(object)}
	if err := s.modules(); err != nil {
		return nil, err
	}
	s.inputs()
	global := make(object)
	for i := range c.Handlers {
		if a := &c.Handlers[i]; a.Version == "1.0" {
			global[a.Type] = s.ref(moduleOptions(a))
		}
	}
	taps, policies := jsonschema.Map(s.ref("TapDefinition")), s.policies()
	sections := object{"config": jsonschema.Any(), "global_handler_config": jsonschema.Record(global), "taps": taps, "policies": policies}
	for i := range c.Sections {
		sections[c.Sections[i].Name] = options.Schema(c.Sections[i].Keys)
	}
	s.all["Configuration"] = document(jsonschema.Record(sections))
	s.all["TapDocument"] = document(single("taps", taps))
	s.all["PolicyDocument"] = document(single("policies", policies))
	return s.all, nil
}

// schemas collects schemas that refer to each other.
type schemas struct {
	Catalog
	prefix string
	all    object
}

func (s *schemas) ref(name string) object { return jsonschema.Ref(s.prefix + name) }

func tableSchema(keys []options.Key, anyKey bool) object {
	out := options.Schema(keys)
	if anyKey {
		delete(out, "additionalProperties")
	}
	return out
}

func document(visor object) object {
	return jsonschema.Record(object{"version": object{"enum": []any{"1.0", 1}}, "visor": visor}, "visor")
}

// single returns the schema of a section with one entry.
func single(section string, entries object) object {
	return jsonschema.Record(object{section: object{"allOf": []any{entries}, "minProperties": 1, "maxProperties": 1}}, section)
}

func (s *schemas) policies() object {
	out := jsonschema.Map(s.ref("PolicyDefinition"))
	out["propertyNames"] = object{"pattern": NamePattern, "not": object{"const": allPolicies}}
	return out
}

// policy returns the schema of a policy.
func (s *schemas) policy(input object) object {
	module := s.ref("ModuleDefinition")
	// pktvisor accepts one redundant level
	nested := object{"anyOf": []any{module, singleton(module)}}
	beside := object{"type": "object", "minProperties": 2, "required": []string{"type"}}
	window := options.Schema(options.Keys[handler.Settings](""))
	delete(window, "additionalProperties")
	return jsonschema.Record(object{
		"kind": object{"const": "collection"}, "config": options.Schema(options.Keys[policyConfig]("")), "input": input,
		"findings": options.Schema(options.Keys[findings.Config]("")), "anonymize": options.Schema(options.Keys[anonymize.Config]("")),
		"handlers": jsonschema.Record(object{
			"window_config": window,
			"modules": object{"anyOf": []any{
				jsonschema.Map(nested), object{"type": "array", "items": object{"anyOf": []any{singleton(nested), beside}}},
			}},
		}, "modules"),
	}, "kind", "input", "handlers")
}

// singleton returns the schema of a table with one entry of any name.
func singleton(entry object) object {
	out := jsonschema.Map(entry)
	out["minProperties"], out["maxProperties"] = 1, 1
	return out
}

// inputs adds the schemas of taps and policies. The keys of config and filter depend on the type.
func (s *schemas) inputs() {
	types := object{"enum": s.InputTypes()}
	tap := jsonschema.Record(object{"input_type": types, "config": jsonschema.Any(), "tags": object{"type": []string{"object", "null"}},
		"anonymize": options.Schema(options.Keys[anonymize.Config]("")),
	}, "input_type")
	tags := object{"type": "array", "items": singleton(object{"type": []string{"string", "number", "boolean", "null"}})}
	selector := jsonschema.Record(object{"all": tags, "any": tags})
	selector["minProperties"], selector["maxProperties"] = 1, 1
	input := jsonschema.Record(object{
		"input_type": types, "config": jsonschema.Any(), "filter": jsonschema.Any(),
		"tap": object{"type": []string{"string", "number", "boolean"}, "minLength": 1}, "tap_selector": selector,
	}, "input_type")
	input["oneOf"] = []any{object{"required": []string{"tap"}}, object{"required": []string{"tap_selector"}}}
	var ofTap, ofInput []any
	for i := range s.Inputs {
		t := &s.Inputs[i]
		name, is := t.Name+"_input_options", object{"input_type": object{"const": t.Name}}
		s.all[name] = tableSchema(t.Keys, t.AnyKey)
		ofTap = append(ofTap, when(is, object{"config": s.ref(name)}, "input_type"))
		then := object{"config": s.ref(name)}
		switch len(t.FilterKeys) {
		case 0: // ignored
		case len(t.Keys):
			then["filter"] = s.ref(name)
		default:
			then["filter"] = tableSchema(t.FilterKeys, t.AnyKey)
		}
		ofInput = append(ofInput, when(is, then, "input_type"))
	}
	tap["allOf"], input["allOf"] = ofTap, ofInput
	s.all["TapDefinition"], s.all["PolicyDefinition"] = tap, s.policy(input)
}

// when returns a schema that applies to tables with certain values.
func when(values, then object, required ...string) object {
	return object{"if": object{"properties": values, "required": required}, "then": object{"properties": then}}
}

func moduleOptions(a *Analyzer) string { return a.Type + "_" + a.Version + "_module_options" }

// modules adds the schema of modules. The keys depend on the type and the version.
func (s *schemas) modules() error {
	var cases []any
	versions := make(map[string][]any)
	for i := range s.Handlers {
		a := &s.Handlers[i]
		versions[a.Type] = append(versions[a.Type], spellings(a.Version)...)
		info, err := a.Info()
		if err != nil {
			return err
		}
		required := []string{"type"}
		if a.Version != "1.0" {
			required = append(required, "require_version")
		}
		s.all[moduleOptions(a)] = tableSchema(a.Keys, a.AnyKey)
		keys := s.ref(moduleOptions(a))
		cases = append(cases, when(object{"type": object{"const": a.Type}, "require_version": object{"enum": spellings(a.Version)}},
			object{"config": keys, "filter": keys, "metric_groups": groupsSchema(info.GroupNames)}, required...))
	}
	for _, typ := range s.handlerTypes() {
		cases = append(cases, when(object{"type": object{"const": typ}}, object{"require_version": object{"enum": versions[typ]}}, "type"))
	}
	module := jsonschema.Record(object{
		"type": object{"enum": s.handlerTypes()}, "require_version": object{}, "config": jsonschema.Any(), "filter": jsonschema.Any(), "metric_groups": groupsSchema(nil),
	}, "type")
	module["allOf"] = cases
	s.all["ModuleDefinition"] = module
	return nil
}

// spellings returns a version as a text, and as the number that YAML reads without quotes.
func spellings(version string) []any {
	out := []any{version}
	if n, err := strconv.ParseFloat(version, 64); err == nil {
		out = append(out, n)
	}
	return out
}

// groupsSchema is the schema of metric_groups. Handlers without groups accept any name.
func groupsSchema(names metric.GroupNames) object {
	list := object{"type": "array"}
	if len(names) > 0 {
		list["items"] = object{"enum": names.Choices()}
	}
	out := jsonschema.Record(object{"enable": list, "disable": list})
	out["minProperties"] = 1
	return out
}
