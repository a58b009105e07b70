package httpapi

import (
	"net/http"
	"regexp"
)

// route is one entry of the API, with its description for the OpenAPI document.
type route struct {
	method, path string
	summary      string
	tag          string
	// schema of the request's body, a document in YAML or JSON; "" for none
	takes string
	// schema of a successful answer; "" for an empty one, "text" for plain text
	gives  string
	status int // status of a successful answer
	errors []int
	serve  func(r *http.Request) reply
}

var parameter = regexp.MustCompile(`\{(\w+)\}`)

// shared reports whether clients with the same request share an answer, because it is made from all
// counts.
func (rt *route) shared() bool {
	return rt.method == http.MethodGet && (rt.tag == "metrics" || rt.path == "/api/v1/policies" || rt.path == "/api/v1/policies/{policy}")
}

// key identifies the answer to a request of a shared route.
func (rt *route) key(r *http.Request) string {
	if rt.query() == nil {
		return r.URL.Path // the query has no effect
	}
	return r.URL.RequestURI()
}

// query returns the parameters in the query of a request, or nil if it has no effect.
func (rt *route) query() (out []object) {
	add := func(name, description string, required bool) {
		out = append(out, object{"name": name, "in": "query", "required": required, "description": description, "schema": object{"type": "string"}})
	}
	if rt.gives != "snapshot" && rt.gives != "History" && rt.gives != "SeriesAnswer" {
		return nil
	}
	add("from", "start: RFC 3339, seconds since 1970, or as -1h before now; without it an hour ago", false)
	add("to", "end, in the same forms; without it now", false)
	if rt.gives == "snapshot" {
		return out
	}
	add("step", "length of a step in whole seconds, as 60, 10m, 1h or 1d; at most 2,000 steps", false)
	if rt.gives == "History" {
		add("metrics", "beginnings of paths to show, comma separated, as dns.wire_packets,dns.top_qname2; without it all", false)
	} else {
		add("metric", "paths of metrics, comma separated, as dns.wire_packets.total or dns.xact.in.quantiles_us.p99", true)
	}
	return out
}

// lasts reports whether the answer may take longer than a server's usual timeouts.
func (rt *route) lasts() bool { return rt.takes == "Question" }

// names returns the names of the path's parameters.
func (rt *route) names() (out []string) {
	for _, m := range parameter.FindAllStringSubmatch(rt.path, -1) {
		out = append(out, m[1])
	}
	return out
}

