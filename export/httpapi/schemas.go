package httpapi

import "visor/internal/jsonschema"

// agentSchemas are the schemas of answers about the whole agent, and of errors.
func agentSchemas() object {
	text, count := object{"type": "string"}, object{"type": "integer", "minimum": 0}
	return object{
		"Error":   object{"type": "object", "required": []string{"error"}, "properties": object{"error": text, "errors": object{"type": "array", "items": object{"type": "object"}, "description": "all problems of the document: text, line, column, severity, nearest"}, "warnings": warningList()}},
		"Nothing": object{"type": "object", "maxProperties": 0},
		"App":     jsonschema.Record(object{"app": jsonschema.Record(object{"version": text, "up_time_min": object{"type": "number", "minimum": 0}, "push": component("Push"), "alerts": component("Alerts")}, "version", "up_time_min")}, "app"),
		"Push": object{
			"type": "object", "description": "What became of requests that push metrics; refused, expired and overflowed ones are lost", "additionalProperties": false,
			"required":   []string{"sent", "refused", "expired", "overflowed", "retries", "rejected", "pending"},
			"properties": object{"sent": count, "refused": count, "expired": count, "overflowed": count, "retries": count, "rejected": count, "pending": count},
		},
		"Rates":   jsonschema.Record(object{"packets": jsonschema.Record(object{"in": count, "out": count}, "in", "out"), "warning": text}, "packets", "warning"),
		"Schemas": object{"type": "array", "items": text},
	}
}

// policySchemas are the schemas of taps, policies and their accounts.
func policySchemas() object {
	text, count, flag, anything := object{"type": "string"}, object{"type": "integer", "minimum": 0}, object{"type": "boolean"}, jsonschema.Any()
	return object{
		"Tap":  jsonschema.Record(object{"config": anything, "input_type": text, "interface": text, "tags": object{"type": []string{"object", "null"}}, "anonymize": anything, "warnings": warningList()}, "config", "input_type", "interface", "tags"),
		"Taps": object{"type": []string{"object", "null"}, "additionalProperties": component("Tap")},
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
				"reasons": object{"type": "array", "items": jsonschema.Record(object{"text": text, "count": count, "waiting": count}, "text", "count")},
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
		"Policy":   jsonschema.Record(object{"taps": jsonschema.Map(component("Tap")), "input": jsonschema.Map(component("Input")), "modules": jsonschema.Map(component("HandlerModule")), "anonymize": anything, "warnings": warningList()}, "taps", "input", "modules"),
		"Policies": jsonschema.Map(component("Policy")),
		"Metrics":  jsonschema.Map(jsonschema.Map(component("Module"))),
		"Summary": object{
			"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": false,
			"patternProperties": object{"^[0-9]+m$": component("Schemata")},
		},
	}
}

// warningList is the schema of the warnings about a document.
func warningList() object {
	return object{
		"type": "array", "items": object{"type": "string"},
		"description": "what the document has that has no effect; in the answer to the request that brought it",
	}
}

// questionSchemas are the schemas of a question about names or clients, and of its answer.
func questionSchemas() object {
	return object{
		"Question": object{
			"type": "object", "description": "At least one of qname, client and asn; a message must match all that are given", "additionalProperties": false, "minProperties": 1,
			"properties": object{
				"qname":  object{"type": "string", "description": "a name, *.example.com for it and all names below it, or * for any name"},
				"client": object{"type": "string", "description": "an address or a network of clients"},
				"asn":    object{"type": []string{"string", "integer"}, "description": "number of the autonomous system of clients"},
				"for":    object{"type": []string{"string", "number"}, "default": "60s", "description": "how long to count, as 60s or a number of seconds, 1 to 300"},
			},
		},
		"Answer": object{
			"type": "object", "required": []string{"answer", "seconds", "metrics"}, "additionalProperties": false,
			"properties": object{
				"answer":  object{"type": "string", "description": "the counts in words"},
				"seconds": object{"type": "number", "description": "how long was counted"},
				"metrics": component("Metrics"),
			},
		},
	}
}

// historySchemas are the schemas of counts kept in the history.
func historySchemas() object {
	text, count, moment := object{"type": "string"}, object{"type": "integer", "minimum": 0}, object{"type": "string", "format": "date-time"}
	return object{
		"Gap": object{
			"type": "object", "description": "a time without counts, which is not the same as counts of zero", "required": []string{"from", "to"}, "additionalProperties": false,
			"properties": object{"from": moment, "to": moment, "reason": text},
		},
		"Bound": object{
			"type": "object", "additionalProperties": false,
			"description": "how far values may be from the true ones, by module and metric: counts of a list may be too_high or too_low, of all its counts; quantiles are within a share of the true values; lists without a bound are exact, quantiles within 0.002",
			"properties":  object{"too_high": count, "too_low": count, "of": count, "within": object{"type": "number"}},
		},
		"HistoryRange": object{
			"type": "object", "description": "from and to are the range that the counts cover", "required": []string{"from", "to", "records", "gaps", "metrics"}, "additionalProperties": false,
			"properties": object{
				"from": moment, "to": moment, "records": count, "gaps": jsonschema.List(component("Gap")),
				"bounds":   jsonschema.Map(jsonschema.Map(component("Bound"))),
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
	}
}
