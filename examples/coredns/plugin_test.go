package main

import (
	"testing"

	"github.com/coredns/caddy"
	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct{ directive, name, err string }{
		{directive: "visor", name: "default"},
		{directive: "visor {\n}", name: "default"},
		{directive: "visor {\n name home\n}", name: "home"},
		{directive: "visor home", err: "Wrong argument count"},
		{directive: "visor {\n name\n}", err: "Wrong argument count"},
		{directive: "visor {\n names home\n}", err: `unknown property "names"; there is: name`},
	} {
		name, err := parse(caddy.NewTestController("dns", tc.directive), "default")
		if tc.err != "" {
			require.ErrorContains(t, err, tc.err, tc.directive)
			continue
		}
		require.NoError(t, err, tc.directive)
		require.Equal(t, tc.name, name, tc.directive)
	}
}

func TestDirectiveComesBeforeTheNext(t *testing.T) {
	require.Equal(t, []string{"log", "visor", "cache"}, before([]string{"log", "cache"}, "cache", "visor"))
}
