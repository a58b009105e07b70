package httpapi

import (
	"net/http"
	"slices"

	"visor/export/findings"
	"visor/handler/metric"
	"visor/internal/jsonschema"
)

// findings answers with the findings of all policies, or of one.
func (a *API) findings(r *http.Request) reply {
	active, resolved := []findings.Finding{}, []findings.Finding{}
	name, found := r.PathValue("policy"), false
	for _, p := range a.cfg.Policies.Policies() {
		if name == "" || name == p.Policy.Name {
			found = true
			now, before := p.Findings()
			active, resolved = append(active, now...), append(resolved, before...)
		}
	}
	if name != "" && !found {
		return failure(http.StatusNotFound, "policy does not exists")
	}
	slices.SortStableFunc(resolved, func(a, b findings.Finding) int { return b.Until.Compare(a.Until) })
	return jsonReply(http.StatusOK, object{"active": append([]findings.Finding{}, findings.Sorted(active)...), "resolved": resolved})
}

// maxFindingSeries bounds the series of visor_finding, whose subjects come from the traffic.
const maxFindingSeries = 20

// addFindings adds a series for each finding that has fired, the most urgent ones.
func (f *families) addFindings(a *API) {
	var all []findings.Finding
	for _, p := range a.cfg.Policies.Policies() {
		active, _ := p.Findings()
		all = append(all, active...)
	}
	seen := make(map[[4]string]bool)
	for _, x := range findings.Sorted(all) {
		id := [4]string{x.Policy, string(x.Kind), x.Subject, string(x.Severity)}
		if seen[id] || len(seen) == maxFindingSeries {
			continue
		}
		seen[id] = true
		f.add(&f.finding, 1, []metric.Label{
			{Name: "kind", Value: id[1]}, {Name: "policy", Value: id[0]}, {Name: "severity", Value: id[3]}, {Name: "subject", Value: id[2]},
		})
	}
}

// findingSchemas returns the schemas of findings.
func findingSchemas() object {
	text, number := object{"type": "string"}, object{"type": "number"}
	when := object{"type": "string", "format": "date-time"}
	parts := jsonschema.List(component("FindingPart"))
	return object{
		"Findings":      jsonschema.Record(object{"active": jsonschema.List(component("Finding")), "resolved": jsonschema.List(component("Finding"))}, "active", "resolved"),
		"FindingPart":   jsonschema.Record(object{"name": text, "count": object{"type": "integer", "minimum": 0}, "share": number, "grown": number}, "name", "count", "share"),
		"FindingFigure": jsonschema.Record(object{"name": text, "value": number, "usual": number, "unit": text}, "name", "value"),
		"Finding": jsonschema.Record(object{
			"key":      object{"type": "string", "description": "the same from the beginning of an episode to its end"},
			"kind":     object{"enum": findings.Kinds()},
			"severity": object{"enum": []findings.Severity{findings.Info, findings.Warning, findings.Attack}},
			"policy":   text, "module": text, "subject": text, "since": when, "until": when, "resolved": object{"type": "boolean"},
			"ended":    object{"type": "boolean", "description": "it is resolved because its policy has ended"},
			"replaced": object{"type": "boolean", "description": "another policy has replaced the one that has ended, and finds it again if it lasts"},
			"usual":    object{"type": "boolean", "description": "it is resolved because it lasted for so long that it counts as usual"},
			"figures":  jsonschema.List(component("FindingFigure")), "text": text,
			"evidence": jsonschema.Record(object{
				"examples": jsonschema.List(text), "clients": parts, "subnets": parts, "as": parts, "shares": parts, "concentration": number,
				"lists": jsonschema.List(jsonschema.Record(object{"name": text, "items": parts}, "name", "items")),
			}),
		}, "key", "kind", "severity", "module", "subject", "since", "until", "resolved", "figures", "evidence", "text"),
	}
}
