package httpapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"visor/handler/policy"
	"visor/internal/jsonschema"
)

// describe returns the OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.0) of routes.
func describe(routes []route, schemas map[string]answerSchema, documents object, version string, g *guard) ([]byte, error) {
	components, err := componentSchemas(schemas)
	if err != nil {
		return nil, err
	}
	maps.Copy(components, documents)
	paths := make(object)
	for i := range routes {
		rt := &routes[i]
		item, ok := paths[rt.path].(object)
		if !ok {
			item = make(object)
			paths[rt.path] = item
		}
		item[strings.ToLower(rt.method)] = rt.operation(g)
	}
	if version == "" {
		version = "unknown"
	}
	doc := object{
		"openapi": "3.1.0",
		"info": object{
			"title": "visor", "version": version, "license": object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
			"description": "Taps, policies and metrics of a visor agent. Paths, bodies and status codes match pktvisor's agent.",
		},
		"servers":    []object{{"url": "/"}},
		"tags":       []object{{"name": "app", "description": "The program itself"}, {"name": "metrics", "description": "Results of policies"}, {"name": "taps", "description": "Inputs that policies may use"}, {"name": "policies", "description": "Analyzers and their inputs"}},
		"paths":      paths,
		"components": object{"schemas": components},
	}
	if g.token != nil {
		doc["components"].(object)["securitySchemes"] = object{"token": object{"type": "http", "scheme": "bearer"}}
	}
	b, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("httpapi: %w", err)
	}
	return b, nil
}

// operation describes a route.
func (rt *route) operation(g *guard) object {
	responses := object{strconv.Itoa(rt.status): object{"description": http.StatusText(rt.status), "content": content(rt.gives)}}
	for _, status := range rt.errors {
		responses[strconv.Itoa(status)] = rt.failing(status)
	}
	if rt.shared() {
		responses["503"] = rt.failing(http.StatusServiceUnavailable)
	}
	out := object{"operationId": rt.operationID(), "summary": rt.summary, "tags": []string{rt.tag}, "responses": responses}
	switch probe := rt.path == "/healthz" || rt.path == "/readyz"; {
	case g.token == nil && (g.hosts == nil || probe):
	case g.token == nil:
		responses["403"] = rt.failing(http.StatusForbidden)
	case probe:
		out["security"] = []object{}
	default:
		out["security"] = []object{{"token": []string{}}}
		responses["401"] = rt.failing(http.StatusUnauthorized)
	}
	parameters := make([]object, 0)
	for _, name := range rt.names() {
		parameters = append(parameters, object{"name": name, "in": "path", "required": true, "schema": parameterSchema(name)})
	}
	if parameters = append(parameters, rt.query()...); len(parameters) > 0 {
		out["parameters"] = parameters
	}
	if rt.takes != "" {
		ref := object{"schema": component(rt.takes)}
		if rt.takes == "Question" {
			out["requestBody"] = object{"required": true, "content": object{"application/json": ref}}
			return out
		}
		strict := object{"name": "strict", "in": "query", "schema": object{"type": "boolean"}, "description": "refuse a document that there are warnings about"}
		out["parameters"] = append(parameters, strict)
		out["requestBody"] = object{"required": true, "content": object{"application/json": ref, "application/x-yaml": ref}}
	}
	return out
}

// failing describes an error. It is JSON, or text for routes with a text answer.
func (rt *route) failing(status int) object {
	body := content("Error")
	if rt.gives == "text" {
		maps.Copy(body, content("text"))
	}
	return object{"description": http.StatusText(status), "content": body}
}

// operationID derives an ID from the method and the path: getPoliciesPolicyMetricsBucketN.
func (rt *route) operationID() string {
	id := strings.ToLower(rt.method)
	for word := range strings.FieldsFuncSeq(strings.TrimPrefix(rt.path, "/api/v1"), func(r rune) bool { return strings.ContainsRune("/{}.", r) }) {
		id += strings.ToUpper(word[:1]) + word[1:]
	}
	return id
}

func parameterSchema(name string) object {
	switch name {
	case "n":
		return object{"type": "integer", "minimum": 0}
	case "schema":
		return object{"type": "string"}
	}
	return object{"type": "string", "pattern": policy.NamePattern}
}

