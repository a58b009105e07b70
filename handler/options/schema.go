package options

import (
	"maps"

	"visor/internal/jsonschema"
)

// Schema returns the JSON Schema of a table with these keys and no others.
func Schema(keys []Key) map[string]any {
	properties := make(map[string]any, len(keys))
	for i := range keys {
		properties[keys[i].Name] = keys[i].Schema()
	}
	return jsonschema.Record(properties)
}

// Texts of digits are numbers in pktvisor, and true and false in any case are flags.
const (
	digits = "^[0-9]+$"
	flags  = "^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])$"
)

// Schema returns the JSON Schema of the key's value.
func (k *Key) Schema() map[string]any {
	s := map[string]any{"description": k.Help}
	switch k.Type {
	case "flag":
		s["anyOf"] = []any{map[string]any{"type": "boolean"}, pattern(flags)}
	case "number":
		number := map[string]any{"type": "integer", "minimum": 0}
		if k.Ranged && !k.cut {
			number["minimum"], number["maximum"] = k.Min, k.Max
		}
		s["anyOf"] = []any{number, pattern(digits)}
	case "list of texts":
		s["type"], s["items"] = "array", map[string]any{"type": []string{"string", "number", "boolean", "null"}}
		if k.Choices != nil {
			s["items"] = map[string]any{"enum": k.Choices}
		}
	case "table":
		maps.Copy(s, k.table())
	case "text", "file":
		if k.Choices != nil {
			s["enum"] = append([]string{""}, k.Choices...)
			break
		}
		s["type"] = []string{"string", "number", "null"}
		s["not"] = map[string]any{"anyOf": []any{map[string]any{"type": "integer", "minimum": 0}, pattern(digits), pattern(flags)}}
	}
	return s
}

func pattern(p string) map[string]any { return map[string]any{"type": "string", "pattern": p} }

// table returns the schema of a table, or of a table of tables. Unknown keys in it are ignored.
func (k *Key) table() map[string]any {
	out := map[string]any{"type": "object"}
	if k.Keys == nil {
		return out
	}
	inner := Schema(k.Keys)
	delete(inner, "additionalProperties")
	if k.Named {
		out["additionalProperties"] = inner
		return out
	}
	return inner
}
