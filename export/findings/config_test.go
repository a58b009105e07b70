package findings_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/export/findings"
	"visor/handler/options"
)

// The texts of the keys have the defaults.
func TestDefaults(t *testing.T) {
	for _, k := range options.Keys[findings.Config]("") {
		if k.Type != "number" {
			continue
		}
		_, text, found := strings.Cut(k.Help, "; ")
		require.True(t, found, k.Name)
		n, err := strconv.Atoi(strings.TrimSuffix(text, " by default"))
		require.NoError(t, err, k.Name)
		var given, none findings.Config
		require.Empty(t, options.Read(options.Table{k.Name: uint64(n)}, &given, "", options.Dialect{}))
		require.Equal(t, none.WithDefaults(), given.WithDefaults(), k.Name)
	}
}