func content(schema string) object {
	switch schema {
	case "":
		return object{}
	case "text":
		return object{"text/plain": object{"schema": object{"type": "string"}}}
	case "snapshot":
		return object{typeSnapshot: object{"schema": object{"type": "string", "format": "binary"}}}
	case "Schema":
		return object{"application/json": object{"schema": object{"type": "object"}}}
	}
	return object{typeJSON: object{"schema": component(schema)}}
}

// componentSchemas returns the schemas that the document refers to. It extracts the handlers'
// schemas from their standalone documents.
func componentSchemas(schemas map[string]answerSchema) (object, error) {
	out := basicSchemas()
	maps.Copy(out, findingSchemas())
	maps.Copy(out, alertSchemas())
	answers := make(map[string][]object) // keyed by schema key
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		var s object
		text := strings.ReplaceAll(string(schemas[name].text), `"#/$defs/`, `"#/components/schemas/`)
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			return nil, fmt.Errorf("httpapi: %w", err)
		}
		maps.Copy(out, s["$defs"].(object))
		delete(s, "$defs")
		delete(s, "$schema")
		out[name] = s
		key := schemas[name].key
		answers[key] = append(answers[key], component(name))
	}
	byKey := make(object)
	for key, refs := range answers {
		byKey[key] = object{"anyOf": refs}
	}
	out["Module"] = object{"type": "object", "properties": byKey, "additionalProperties": false, "maxProperties": 1}
	summary := maps.Clone(byKey)
	summary["period"] = component("period")
	out["Schemata"] = object{"type": "object", "properties": summary, "additionalProperties": false}
	return out, nil
}

// component returns a reference to a schema of the description.
func component(name string) object { return jsonschema.Ref("#/components/schemas/" + name) }

