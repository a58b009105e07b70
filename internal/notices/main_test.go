package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// All modules that the agent and the reader link have a licence.
func TestWrite(t *testing.T) {
	for program, dependency := range map[string]string{"visord": "go.yaml.in/yaml/v3", "visor-reader": "github.com/spf13/pflag"} {
		var b strings.Builder
		require.NoError(t, write(&b, "visor/examples/"+program))
		for _, want := range []string{"== Go standard library \n\nCopyright", "== " + dependency + " v", "Apache License"} {
			require.True(t, strings.Contains(b.String(), want), want)
		}
		for _, other := range []string{"== visor", "stretchr/testify"} { // only tests link these
			require.False(t, strings.Contains(b.String(), other), other)
		}
	}
	require.Error(t, write(&strings.Builder{}, "visor/nothing"))
}
