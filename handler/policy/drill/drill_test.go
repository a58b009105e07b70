package drill_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/handler/policy/builtin"
	"visor/handler/policy/drill"
)

// A drill-down stays within the traffic that the policy counts.
func TestPlans(t *testing.T) {
	base := drill.Base{Tap: "wire", InputType: "pcap", BPF: "port 53"}
	for _, tt := range []struct {
		look       drill.Look
		name, want string
	}{
		{drill.Address, "192.0.2.1", `"filter":{"bpf":"(port 53) and (host 192.0.2.1)"}`},
		{drill.Suffix, "example.com", `"filter":{"bpf":"port 53"}`},
		{drill.Suffix, "example.com.", `"only_qname_suffix":["example.com"]`},
		{drill.QType, "AAAA", `"only_qtype":["AAAA"]`},
		{drill.RCode, "NXDOMAIN", `"only_rcode":["NXDOMAIN"]`},
		{drill.Port, "53", `"filter":{"bpf":"(port 53) and (udp port 53)"}`},
		{drill.ASN, "64500/Example", `"only_asn_number":["64500"]`},
		{drill.ASN, "64500", `"only_asn_number":["64500"]`},
		{drill.ASN, "Unknown", `"asn_notfound":true`},
		{drill.Place, "EU/Sweden", `"only_geoloc_prefix":["EU/Sweden"]`},
		{drill.Place, "Unknown", `"geoloc_notfound":true`},
	} {
		p, err := tt.look(tt.name, "pcap")
		require.NoError(t, err)
		doc, err := p.Document("drill-x", base)
		require.NoError(t, err)
		require.Contains(t, string(doc), tt.want)
		require.Contains(t, string(doc), `"tap":"wire"`)
	}
	p, err := drill.Address("2001:db8::1", "dnstap")
	require.NoError(t, err)
	require.Equal(t, map[string]any{"only_hosts": []string{"2001:db8::1/128"}}, p.Filter)
	for name, look := range map[string]drill.Look{"": drill.Suffix, "x": drill.Address, "/": drill.ASN} {
		_, err := look(name, "pcap")
		require.Error(t, err)
	}
	_, err = drill.Port("53", "dnstap")
	require.Error(t, err)
}

// TestAnonymized: a drill-down keeps the section of the policy. An entry stands for a network.
func TestAnonymized(t *testing.T) {
	section := map[string]any{"v4": 20.0}
	for _, base := range []drill.Base{{Anonymize: section}, {TapAnonymize: section, Anonymize: map[string]any{"v4": 32.0}}} {
		for entry, want := range map[string]string{"192.0.16.0": "192.0.16.0/20", "2001:db8::": "2001:db8::/48", "53": "53"} {
			got, err := base.Entry(entry)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
	}
	_, err := (&drill.Base{Anonymize: map[string]any{"key_file": "a.key"}}).Entry("192.0.2.1")
	require.ErrorContains(t, err, "encrypts addresses")
	whole, err := new(drill.Base).Entry("192.0.2.1")
	require.NoError(t, err)
	require.Equal(t, "192.0.2.1", whole)

	plan, err := drill.Address("192.0.16.0/20", "pcap")
	require.NoError(t, err)
	doc, err := plan.Document("drill-x", drill.Base{Tap: "wire", InputType: "pcap", Anonymize: section})
	require.NoError(t, err)
	require.Contains(t, string(doc), `"bpf":"net 192.0.16.0/20"`)
	p, _, err := builtin.Catalog().ParsePolicy(doc)
	require.NoError(t, err)
	require.Equal(t, 20, p.Anonymize.IPv4)
}

// Whole documents are valid policies of the agent.
func TestDocumentIsValid(t *testing.T) {
	for _, plan := range []drill.Plan{drill.Asked(map[string]any{"only_qname": []string{"example.com"}}), must(drill.Suffix("example.com", "pcap")), must(drill.Address("192.0.2.1", "pcap"))} {
		doc, err := plan.Document(drill.NewName(), drill.Base{Tap: "wire", InputType: "pcap"})
		require.NoError(t, err)
		p, warnings, err := builtin.Catalog().ParsePolicy(doc)
		require.NoError(t, err)
		require.Empty(t, warnings)
		require.True(t, p.Sequence)
		require.Equal(t, drill.LeaseSeconds*time.Second, p.Lease)
		require.Regexp(t, "^drill-[a-z2-7]{8}$", p.Name)
	}
}

func must(p drill.Plan, err error) drill.Plan {
	if err != nil {
		panic(err)
	}
	return p
}
