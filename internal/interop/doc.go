// Package interop tests visor against third-party programs and libraries that are too heavy for the
// library's go.mod: validators of OpenAPI, receivers of OpenTelemetry, and readers of monitoring
// formats.
package interop
