package policy_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"visor/handler"
	"visor/handler/policy"
)

func TestBuild(t *testing.T) {
	h, err := policy.Build(policy.Module{
		Name: "my-dns", Type: "dns",
		Config: policy.Options{"only_rcode": uint64(3), "num_periods": uint64(2), "topn_count": uint64(3), "recorded_stream": true},
		Filter: policy.Options{"num_periods": uint64(7)},
		Enable: []string{"top_ecs"},
	}, policy.Env{})
	require.NoError(t, err)
	info := h.Info()
	require.Equal(t, "my-dns", info.Name)
	require.Equal(t, 7, info.Periods, "the filter wins over the config")
	require.Equal(t, 3, info.TopN)
	require.Len(t, infoOf(t, "dns", nil).Name, 3, "the type is the name where there is none")
}

func infoOf(t *testing.T, typ string, opts policy.Options) handler.Info {
	h, err := policy.Build(policy.Module{Type: typ, Config: opts}, policy.Env{})
	require.NoError(t, err)
	return h.Info()
}

// The texts are those of the reference, which its users' tools match.
func TestBuildErrors(t *testing.T) {
	const dnsKeys = "exclude_noerror, only_rcode, only_queries, only_responses, only_dnssec_response, answer_count, only_qtype, only_qname, only_qname_suffix, geoloc_notfound, asn_notfound, dnstap_msg_type, public_suffix_list, recorded_stream, xact_ttl_secs, xact_ttl_ms, deep_sample_rate, num_periods, topn_count, topn_percentile_threshold"
	for _, tt := range []struct {
		name, typ, version string
		opts               policy.Options
		want               string
	}{
		{"type", "dsn", "", nil, "requires stream handler type 'dsn' and version '1.0' which is not available"},
		{"version", "dns", "3.0", nil, "requires stream handler type 'dns' and version '3.0' which is not available"},
		{"unknown key", "dns", "", policy.Options{"only_qnames": []string{"a"}}, "only_qnames is an invalid/unsupported config or filter. The valid configs/filters are: " + dnsKeys},
		{"list as text", "dns", "", policy.Options{"only_qname": "abc"}, "wrong type for key: only_qname"},
		{"flag as text", "net", "", policy.Options{"geoloc_notfound": "yes"}, "wrong type for key: geoloc_notfound"},
		{"number as text", "pcap", "", policy.Options{"num_periods": "-1"}, "wrong type for key: num_periods"},
		{"rcode text", "dns", "", policy.Options{"only_rcode": "abc"}, "DnsStreamHandler: wrong value type for only_rcode filter. It should be an integer or an array"},
		{"rcode number", "dns", "", policy.Options{"only_rcode": uint64(133)}, "DnsStreamHandler: only_rcode filter contained an invalid/unsupported rcode"},
		{"rcode in a list", "dns", "", policy.Options{"only_rcode": []string{"nxdomain", "nx"}}, "DnsStreamHandler: only_rcode filter contained an invalid/unsupported rcode: nx"},
		{"qtype", "dns", "", policy.Options{"only_qtype": []string{"AAAA", "TEXT"}}, "DnsStreamHandler: only_qtype filter contained an invalid/unsupported qtype: TEXT"},
		{"answer count", "dns", "", policy.Options{"answer_count": "x"}, "DnsStreamHandler: wrong value type for answer_count filter. It should be an integer"},
		{"dnstap type", "dns", "", policy.Options{"dnstap_msg_type": "x"}, "DnsStreamHandler: dnstap_msg_type contained an invalid/unsupported type. Valid types: auth, client, forwarder, resolver, stub, tool, update"},
		{"asn", "net", "", policy.Options{"only_asn_number": []string{"16509/Amazon"}}, "NetStreamHandler: only_asn_number filter contained an invalid/unsupported value: 16509/Amazon"},
		{"threshold", "net", "", policy.Options{"topn_percentile_threshold": uint64(101)}, "threshold must be between 0 and 100 but has value 1.010000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := policy.Build(policy.Module{Type: tt.typ, Version: tt.version, Config: tt.opts}, policy.Env{})
			require.EqualError(t, err, tt.want)
		})
	}
}