// routes returns all routes. Routes for admins are only present with Config.Admin.
func (a *API) routes() []route {
	const (
		ok, created           = http.StatusOK, http.StatusCreated
		missing, bad, exists  = http.StatusNotFound, http.StatusBadRequest, http.StatusConflict
		broken, early, unfit  = http.StatusInternalServerError, http.StatusTooEarly, http.StatusUnprocessableEntity
		tooLarge, unavailable = http.StatusRequestEntityTooLarge, http.StatusServiceUnavailable
	)
	all := []route{
		{"GET", "/api/v1/metrics/app", "Version and uptime of the program", "app", "", "App", ok, nil, a.app},
		{"GET", "/api/v1/metrics/rates", "Deprecated, and always 0: see 'live' in bucket 0", "app", "", "Rates", ok, nil, rates},
		{"GET", "/api/v1/metrics/bucket/{n}", "One period of the policy 'default'; 0 is the live one", "metrics", "", "Summary", ok, []int{missing, broken}, a.defaultBucket},
		{"GET", "/api/v1/metrics/window/{n}", "The n newest periods of the policy 'default', merged", "metrics", "", "Summary", ok, []int{missing, broken}, a.defaultWindow},
		{"GET", "/metrics", "The policy 'default' for Prometheus: the last closed period; and the account of all input of the agent (visor_…)", "metrics", "", "text", ok, []int{missing, broken}, a.defaultPrometheus},
		{"GET", "/metrics/counters", "All policies for Prometheus, as counters and histograms of the time since their start, which only grow; and the account of all input of the agent (visor_…). In protobuf, if the client prefers it, with native histograms", "metrics", "", "text", ok, nil, a.allCounters},

		{"GET", "/api/v1/taps", "All taps", "taps", "", "Taps", ok, nil, a.taps},
		{"GET", "/api/v1/taps/{tap}", "One tap", "taps", "", "Taps", ok, []int{missing}, a.tap},
		{"GET", "/api/v1/policies", "All policies, including those for the cost of inputs", "policies", "", "Policies", ok, nil, a.policies},
		{"GET", "/api/v1/policies/{policy}", "One policy", "policies", "", "Policies", ok, []int{missing}, a.policy},

		{"GET", "/api/v1/policies/{policy}/metrics/bucket/{n}", "One period of a policy, or of all by the name __all; 0 is the live one", "metrics", "", "Metrics", ok, []int{missing, early, broken}, a.bucket},
		{"GET", "/api/v1/policies/{policy}/metrics/window/{n}", "The n newest periods of a policy, or of all by the name __all, merged", "metrics", "", "Metrics", ok, []int{missing, early, broken}, a.window},
		{"GET", "/api/v1/policies/{policy}/metrics/prometheus", "A policy, or all by the name __all, for Prometheus: the last closed period", "metrics", "", "text", ok, []int{missing, broken}, a.prometheus},
		{"GET", "/api/v1/policies/{policy}/metrics/counters", "A policy, or all by the name __all, for Prometheus: counters and histograms of the time since its start, which only grow", "metrics", "", "text", ok, []int{missing}, a.policyCounters},

		{"GET", "/api/v1/policies/{policy}/snapshot", "The last closed period of a policy, or a range of time from its history, as bytes that visor-reader and handler.ReadSnapshot read and merge; compressed with zstd", "metrics", "", "snapshot", ok, []int{missing, bad, early, broken}, a.snapshot},
		{"GET", "/api/v1/policies/{policy}/history", "What a policy counted in a range of time, as one or by steps; the live period included", "metrics", "", "History", ok, []int{missing, bad, broken}, a.history},
		{"GET", "/api/v1/policies/{policy}/metrics/series", "Values of some metrics of a policy over time, for charts", "metrics", "", "SeriesAnswer", ok, []int{missing, bad, broken}, a.metricSeries},

		{"GET", "/api/v1/findings", "What stands out in the traffic of all policies: what lasts, and what ended lately", "findings", "", "Findings", ok, nil, a.findings},
		{"GET", "/api/v1/policies/{policy}/findings", "What stands out in the traffic of a policy", "findings", "", "Findings", ok, []int{missing}, a.findings},

		{"GET", "/api/v1/schemas", "Names of the JSON Schemas of what handlers answer", "app", "", "Schemas", ok, nil, a.listSchemas},
		{"GET", "/api/v1/schemas/{schema}", "JSON Schema of what a handler answers, named by its type and version, as dns-2.0", "app", "", "Schema", ok, []int{missing}, a.schema},
		{"GET", "/openapi.json", "This description", "app", "", "Schema", ok, nil, a.description},
		{"GET", "/healthz", "Whether the process answers", "app", "", "text", ok, nil, healthy},
		{"GET", "/readyz", "Whether the program is ready: policies are loaded, and it is not about to end", "app", "", "text", ok, []int{unavailable}, a.ready},
	}
	if !a.cfg.Admin {
		return all
	}
	all = append(all, []route{
		{"POST", "/api/v1/taps", "Create a tap", "taps", "TapDocument", "Taps", created, []int{bad, exists, tooLarge, broken}, a.addTap},
		{"DELETE", "/api/v1/taps/{tap}", "Delete a tap; policies that use it run on", "taps", "", "Nothing", ok, []int{missing}, a.removeTap},
		{"POST", "/api/v1/policies", "Create a policy", "policies", "PolicyDocument", "Policies", created, []int{bad, exists, tooLarge, unfit, broken}, a.addPolicy},
		{"PUT", "/api/v1/policies/{policy}", "Replace a policy without a gap, or create it", "policies", "PolicyDocument", "Policies", ok, []int{bad, exists, tooLarge, unfit, broken}, a.replacePolicy},
		{"POST", "/api/v1/policies/{policy}/ask", "Count only what is asked for a name, or by a client or an autonomous system, for some time; answers then", "policies", "Question", "Answer", ok, []int{missing, bad, exists, tooLarge, unfit, unavailable, broken}, a.ask},
		{"DELETE", "/api/v1/policies/{policy}", "End a policy", "policies", "", "Nothing", ok, []int{missing}, a.removePolicy},
	}...)
	if a.cfg.Stop != nil {
		all = append(all, route{"DELETE", "/api/v1/server", "Stop the program", "app", "", "", ok, nil, a.stop})
	}
	return all
}
