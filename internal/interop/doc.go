// Package interop holds tests against programs and libraries of others, which are too heavy for the library's go.mod: validators of
// OpenAPI, receivers of OpenTelemetry, readers of what monitoring reads.
package interop
