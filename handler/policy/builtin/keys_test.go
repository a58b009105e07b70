package builtin_test

import (
	"fmt"
	"strings"
	"testing"

	"visor/export/alert"
	"visor/export/findings"
	"visor/handler/anonymize"
	"visor/handler/options"
	"visor/handler/policy/builtin"
	"visor/internal/golden"
)

// TestKeys compares KEYS.md, the list of the keys of inputs and handlers, with the declarations of
// their fields.
func TestKeys(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Keys of inputs and handlers in policies\n\nGenerated from the declarations: `go test ./handler/policy/builtin -run TestKeys -update`.\n" +
		"\n## Inputs\n\nThe keys are part of `config` of a tap, or of `input.config` of a policy, which overrides the tap.\n" +
		"Keys of `input.filter` win over both. Keys with a dot are part of a nested table.\n")
	types := builtin.Catalog()
	for _, in := range types.Inputs {
		table(&b, "### "+in.Name, in.Keys)
	}
	b.WriteString("\n## Handlers\n\nThe keys are part of `config`, `filter` or `window_config`. Keys of `filter` override keys of `config`.\n" +
		"`metric_groups.enable` and `disable` list groups, see METRICS.md. In `enable`, `all` means pktvisor's groups and\n" +
		"`everything` means visor's own too, which are off otherwise unless `enable` names them.\n")
	for _, a := range types.Handlers {
		table(&b, "### "+a.Type+" "+a.Version, a.Keys)
	}
	b.WriteString("\n## Findings\n\nThe keys are part of `findings` of a policy.\n")
	table(&b, "### findings", options.Keys[findings.Config](""))
	b.WriteString("\n## Anonymize\n\nThe keys are part of `anonymize` of a policy or of a tap, see package anonymize. The tap's section precedes the policy's.\n" +
		"An empty section cuts addresses to 24 and 48 bits. Lengths and `key_file` exclude each other.\n")
	table(&b, "### anonymize", options.Keys[anonymize.Config](""))
	b.WriteString("\n## Alerts\n\nThe keys are part of `visor.alerts` of the agent's configuration file. Documents from the API cannot set them.\n")
	table(&b, "### alerts", alert.Keys())
	golden.Equal(t, "KEYS.md", []byte(b.String()))
}

func table(b *strings.Builder, title string, keys []options.Key) {
	fmt.Fprintf(b, "\n%s\n\n| key | type | range | meaning |\n|---|---|---|---|\n", title)
	rows(b, "", keys)
}

func rows(b *strings.Builder, prefix string, keys []options.Key) {
	for _, k := range keys {
		fmt.Fprintf(b, "| `%s%s` | %s | %s | %s |\n", prefix, k.Name, k.Type, k.Range(), k.Help)
		inner := prefix + k.Name + "."
		if k.Named {
			inner += "NAME."
		}
		rows(b, inner, k.Keys)
	}
}
