package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"visor/handler/policy"
	"visor/internal/golden"
)

// TestKeys compares KEYS.md, the list of the handlers' keys, with the declarations of their fields.
func TestKeys(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Keys of handlers in policies\n\nGenerated from the declarations: `go test ./handler/policy -run TestKeys -update`.\n" +
		"The keys stand in `config`, `filter` or `window_config`. Keys of `filter` win over those of `config`.\n")
	for _, a := range policy.Builtin().Handlers {
		fmt.Fprintf(&b, "\n## %s %s\n\n| key | type | range | meaning |\n|---|---|---|---|\n", a.Type, a.Version)
		for _, k := range a.Keys {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", k.Name, k.Type, k.Range(), k.Help)
		}
	}
	golden.Equal(t, "KEYS.md", []byte(b.String()))
}
