// Package otlp pushes metrics to a receiver of OpenTelemetry (OTLP 1.x,
// https://opentelemetry.io/docs/specs/otlp), over HTTP or gRPC:
//
//	p, err := otlp.New(otlp.Config{Endpoint: "http://localhost:4318", Sources: sources})
//	...
//	err = p.Run(ctx) // until ctx is done
//
// The function sources returns what to push, such as a pipeline: []otlp.Source{{Of: pipeline}}.
// [Marshal] returns the request for one snapshot.
//
// Each period is pushed once, after it has ended. Names, attributes and scopes match pktvisor: one
// scope per policy, with the attribute policy_name. Requests that the receiver does not accept are
// kept and retried for Config.Budget, so a receiver that is down for a shorter time misses nothing.
// If the connection fails after the receiver accepts a request but before it acknowledges it, the
// request is sent again; OTLP has no deduplication.
//
// With [Config].Form a Pusher also pushes totals since the start, or pushes only these: cumulative
// sums and exponential histograms, from which rates and quantiles of any range can be computed. A
// total never decreases while its start time stays the same, even when a policy is replaced.
//
// Unlike pktvisor, a Pusher does not push the live period, retries, and respects its interval.
// Histograms have the counts of their bins, and the DNS root has its (empty) name.
package otlp
