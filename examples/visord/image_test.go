package main

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestImage checks that the image keeps the promises of SECURITY.md: a pinned base, a user without
// privileges, a capability on the file, and the notices of dependencies.
func TestImage(t *testing.T) {
	file, err := os.ReadFile("Dockerfile")
	require.NoError(t, err)
	for _, want := range []string{
		`(?m)^ARG GO_IMAGE=golang:\d+\.\d+\.\d+-\w+(@sha256:[0-9a-f]{64})?$`,
		`(?m)^FROM scratch$`,
		`(?m)^USER 65534:65534$`,
		`setcap cap_net_raw\+p /visord`,
		`go run \./internal/notices \./examples/visord >/NOTICES`,
		`(?m)^COPY --from=build /NOTICES `,
	} {
		require.Regexp(t, regexp.MustCompile(want), string(file))
	}
	require.NotContains(t, string(file), ":latest")
}
