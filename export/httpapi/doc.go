// Package httpapi serves pktvisor's REST API for a [policy.Manager]. Paths, bodies and status codes
// match pktvisor's agent:
//
//	api, err := httpapi.New(httpapi.Config{Policies: manager, Admin: true})
//	...
//	err = httpapi.NewServer(api).ListenAndServe() // at localhost:10853
//
// Clients can read policies and metrics. With Config.Admin they can also create and delete taps and
// policies: on an address other than localhost, require a token or client certificates.
//
// GET /openapi.json describes the API. It is generated from the table of routes and has the JSON
// Schemas of all handlers. There are routes that pktvisor does not have:
//
//	PUT /api/v1/policies/{policy}        replace a policy without a gap, or create it
//	POST /api/v1/policies/{policy}/ask   which clients ask for a name; answers after some time
//	GET /api/v1/policies/{policy}/history?from=&to=&step=&metrics=   counts of a range of time
//	GET /api/v1/policies/{policy}/metrics/series?metric=&from=&to=   values over time
//	GET /api/v1/schemas                  JSON Schemas of the handlers' answers
//	GET /healthz, /readyz                liveness and readiness of the process
//
// Unlike pktvisor:
//
//   - a Content-Type may have parameters, and application/yaml (RFC 9512) is accepted too
//   - bytes of an answer that are not UTF-8 are replaced
//   - an invalid document has the status 400, and a 404 has a body
//   - a bearer token and client certificates can be required
//   - with Admin and no token, Host and Origin must name this server (DNS rebinding)
//   - keys that pktvisor ignores cause warnings in the answer, or an error with ?strict=1
//
// Memory is bounded. Only a few answers are made at the same time, and clients that send the same
// request share one. Further clients get 503 with Retry-After.
package httpapi
