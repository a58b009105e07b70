package export

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"visor/handler"
	"visor/handler/metric"
	"visor/internal/jsonschema"
)

// WriteJSONSchema writes the JSON Schema (draft 2020-12, https://json-schema.org) of a handler's
// answers, that is, of the object below its schema key in [WriteJSON] and [WritePoliciesJSON]. The
// schema follows from the declaration of the metrics. Metrics that the enabled groups always show
// are required. If info.Groups is 0, the schema accepts answers with any groups.
func WriteJSONSchema(w io.Writer, info handler.Info) error {
	root := newNode()
	root.addAll(info.Metrics, info.Groups)
	root.required = append(root.required, "period")
	schema := root.schema()
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["title"] = fmt.Sprintf("%s %s", info.Type, info.Version)
	schema["properties"].(object)["period"] = jsonschema.Ref("#/$defs/period")
	schema["$defs"] = definitions()
	b, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// node is an object of the schema under construction.
type node struct {
	objects  map[string]*node
	metrics  object
	each     object // schema of the objects of a map's keys, or nil
	required []string
}

func newNode() *node { return &node{objects: make(map[string]*node), metrics: make(object)} }

func (n *node) addAll(fields []metric.Field, groups metric.GroupSet) {
	for i := range fields {
		n.add(&fields[i], groups)
	}
}

// add adds a field to the schema.
func (n *node) add(f *metric.Field, groups metric.GroupSet) {
	path, last := f.Path, ""
	if f.Subjects == nil {
		path, last = path[:len(path)-1], path[len(path)-1]
	}
	always := f.Subjects == nil && groups.Has(f.Groups) && !f.Sparse && alwaysShown(f.Kind)
	for _, name := range path {
		if always {
			n.require(name)
		}
		if n.objects[name] == nil {
			n.objects[name] = newNode()
		}
		n = n.objects[name]
	}
	if f.Subjects != nil {
		sub := newNode()
		sub.addAll(f.Subjects, groups)
		n.each = sub.schema()
		return
	}
	if always {
		n.require(last)
	}
	n.metrics[last] = object{"$ref": "#/$defs/" + definition(f), "description": f.Help}
}

func (n *node) require(name string) {
	if !slices.Contains(n.required, name) {
		n.required = append(n.required, name)
	}
}

func (n *node) schema() object {
	properties := make(object)
	for name, m := range n.metrics {
		properties[name] = m
	}
	for name, child := range n.objects {
		properties[name] = child.schema()
	}
	out := jsonschema.Record(properties)
	if n.each != nil {
		out["additionalProperties"] = n.each
	}
	if len(n.required) > 0 {
		slices.Sort(n.required)
		out["required"] = n.required
	}
	return out
}

// alwaysShown reports whether metrics of a kind are shown without samples.
func alwaysShown(k metric.Kind) bool {
	return k != metric.KindQuantile && k != metric.KindRate && k != metric.KindHistogram
}

// definition returns the name of the definition for the value of f.
func definition(f *metric.Field) string {
	switch f.Kind {
	case metric.KindTop:
		return "top"
	case metric.KindQuantile:
		if f.Float {
			return "ratios"
		}
		return "quantiles"
	case metric.KindRate:
		return "rate"
	case metric.KindHistogram:
		return "histogram"
	}
	return "count"
}

func definitions() object {
	count := object{"type": "integer", "minimum": 0}
	text := object{"type": "string"}
	quantiles := func(value, more object, required ...string) object {
		properties := object{"p50": value, "p90": value, "p95": value, "p99": value}
		for name, schema := range more {
			properties[name] = schema
		}
		out := jsonschema.Record(properties)
		if len(required) > 0 {
			out["required"] = required
		}
		return out
	}
	all := []string{"p50", "p90", "p95", "p99"}
	return object{
		"count":     count,
		"quantiles": quantiles(object{"type": "integer"}, nil, all...),
		"ratios":    quantiles(object{"type": "number"}, nil, all...),
		"rate":      quantiles(count, object{"live": count}),
		"histogram": object{
			"type": "object", "required": []string{"buckets"}, "additionalProperties": false,
			"properties": object{"buckets": object{"type": "object", "required": []string{"+Inf"}, "additionalProperties": object{"type": "number", "minimum": 0}}},
		},
		"top": object{"type": "array", "items": object{
			"type": "object", "required": []string{"name", "estimate"}, "additionalProperties": false,
			"properties": object{"name": text, "estimate": count, "lat": text, "lon": text},
		}},
		"period": object{
			"type": "object", "required": []string{"start_ts", "length"}, "additionalProperties": false,
			"properties": object{"start_ts": object{"type": "integer"}, "length": count},
		},
	}
}
