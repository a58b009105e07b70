// Package httpapi answers HTTP requests about the policies of a [policy.Manager], with the paths, bodies and status codes of pktvisor's
// agent, and lets who may change them:
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
//	GET /healthz, /readyz           for who watches the process
//
// Where it differs from the reference: a Content-Type may have parameters, application/yaml (RFC 9512) is taken too; answers with bytes
// that are no UTF-8 are repaired instead of lost; there can be a bearer token, and certificates of clients.
package httpapi
