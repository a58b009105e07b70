package policy_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/handler/anonymize"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
)

func texts(all []*policy.Error) (out []string) {
	for _, e := range all {
		out = append(out, e.Error())
	}
	return out
}

// TestAllowedOnTaps: a policy from the API gets the same warnings as in a document with its tap.
func TestAllowedOnTaps(t *testing.T) {
	m, _ := manager(t)
	require.NoError(t, m.AddTap(policy.Tap{Name: "hiding", InputType: "pcap", Anonymize: &anonymize.Config{IPv4: 16}, Tags: policy.Options{"hides": true}}))
	const posted = `{"visor": {"policies": {"p": {"kind": "collection", "input": {%s, "input_type": "pcap"},
"findings": {"allow_clients": ["192.0.2.77"]}, "handlers": {"modules": {"net": {"type": "net"}}}}}}}`
	for tap, want := range map[string][]string{
		`"tap": "wired"`:  nil,
		`"tap": "hiding"`: {`findings of policy 'p': allow_clients: "192.0.2.77" matches no client: anonymize shows its clients as 192.0.0.0 (line 2, column 32)`},
		`"tap_selector": {"any": [{"hides": true}, {"virtual": true}]}`: {`findings of policy 'p': allow_clients: "192.0.2.77" matches no client: anonymize shows its clients as 192.0.0.0 (line 2, column 32)`},
	} {
		p, warnings, err := m.ParsePolicy([]byte(strings.Replace(posted, "%s", tap, 1)))
		require.NoError(t, err)
		require.Equal(t, "p", p.Name)
		require.Equal(t, want, texts(warnings), tap)
	}
}

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
	const found = "findings of policy 'all': allow_clients: "
	for block, want := range map[string][]string{
		"findings: {allow_clients: [192.0.2.77]}": nil, // the tap shows whole addresses
		"anonymize: {v4: 24, v6: 48}\n      findings: {allow_clients: [192.0.2.77, 192.0.2.0, 192.0.2.0/26, 192.0.2.64/26, 10.0.0.0/8, '2001:db8::1']}": {
			found + `"192.0.2.77" matches no client: anonymize shows its clients as 192.0.2.0 (line 13, column 34)`,
			found + `"192.0.2.64/26" matches no client: anonymize shows its clients as 192.0.2.0 (line 13, column 71)`,
			found + `"2001:db8::1" matches no client: anonymize shows its clients as 2001:db8:: (line 13, column 98)`,
		},
		"anonymize: {key_file: /k}\n      findings: {allow_clients: [192.0.2.77]}": nil,
	} {
		doc, err := builtin.Catalog().Parse([]byte(strings.Replace(good, "    all:\n", "    all:\n      "+block+"\n", 1)))
		require.NoError(t, err)
		require.Equal(t, want, texts(doc.Warnings))
	}
	onTap := strings.NewReplacer("    all:\n", "    all:\n      findings: {allow_clients: [192.0.2.77]}\n", "host_spec: 192.0.2.0/24}\n", "host_spec: 192.0.2.0/24}\n      anonymize: {v4: 16, v6: 32}\n").Replace(good)
	doc, err := builtin.Catalog().Parse([]byte(onTap))
	require.NoError(t, err)
	require.Equal(t, []string{found + `"192.0.2.77" matches no client: anonymize shows its clients as 192.0.0.0 (line 13, column 34)`}, texts(doc.Warnings))

	coarser := strings.NewReplacer("192.0.2.77", "192.0.2.0/24", "v4: 16", "v4: 24", "      findings:", "      anonymize: {v4: 16}\n      findings:").Replace(onTap)
	doc, err = builtin.Catalog().Parse([]byte(coarser))
	require.NoError(t, err)
	require.Empty(t, doc.Warnings, "the tap's section applies, not the policy's")

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