// basicSchemas returns the schemas other than the handlers' answers.
func basicSchemas() object {
	text, count, flag := object{"type": "string"}, object{"type": "integer", "minimum": 0}, object{"type": "boolean"}
	anything := jsonschema.Any()
	moment := object{"type": "string", "format": "date-time"}
	warnings := object{"type": "array", "items": text, "description": "what the document has that has no effect; in the answer to the request that brought it"}
	return object{
		"Error":   object{"type": "object", "required": []string{"error"}, "properties": object{"error": text, "errors": object{"type": "array", "items": object{"type": "object"}, "description": "all problems of the document: text, line, column, severity, nearest"}, "warnings": warnings}},
		"Nothing": object{"type": "object", "maxProperties": 0},
		"App":     jsonschema.Record(object{"app": jsonschema.Record(object{"version": text, "up_time_min": object{"type": "number", "minimum": 0}, "push": component("Push"), "alerts": component("Alerts")}, "version", "up_time_min")}, "app"),
		"Push": object{
			"type": "object", "description": "What became of requests that push metrics; refused, expired and overflowed ones are lost", "additionalProperties": false,
			"required":   []string{"sent", "refused", "expired", "overflowed", "retries", "rejected", "pending"},
			"properties": object{"sent": count, "refused": count, "expired": count, "overflowed": count, "retries": count, "rejected": count, "pending": count},
		},
		"Rates":   jsonschema.Record(object{"packets": jsonschema.Record(object{"in": count, "out": count}, "in", "out"), "warning": text}, "packets", "warning"),
		"Schemas": object{"type": "array", "items": text},
		"Tap":     jsonschema.Record(object{"config": anything, "input_type": text, "interface": text, "tags": object{"type": []string{"object", "null"}}, "anonymize": anything, "warnings": warnings}, "config", "input_type", "interface", "tags"),
		"Taps":    object{"type": []string{"object", "null"}, "additionalProperties": component("Tap")},
		"Account": object{
			"type": "object", "description": "What became of events: offered is the sum of the others", "additionalProperties": false,
			"required":   []string{"offered", "analysed", "filtered", "not_sampled", "undecodable", "dropped"},
			"properties": object{"offered": count, "analysed": count, "filtered": count, "not_sampled": count, "undecodable": count, "dropped": count},
		},
		"InputAccount": object{
			"type": "object", "description": "What became of frames, why some were not analysed, and the times of the first and the last",
			"required": []string{"offered", "analysed", "filtered", "not_sampled", "undecodable", "dropped", "reasons", "first", "last"},
			"properties": object{
				"offered": count, "analysed": count, "filtered": count, "not_sampled": count, "undecodable": count, "dropped": count,
				"reasons": object{"type": "array", "items": jsonschema.Record(object{"text": text, "count": count}, "text", "count")},
				"first":   object{"type": []string{"string", "null"}, "format": "date-time"},
				"last":    object{"type": []string{"string", "null"}, "format": "date-time"},
			},
			"additionalProperties": false,
		},
		"Input": object{
			"type": "object", "required": []string{"input", "module", "account"}, "properties": object{
				"account": component("InputAccount"),
				"input":   jsonschema.Record(object{"consumers": count, "running": flag}, "consumers", "running"),
				"module":  jsonschema.Record(object{"config": anything, "name": text}, "config", "name"),
			},
		},
		"HandlerModule": object{
			"type": "object", "required": []string{"module", "account"}, "properties": object{
				"account": component("Account"),
				"module":  jsonschema.Record(object{"config": anything, "name": text, "running": flag, "type": text}, "config", "name", "running", "type"),
			},
		},
		"Policy":   jsonschema.Record(object{"taps": jsonschema.Map(component("Tap")), "input": jsonschema.Map(component("Input")), "modules": jsonschema.Map(component("HandlerModule")), "anonymize": anything, "warnings": warnings}, "taps", "input", "modules"),
		"Policies": jsonschema.Map(component("Policy")),
		"Metrics":  jsonschema.Map(jsonschema.Map(component("Module"))),
		"Question": object{
			"type": "object", "description": "At least one of qname, client and asn; a message must match all that are given", "additionalProperties": false, "minProperties": 1,
			"properties": object{
				"qname":  object{"type": "string", "description": "a name, or *.example.com for it and all names below it"},
				"client": object{"type": "string", "description": "an address or a network of clients"},
				"asn":    object{"type": []string{"string", "integer"}, "description": "number of the autonomous system of clients"},
				"for":    object{"type": []string{"string", "number"}, "default": "60s", "description": "how long to count, as 60s or a number of seconds, 1 to 300"},
			},
		},
		"Gap": object{
			"type": "object", "description": "a time without counts, which is not the same as counts of zero", "required": []string{"from", "to"}, "additionalProperties": false,
			"properties": object{"from": moment, "to": moment, "reason": text},
		},
		"HistoryRange": object{
			"type": "object", "description": "from and to are the range that the counts cover", "required": []string{"from", "to", "records", "gaps", "metrics"}, "additionalProperties": false,
			"properties": object{
				"from": moment, "to": moment, "records": count, "gaps": jsonschema.List(component("Gap")),
				"left_out": object{"type": "object", "additionalProperties": jsonschema.List(text), "description": "names of metrics without a value, by module: values of different hash keys do not merge"},
				"metrics":  object{"anyOf": []object{{"type": "null"}, {"type": "object", "description": "as of a window; with the parameter metrics a part of it"}}},
			},
		},
		"History": object{"anyOf": []object{component("HistoryRange"), jsonschema.Record(object{
			"from": moment, "to": moment, "step": object{"type": "number"}, "steps": jsonschema.List(component("HistoryRange")),
		}, "from", "to", "step", "steps")}},
		"SeriesAnswer": jsonschema.Record(object{
			"policy": text, "from": moment, "to": moment, "step": object{"type": "number"}, "gaps": jsonschema.List(component("Gap")),
			"series": object{"type": "array", "items": jsonschema.Record(object{
				"metric": text, "module": text,
				"points": object{"type": "array", "items": object{
					"type": "array", "description": "value or null, between the start in seconds since 1970 and the length in seconds of the time that it covers", "minItems": 3, "maxItems": 3,
					"items": object{"type": []string{"number", "null"}},
				}},
			}, "metric", "module", "points")},
		}, "policy", "from", "to", "step", "series", "gaps"),
		"Answer": object{
			"type": "object", "required": []string{"answer", "seconds", "metrics"}, "additionalProperties": false,
			"properties": object{
				"answer":  object{"type": "string", "description": "the counts in words"},
				"seconds": object{"type": "number", "description": "how long was counted"},
				"metrics": component("Metrics"),
			},
		},
		"Summary": object{
			"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": false,
			"patternProperties": object{"^[0-9]+m$": component("Schemata")},
		},
	}
}
