package httpapi

import (
	"cmp"
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
func (a *API) describe(routes []route) ([]byte, error) {
	documents, err := a.cfg.Policies.Types().Schemas("#/components/schemas/")
	if err != nil {
		return nil, err
	}
	schemas, err := a.schemas()
	if err != nil {
		return nil, err
	}
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
		item[strings.ToLower(rt.method)] = rt.operation(&a.guard)
	}
	doc := object{
		"openapi": "3.1.0",
		"info": object{
			"title": "visor", "version": cmp.Or(a.cfg.Version, "unknown"), "license": object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
			"description": "Taps, policies and metrics of a visor agent. Paths, bodies and status codes match pktvisor's agent.",
		},
		"servers":    []object{{"url": "/"}},
		"tags":       []object{{"name": "app", "description": "The program itself"}, {"name": "metrics", "description": "Results of policies"}, {"name": "taps", "description": "Inputs that policies may use"}, {"name": "policies", "description": "Analyzers and their inputs"}},
		"paths":      paths,
		"components": object{"schemas": components},
	}
	if a.guard.token != nil {
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
		strict := object{"name": "strict", "in": "query", "schema": object{"type": "boolean"}, "description": "reject a document that has warnings"}
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
	out := make(object)
	for _, part := range []object{agentSchemas(), policySchemas(), questionSchemas(), historySchemas(), findingSchemas(), alertSchemas()} {
		maps.Copy(out, part)
	}
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
