// Package httpapi answers HTTP requests about the policies of a [policy.Manager], with the paths, bodies and status codes of pktvisor's
// agent, and changes them:
//
//	api, err := httpapi.New(httpapi.Config{Policies: manager, Admin: true})
//	...
//	err = httpapi.NewServer(api).ListenAndServe()
//
// The API describes itself: GET /openapi.json is made of the table that the routes are made of, with the JSON Schemas of all handlers.
// Beyond pktvisor's routes there are:
//
//	PUT /api/v1/policies/{policy}   replace a policy without a gap, or create it
//	GET /api/v1/schemas             JSON Schemas of what the handlers answer
//	GET /healthz, /readyz           for those that watch the process
//
// It differs from pktvisor in these: a Content-Type may have parameters, application/yaml (RFC 9512) is accepted too. Bytes in an answer
// that are not UTF-8 are repaired. An error of a document has the status 400, a 404 has a body. There can be a bearer token and certificates
// of clients. With Admin and no token, Host and Origin must name this server (DNS rebinding). Keys that pktvisor passes over are warnings in
// the answer; ?strict=1 refuses them.
//
// Memory is bounded: a few answers are made at a time, clients that ask for the same meanwhile share one, and those beyond are asked to come
// again (503, Retry-After).
package httpapi
