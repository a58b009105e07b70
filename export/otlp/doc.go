// Package otlp pushes metrics to a receiver of OpenTelemetry (OTLP 1.x, https://opentelemetry.io/docs/specs/otlp), over HTTP or gRPC:
//
//	p, err := otlp.New(otlp.Config{Endpoint: "http://localhost:4318", Sources: sources})
//	...
//	err = p.Run(ctx) // until ctx is done
//
// Each period is pushed once, when it has ended: names, attributes and scopes are those of pktvisor, one scope for each policy, with the
// attribute policy_name. What a receiver does not take is kept and tried again, for Config.Budget; a receiver that was away for less
// gets all of it. Only if the connection breaks between a receiver's taking and its telling so does it get something twice: the
// protocol cannot tell.
//
// Where it differs from the reference, which pushes the running period too, never tries again, and ignores its interval: what is
// written here holds. A histogram has the counts of its bins, the DNS root its (empty) name.
package otlp
