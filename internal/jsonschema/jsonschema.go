// Package jsonschema builds JSON Schemas (draft 2020-12) of Go maps. The packages that describe
// documents, answers and the API share it.
package jsonschema

// Object is a schema, or another object of JSON.
type Object = map[string]any

// Record returns the schema of an object that has the required properties and no other ones than
// these.
func Record(properties Object, required ...string) Object {
	out := Object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

// Map returns the schema of an object with any keys.
func Map(values any) Object { return Object{"type": "object", "additionalProperties": values} }

// List returns the schema of an array.
func List(items any) Object { return Object{"type": "array", "items": items} }

// Ref returns a reference to a schema.
func Ref(path string) Object { return Object{"$ref": path} }

// Any returns the schema of any object.
func Any() Object { return Object{"type": "object"} }
