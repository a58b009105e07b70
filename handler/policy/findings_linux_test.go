package policy_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/handler/policy"
	"visor/handler/policy/builtin"
)

// TestFindingsErrors: each wrong value of the block has its own position.
func TestFindingsErrors(t *testing.T) {
	const of = "invalid findings for policy 'all': "
	for block, want := range map[string]string{
		"{warmup_periods: 0}":                            of + "warmup_periods must be from 1 to 1440 but is 0 (line 12, column 18)",
		"{enabled: true, warmup_periods: 61}":            of + "warmup_periods is 61, more than baseline_periods, which is 60 (line 12, column 33)",
		"{allow_clients: [192.0.2.1, 10.0.0.0/33]}":      of + `allow_clients: "10.0.0.0/33" is neither an address nor a network (line 12, column 45)`,
		"{allow_names: [a.org, b.org, '*.example.com']}": of + `allow_names: "*.example.com" is not a domain; allow_suffixes has the names below a domain, without * (line 12, column 46)`,
		"{allow_suffixes: [a..b]}":                       of + `allow_suffixes: "a..b" is not a domain; allow_suffixes has the names below a domain, without * (line 12, column 35)`,
		"{min_label: 3}":                                 "(line 12, column 18); did you mean 'min_labels'?",
	} {
		text := strings.Replace(good, "    all:\n", "    all:\n      findings: "+block+"\n", 1)
		require.ErrorContains(t, refusal(builtin.Catalog().Parse([]byte(text))), want)
	}
	two := strings.Replace(good, "    all:\n", "    all:\n      findings: {allow_clients: [x, y], spike_percent: 9}\n", 1)
	var got []string
	for _, p := range policy.Problems(refusal(builtin.Catalog().Parse([]byte(two)))) {
		got = append(got, p.Error())
	}
	require.Equal(t, []string{
		of + "spike_percent must be from 10 to 100000 but is 9 (line 12, column 41)",
		of + `allow_clients: "x" is neither an address nor a network (line 12, column 34)`,
		of + `allow_clients: "y" is neither an address nor a network (line 12, column 37)`,
	}, got)
}
