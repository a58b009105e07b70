package policy_test

import (
	"cmp"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/handler/policy"
	"visor/handler/policy/builtin"
)

const good = `version: "1.0"
visor:
  taps:
    wired:
      input_type: pcap
      config: {iface: eth0, host_spec: 192.0.2.0/24}
      tags: {virtual: true, vhost: 1, site: north}
  global_handler_config:
    dns: {only_rcode: 2}
  policies:
    all:
      kind: collection
      config: {merge_like_handlers: true}
      input:
        tap: wired
        input_type: pcap
        config: {bpf: port 53}
        filter: {bpf: udp}
      handlers:
        window_config: {num_periods: 3, deep_sample_rate: "50"}
        modules:
          names:
            type: dns
            require_version: "2.0"
            config: {only_qtype: [AAAA, 28]}
            filter: {only_qname_suffix: [example.com]}
            metric_groups: {enable: [top_ecs], disable: [cardinality, counters]}
          flows: {type: net}
    sequence:
      kind: collection
      input: {tap_selector: {any: [virtual: true, vhost: 1]}, input_type: pcap}
      handlers:
        modules:
          - first: {type: net}
          - second:
            type: dns
          - third: {third: {type: pcap}}
`

func TestParse(t *testing.T) {
	doc, err := builtin.Catalog().Parse([]byte(good))
	require.NoError(t, err)
	require.Equal(t, []policy.Tap{{
		Name: "wired", InputType: "pcap", Config: policy.Options{"iface": "eth0", "host_spec": "192.0.2.0/24"},
		Tags: policy.Options{"virtual": true, "vhost": uint64(1), "site": "north"},
	}}, doc.Taps)
	require.Equal(t, []policy.Global{{"dns", policy.Options{"only_rcode": uint64(2)}}}, doc.Global)
	require.Equal(t, []policy.Policy{
		{
			Name: "all", Merge: true,
			Input:  policy.Input{Tap: "wired", InputType: "pcap", Config: policy.Options{"bpf": "port 53"}, Filter: policy.Options{"bpf": "udp"}},
			Window: policy.Options{"num_periods": uint64(3), "deep_sample_rate": uint64(50)},
			Modules: []policy.Module{
				{
					Name: "names", Type: "dns", Version: "2.0", Config: policy.Options{"only_qtype": []string{"AAAA", "28"}},
					Filter: policy.Options{"only_qname_suffix": []string{"example.com"}}, Enable: []string{"top_ecs"}, Disable: []string{"cardinality", "counters"},
				},
				{Name: "flows", Type: "net", Version: "1.0"},
			},
		},
		{
			Name:     "sequence",
			Input:    policy.Input{Selector: &policy.Selector{Tags: []policy.Tag{{"virtual", true}, {"vhost", uint64(1)}}}, InputType: "pcap"},
			Modules:  []policy.Module{{Name: "first", Type: "net", Version: "1.0"}, {Name: "second", Type: "dns", Version: "1.0"}, {Name: "third", Type: "pcap", Version: "1.0"}},
			Sequence: true,
		},
	}, doc.Policies)
	for _, m := range doc.Policies[0].Modules {
		_, err := builtin.Catalog().Build(m, policy.Env{})
		require.NoError(t, err)
	}
}

// JSON is YAML.
func TestParseJSON(t *testing.T) {
	tap, _, err := builtin.Catalog().ParseTap([]byte(`{"version": "1.0", "visor": {"taps": {"t": {"input_type": "flow", "config": {"port": 2055, "bind": "::1"}}}}}`))
	require.NoError(t, err)
	require.Equal(t, policy.Tap{Name: "t", InputType: "flow", Config: policy.Options{"port": uint64(2055), "bind": "::1"}}, tap)
	pol, _, err := builtin.Catalog().ParsePolicy([]byte(`{"visor": {"policies": {"p": {"kind": "collection", "input": {"tap": "t", "input_type": "flow"}, "handlers": {"modules": {}}}}}}`))
	require.NoError(t, err)
	require.Equal(t, policy.Policy{Name: "p", Input: policy.Input{Tap: "t", InputType: "flow"}}, pol)
}

// refusal returns the problem of a document, or of its first policy that cannot start.
func refusal(doc *policy.Document, err error) error {
	for _, p := range doc.Policies {
		err = cmp.Or(err, p.Fault)
	}
	return err
}

// TestParseErrors changes one place of the good document and expects an error and its position.
func TestParseErrors(t *testing.T) {
	for _, tt := range []struct{ old, new, want string }{
		{good, "", "empty data"},
		{good, " \n", "empty data"},
		{good, "# nothing", "empty data"},
		{good, "- 1", "invalid schema (line 1, column 1)"},
		{good, "text", "invalid schema (line 1, column 1)"},
		{"visor:\n", "vizor:\n", "invalid schema (line 1, column 1)"},
		{good, "kind: collection\ninput: {}\nhandlers: {}", "invalid schema: it is the body of a policy, which belongs below 'visor', 'policies' and a name (line 1, column 1)"},
		{good, "taps: {}", "invalid schema: 'taps' and 'policies' belong below 'visor' (line 1, column 1)"},
		{good, "orb: {}", "invalid schema: 'orb' configures Orb's agent; 'taps' and 'policies' belong below 'visor' (line 1, column 1)"},
		{`version: "1.0"`, `version: "2.0"`, "unsupported version (line 1, column 10)"},
		{`version: "1.0"`, `version: 1`, "unsupported version (line 1, column 10)"},
		{"  taps:\n", "  taps: [\n", "yaml: "},
		{"    wired:\n      input_type: pcap", "    ? [a]\n    : {}\n    wired:\n      input_type: pcap", "expecting tap identifier (line 4, column 7)"},
		{"    wired:\n      input_type: pcap", "    other: 5\n    wired:\n      input_type: pcap", "expecting tap configuration map (line 4, column 12)"},
		{"input_type: pcap\n      config", "config", "missing or invalid tap type key 'input_type' (line 5, column 7)"},
		{"input_type: pcap\n      config", "input_type: [pcap]\n      config", "missing or invalid tap type key 'input_type' (line 5, column 19)"},
		{"input_type: pcap\n      config", "input_type: pacp\n      config", "Tap 'wired' requires input stream type 'pacp' which is not available (line 5, column 19); did you mean 'pcap'?"},
		{"config: {iface: eth0, host_spec: 192.0.2.0/24}", "config: eth0", "tap configuration is not a map (line 6, column 15)"},
		{"config: {iface: eth0, host_spec: 192.0.2.0/24}", "config: [eth0]", "tap configuration is not a map (line 6, column 15)"},
		{"tags: {virtual: true, vhost: 1, site: north}", "tags: north", "tap tags is not a map (line 7, column 13)"},
		{"{iface: eth0,", "{iface: [{a: b}],", "invalid value for sequence in key: iface (line 6, column 24)"},
		{"    dns: {only_rcode: 2}", "    dns: 2", "expecting global_handler_config configuration map (line 9, column 10)"},
		{"    all:\n", "    ? {a: b}\n    : {}\n    all:\n", "expecting policy identifier (line 11, column 7)"},
		{"    all:\n", "    none: collection\n    all:\n", "expecting policy configuration map (line 11, column 11)"},
		{"    all:\n      kind: collection\n", "    all:\n", "missing or invalid policy kind at key 'kind' (line 12, column 7)"},
		{"    all:\n      kind: collection\n", "    all:\n      kind: {}\n", "missing or invalid policy kind at key 'kind' (line 12, column 13)"},
		{"    all:\n      kind: collection\n", "    all:\n      kind: colection\n", "unknown policy kind: colection (line 12, column 13); did you mean 'collection'?"},
		{"config: {merge_like_handlers: true}", "config: merge", "policy configuration is not a map (line 13, column 15)"},
		{"merge_like_handlers: true", "merge_like_handlers: yes", "invalid policy config for policy 'all': wrong type for key: merge_like_handlers (line 13, column 16)"},
		{"      input:\n        tap: wired", "      inputs:\n        tap: wired", "missing or invalid policy input stream configuration at key 'input' (line 12, column 7)"},
		{"input: {tap_selector: {any: [virtual: true, vhost: 1]}, input_type: pcap}", "input: wired", "missing or invalid policy input stream configuration at key 'input' (line 31, column 14)"},
		{"        input_type: pcap\n        config: {bpf: port 53}", "        config: {bpf: port 53}", "missing or invalid input_type at key 'input.input_type' (line 15, column 9)"},
		{"tap: wired\n", "tap: wired\n        tap_selector: {any: []}\n", "input can have only key 'input.tap' or key 'input.tap_selector' (line 16, column 23)"},
		{"        tap: wired\n", "", "missing key 'input.tap' or key 'input.tap_selector' (line 15, column 9)"},
		{"tap: wired\n", "tap: [wired]\n", "invalid tap at key 'input.tap' (line 15, column 14)"},
		{"tap: wired\n", "tap: \"\"\n", "invalid tap at key 'input.tap' (line 15, column 14)"},
		{"config: {bpf: port 53}", "config: port 53", "input configuration is not a map (line 17, column 17)"},
		{"filter: {bpf: udp}", "filter: udp", "input filter configuration is not a map (line 18, column 17)"},
		{"tap_selector: {any: [virtual: true, vhost: 1]}", "tap_selector: virtual", "'input.tap_selector' is not a map (line 31, column 29)"},
		{"tap_selector: {any: [virtual: true, vhost: 1]}", "tap_selector: {all: [], any: []}", "input can have only key 'input.tap_selector.all' or key 'input.tap_selector.any' (line 31, column 44)"},
		{"tap_selector: {any: [virtual: true, vhost: 1]}", "tap_selector: {some: []}", "missing key 'input.tap_selector.all' or key 'input.tap_selector.any' (line 31, column 29)"},
		{"tap_selector: {any: [virtual: true, vhost: 1]}", "tap_selector: {all: virtual}", "'input.tap_selector.all' is not a sequence (line 31, column 35)"},
		{"tap_selector: {any: [virtual: true, vhost: 1]}", "tap_selector: {any: {virtual: true}}", "'input.tap_selector.any' is not a sequence (line 31, column 35)"},
		{"[virtual: true, vhost: 1]", "[virtual]", "selector tag must contain only one key/value pair per sequence index (line 31, column 36)"},
		{"[virtual: true, vhost: 1]", "[{virtual: true, vhost: 1}]", "selector tag must contain only one key/value pair per sequence index (line 31, column 36)"},
		{"[virtual: true, vhost: 1]", "[virtual: [true]]", "tag key 'virtual' must have scalar value (line 31, column 45)"},
		{"      handlers:\n        window_config", "      handler:\n        window_config", "missing or invalid handler configuration at key 'handlers' (line 12, column 7)"},
		{"      handlers:\n        modules:", "      handlers: 5\n      x:\n        modules:", "missing or invalid handler configuration at key 'handlers' (line 32, column 17)"},
		{"        modules:\n          names", "        module:\n          names", "missing or invalid handler modules at key 'modules' (line 20, column 9)"},
		{"{num_periods: 3,", "{num_periods: [[3]],", "invalid stream handler window config: invalid value for sequence in key: num_periods (line 20, column 39)"},
		{"          names:\n            type: dns\n", "          names:\n", "missing or invalid stream handler type at key 'type' (line 23, column 13)"},
		{"          names:\n            type: dns\n", "          names:\n            type: {}\n", "missing or invalid stream handler type at key 'type' (line 23, column 19)"},
		{"          names:\n            type: dns\n", "          names:\n            type: dsn\n", "Policy 'all' requires stream handler type 'dsn' and version '2.0' which is not available (line 23, column 19); did you mean 'dns'?"},
		{`require_version: "2.0"`, `require_version: "3.0"`, "Policy 'all' requires stream handler type 'dns' and version '3.0' which is not available (line 23, column 19)"},
		{`require_version: "2.0"`, `require_version: [2.0]`, "Invalid stream handler version at key 'require_version' (line 24, column 30)"},
		{"flows: {type: net}", "flows: net", "expecting Handler configuration map (line 28, column 18)"},
		{"config: {only_qtype: [AAAA, 28]}", "config: AAAA", "stream handler configuration is not a map (line 25, column 21)"},
		{"filter: {only_qname_suffix: [example.com]}", "filter: [example.com]", "stream handler filter configuration is not a map (line 26, column 21)"},
		{"metric_groups: {enable: [top_ecs], disable: [cardinality, counters]}", "metric_groups: [top_ecs]", "stream handler metric groups is not a map (line 27, column 28)"},
		{"metric_groups: {enable: [top_ecs], disable: [cardinality, counters]}", "metric_groups: {}", "stream handler metric groups should contain enable and/or disable tags (line 27, column 28)"},
		{"{enable: [top_ecs],", "{enable: all,", "wrong type for key: enable (line 27, column 37)"},
		{"- first: {type: net}", "- 5", "expecting handler module identifier (line 34, column 13)"},
		{"- first: {type: net}", "- {}", "expecting handler module identifier (line 34, column 13)"},
		{"- first: {type: net}", "- first: [net]", "expecting Handler configuration map (line 34, column 20)"},

		// keys and values of inputs and handlers
		{"config: {bpf: port 53}", "config: {bpf: 53}", "policy [all] failed to start: wrong type for key: bpf (line 17, column 18)"},
		{"filter: {bpf: udp}", "filter: {bfp: udp}", "policy [all] failed to start: bfp is an invalid/unsupported config or filter. The valid configs/filters are: iface, pcap_source, bpf, host_spec, pcap_file, debug, tcp_packet_reassembly_cache_limit, dns_ports, proxy_from, allow_fifo, af_packet_ring_mb (line 18, column 18); did you mean 'bpf'?"},
		{"filter: {bpf: udp}", "filter: {bpf: udp prot 53}", "policy [all] failed to start: Failed to parse bpf filter: udp prot 53: column 5 of the filter: expected 'and', 'or' or the end, found 'prot' (line 18, column 18)"},
		{"config: {bpf: port 53}\n        filter: {bpf: udp}", "config: {bpf: net 10.1/99}", "policy [all] failed to start: Failed to parse bpf filter: net 10.1/99: column 5 of the filter: a prefix of IPv4 has up to 32 bits (line 17, column 18)"},
		{"num_periods: 3", "num_period: 3", "policy [all] failed to start: num_period is an invalid/unsupported config or filter. The valid configs/filters are: exclude_noerror, only_rcode, only_dnssec_response, answer_count, only_qtype, only_qname, only_qname_suffix, geoloc_notfound, asn_notfound, dnstap_msg_type, public_suffix_list, client_subnet_v4, client_subnet_v6, recorded_stream, xact_ttl_secs, xact_ttl_ms, deep_sample_rate, num_periods, topn_count, topn_percentile_threshold (line 20, column 25); did you mean 'num_periods'?"},
		{"num_periods: 3", "num_periods: many", "policy [all] failed to start: wrong type for key: num_periods (line 20, column 25)"},
		{"num_periods: 3", "topn_percentile_threshold: 101", "policy [all] failed to start: threshold must be between 0 and 100 but has value 1.010000 (line 20, column 25)"},
		{"only_qtype: [AAAA, 28]", "only_qtype: [AAAAA]", "policy [all] failed to start: DnsStreamHandler: only_qtype filter contained an invalid/unsupported qtype: AAAAA (line 25, column 35)"},
		{"only_qname_suffix: [example.com]", "only_qname_suffix: example.com", "policy [all] failed to start: wrong type for key: only_qname_suffix (line 26, column 22)"},
		{"only_qname_suffix: [example.com]", "dnstap_msg_type: nobody", "policy [all] failed to start: DnsStreamHandler: dnstap_msg_type contained an invalid/unsupported type. Valid types: auth, client, forwarder, resolver, stub, tool, update (line 26, column 22)"},
		{"[top_ecs]", "[top_ecss]", "policy [all] failed to start: top_ecss is an invalid/unsupported metric group. The valid groups are: all, cardinality, counters, quantiles, top_ecs, top_ports, top_qnames, top_qtypes, top_rcodes, top_size, xact_times (line 27, column 38); did you mean 'top_ecs'?"},
		{"disable: [cardinality, counters]", "disable: [cardinality, counter]", "policy [all] failed to start: counter is an invalid/unsupported metric group. The valid groups are: all, cardinality, counters, quantiles, top_ecs, top_ports, top_qnames, top_qtypes, top_rcodes, top_size, xact_times (line 27, column 71); did you mean 'counters'?"},
		{"flows: {type: net}", "flows: {type: net, filter: {only_asn_number: [AS1]}}", "policy [all] failed to start: NetStreamHandler: only_asn_number filter contained an invalid/unsupported value: AS1 (line 28, column 57)"},
		{"flows: {type: net}", "flows: {type: flow, filter: {only_ips: [300.0.0.0/8]}}", "policy [all] failed to start: invalid IPv4 address: 300.0.0.0 (line 28, column 51)"},
		{"flows: {type: net}", "flows: {type: flow, config: {exclude_asns_from_summarization: [x]}}", "policy [all] failed to start: FlowHandler: invalid ASN in the exclusions from summarization: x (line 28, column 74)"},
		{"flows: {type: net}", "flows: {type: flow, config: {exclude_ips_from_summarization: [x]}}", "policy [all] failed to start: invalid CIDR: x (line 28, column 73)"},
		{"flows: {type: net}", "flows: {type: flow, config: {subnets_for_summarization: [0.0.0.0/8, 0.0.0.0/16]}}", "policy [all] failed to start: FlowHandler: 'subnets_for_summarization' only allows one ipv4 and one ipv6 wildcard (line 28, column 79)"},
		{"- second:\n            type: dns", "- second:\n            type: dns\n            config: {answer_count: few}", "policy [sequence] failed to start: DnsStreamHandler: wrong value type for answer_count filter. It should be an integer (line 37, column 22)"},
	} {
		require.Contains(t, good, tt.old)
		err := refusal(builtin.Catalog().Parse([]byte(strings.Replace(good, tt.old, tt.new, 1))))
		require.ErrorContains(t, err, tt.want, "%q for %q", tt.new, tt.old)
		if !strings.HasSuffix(tt.want, ": ") {
			require.Equal(t, tt.want, err.Error())
		}
		_, ok := errors.AsType[*policy.Error](err)
		require.True(t, ok)
	}
}

// TestParseWarnings changes one place of the good document and expects a warning and its position.
// pktvisor accepts the document silently.
func TestParseWarnings(t *testing.T) {
	for _, tt := range []struct{ old, new, want string }{
		{"version:", "versoin:", "the document has no key 'versoin'. Its keys are: version, visor (line 1, column 1); did you mean 'version'?"},
		{"  taps:\n", "  tabs:\n", "the section 'visor' has no key 'tabs'. Its keys are: config, taps, global_handler_config, policies, alerts (line 3, column 3); did you mean 'taps'?"},
		{"input_type: pcap\n      config", "input_type: pcap\n      input_type: pcap\n      config", "the key 'input_type' stands twice (line 6, column 7)"},
		{"tags: {virtual", "tag: {virtual", "tap 'wired' has no key 'tag'. Its keys are: input_type, config, tags, anonymize (line 7, column 7); did you mean 'tags'?"},
		{"  global_handler_config:\n    dns: {only_rcode: 2}", "  global_handler_config: 5", "'global_handler_config' is not a map: it is ignored (line 8, column 26)"},
		{"filter: {bpf: udp}", "filters: {bpf: udp}", "'input' has no key 'filters'. Its keys are: tap, tap_selector, input_type, config, filter (line 18, column 9); did you mean 'filter'?"},
		{"        window_config: {", "        window: {", "'handlers' has no key 'window'. Its keys are: window_config, modules (line 20, column 9)"},
		{"flows: {type: net}", "flows: {type: net, version: 2}", "module 'flows' has no key 'version'. Its keys are: type, require_version, config, filter, metric_groups (line 28, column 30)"},
		{"{iface: eth0,", "{ifase: eth0,", "invalid tap config for tap 'wired': ifase is an invalid/unsupported config or filter. The valid configs/filters are: iface, pcap_source, bpf, host_spec, pcap_file, debug, tcp_packet_reassembly_cache_limit, dns_ports, proxy_from, allow_fifo, af_packet_ring_mb (line 6, column 16); did you mean 'iface'?"},
		{"host_spec: 192.0.2.0/24", "host_spec: 192.0.2.0", "invalid tap config for tap 'wired': invalid CIDR: 192.0.2.0; did you mean 192.0.2.0/32 or 192.0.2.0/24? (line 6, column 29)"},
		{"host_spec: 192.0.2.0/24", "debug: yes", "invalid tap config for tap 'wired': wrong type for key: debug (line 6, column 29)"},
		{"host_spec: 192.0.2.0/24", "pcap_source: pfring", "invalid tap config for tap 'wired': unknown pcap source (line 6, column 29)"},
		{"dns: {only_rcode: 2}", "dsn: {only_rcode: 2}", "global_handler_config has no handler type 'dsn' (line 9, column 5); did you mean 'dns'?"},
		{"dns: {only_rcode: 2}", "dns: {only_rcode: 2222222}", "invalid global_handler_config for 'dns': DnsStreamHandler: only_rcode filter contained an invalid/unsupported rcode (line 9, column 11)"},
		{"taps:\n    wired:", "taps: {}\n  more:\n    wired:", "the section 'visor' has no key 'more'. Its keys are: config, taps, global_handler_config, policies, alerts (line 4, column 3)"},
		{"  global_handler_config:\n    dns: {only_rcode: 2}", "  global_handler_config:", "'global_handler_config' is not a map: it is ignored (line 8, column 25)"},
		{"version: \"1.0\"\n", "orb: {backends: {}}\n", "the document has no key 'orb'. Its keys are: version, visor (line 1, column 1)"},
		{"merge_like_handlers: true", "merge_like_handler: true", "'config' of policy 'all' has no key 'merge_like_handler'. Its keys are: merge_like_handlers, lease_secs, original (line 13, column 16); did you mean 'merge_like_handlers'?"},
		{"- first: {type: net}", "- first: {type: dhcp}", "module 'first' of type 'dhcp' passes no events on: the modules behind it in the sequence count nothing (line 34, column 13)"},
		{"window_config: {num_periods: 3, deep_sample_rate: \"50\"}", "window_config: 3", "'window_config' is not a map: it is ignored (line 20, column 24)"},
		{"{enable: [top_ecs], disable:", "{enabled: [top_ecs], disable:", "'metric_groups' has no key 'enabled'. Its keys are: enable, disable (line 27, column 29); did you mean 'enable'?"},
		{`{num_periods: 3, deep_sample_rate: "50"}`, "{num_periods: 60}", "num_periods 60: must be from 1 to 10; 10 is used (line 20, column 25)"},
		{`{num_periods: 3, deep_sample_rate: "50"}`, "{deep_sample_rate: 0}", "deep_sample_rate 0: must be from 1 to 100; 1 is used (line 20, column 25)"},
		{"- first: {type: net}", "- first: {type: net, config: {num_periods: 3}}", "'num_periods' of module 'first' has no effect without a window_config: write it there (line 34, column 41)"},
		{"- first: {type: net}", "- {first: {type: net}, fourth: {type: dhcp}}", "'fourth' is ignored: an item of a sequence is one module, and this is 'first' (line 34, column 34)"},
		{"third: {type: pcap}", "third: {type: pcap, metric_groups: {enable: [all]}}", "'metric_groups' of module 'third' has no effect: type 'pcap' has no groups (line 37, column 56)"},
		{"third: {third: {type: pcap}}", "third: {third: {type: pcap}, filter: {}}", "module 'third' has no key 'filter'. Its keys are: third (line 37, column 42)"},
	} {
		require.Contains(t, good, tt.old)
		doc, err := builtin.Catalog().Parse([]byte(strings.Replace(good, tt.old, tt.new, 1)))
		require.NoError(t, refusal(doc, err), tt.new)
		require.Len(t, doc.Warnings, 1, tt.new)
		require.Equal(t, tt.want, doc.Warnings[0].Error())
	}
	doc, err := builtin.Catalog().Parse([]byte(good))
	require.NoError(t, err)
	require.Empty(t, doc.Warnings)
}

// All warnings are reported, and the first error. A problem of one policy does not affect the
// others.
func TestParseManyProblems(t *testing.T) {
	text := strings.NewReplacer("tags:", "tag:", "merge_like_handlers", "merge", "num_periods: 3", "num_period: 3").Replace(good)
	doc, err := builtin.Catalog().Parse([]byte(text))
	require.NoError(t, err)
	require.Len(t, doc.Warnings, 2)
	require.ErrorContains(t, doc.Policies[0].Fault, "policy [all] failed to start: num_period is an invalid/unsupported")
	require.NoError(t, doc.Policies[1].Fault)

	doc, err = builtin.Catalog().Parse([]byte(strings.ReplaceAll(text, "kind:", "kin:")))
	require.EqualError(t, err, "missing or invalid policy kind at key 'kind' (line 12, column 7)")
	problems := policy.Problems(err)
	require.Len(t, problems, 4, "of both policies, and what keeps one from starting, for each of its modules")
	require.Contains(t, problems[2].Text, "policy [all] failed to start: num_period")
	require.Len(t, doc.Warnings, 4)

	doc, err = builtin.Catalog().Parse([]byte("visor: {" + strings.Repeat("policy: {}, ", 200) + "taps: {" + strings.Repeat("t: {}, ", 200) + "}}"))
	require.Error(t, err)
	require.LessOrEqual(t, len(doc.Warnings), 100)
}

// All problems of a policy are reported at once, each with its position.
func TestParseAllProblems(t *testing.T) {
	text := strings.NewReplacer("num_periods: 3", "num_period: 3", "[AAAA, 28]", "[AAAAA]", "bpf: udp", "bfp: udp", "[cardinality, counters]", "[cardinal, counter]",
		"only_qname_suffix: [example.com]", "answer_count: few, only_qname: x").Replace(good)
	doc, err := builtin.Catalog().Parse([]byte(text))
	require.NoError(t, err)
	var got [][2]int
	for _, e := range policy.Problems(doc.Policies[0].Fault) {
		got = append(got, [2]int{e.Line, e.Column})
	}
	require.ElementsMatch(t, [][2]int{{18, 18}, {20, 25}, {25, 35}, {26, 22}, {26, 41}, {27, 58}, {27, 68}, {20, 25}}, got)
}

// Each problem within a list or a table is reported with its own position.
func TestParseNestedProblems(t *testing.T) {
	doc, err := builtin.Catalog().Parse([]byte(`visor:
  policies:
    flows:
      kind: collection
      input: {tap: t, input_type: flow}
      handlers:
        modules:
          m:
            type: flow
            config:
              device_map:
                router: {name: a, interfaces: {}}
                192.0.2.1:
                  name: b
                  interfaces: {eth0: {name: c}, 2: {}}
                  sampling_rate: some
              only_ports:
                - "70000"
                - 80
                - x
    probes:
      kind: collection
      input:
        tap: t
        input_type: netprobe
        config:
          test_type: tcp
          targets:
            a: {port: 1}
            b: {target: 192.0.2.1}
            c: {target: true, port: 1}
      handlers: {modules: {m: {type: netprobe}}}
`))
	require.NoError(t, err)
	var got []string
	for _, p := range doc.Policies {
		for _, e := range policy.Problems(p.Fault) {
			got = append(got, strings.TrimPrefix(e.Error(), "policy ["+p.Name+"] failed to start: "))
		}
	}
	require.Equal(t, []string{
		"FlowHandler: 'device_map' config with device IP 192.0.2.1 does not have 'name' key (line 15, column 49)",
		"FlowHandler: 'device_map' config with device IP 192.0.2.1 has an invalid interface index: eth0 (line 15, column 32)",
		"FlowHandler: 'device_map' config with device IP 192.0.2.1 has an invalid sampling_rate: some (line 16, column 19)",
		"FlowHandler: 'device_map' config has an invalid device IP: router (line 12, column 17)",
		"FlowHandler: invalid 'only_ports' filter value: 70000 (line 18, column 19)",
		"FlowHandler: invalid 'only_ports' filter value: x (line 20, column 19)",
		"wrong type for key: target (line 31, column 17)",
	}, got)
	fixed, err := builtin.Catalog().Parse([]byte(strings.Replace("visor: {policies: {p: {kind: collection, input: {tap: t, input_type: netprobe, config: {CONFIG}}, handlers: {modules: {}}}}}",
		"CONFIG", "test_type: tcp, targets: {a: {port: 1}, b: {target: 192.0.2.1}}", 1)))
	require.NoError(t, err)
	require.Len(t, policy.Problems(fixed.Policies[0].Fault), 2, "both targets lack a key")
}

// A policy that cannot start because of its tap names the tap, with the position in its document.
func TestTapProblemAtStart(t *testing.T) {
	doc, err := builtin.Catalog().Parse([]byte(strings.Replace(good, "host_spec: 192.0.2.0/24", "hots_spec: 192.0.2.0/24", 1)))
	require.NoError(t, err)
	m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog()})
	defer m.Close()
	err = m.Load(doc)
	require.ErrorContains(t, err, "policy [all] failed to start: hots_spec is an invalid/unsupported config or filter.")
	require.ErrorContains(t, err, "af_packet_ring_mb, in tap 'wired' (line 6, column 29); did you mean 'host_spec'?")
	require.Len(t, policy.Problems(err), 1)
}

// A section without any key that pktvisor reads is refused, as pktvisor's test of documents without
// policies requires.
func TestParseNothing(t *testing.T) {
	doc, err := builtin.Catalog().Parse([]byte("visor:\n  no_policies:\n"))
	require.EqualError(t, err, "no policies found in schema (line 2, column 3)")
	require.Equal(t, "policies", doc.Warnings[0].Nearest)
	for _, empty := range []string{"visor:", "visor: {}", "visor: {taps: }", "visor: {policies: , config: }", "{orb: {a: b}, visor: }"} {
		_, err := builtin.Catalog().Parse([]byte(empty))
		require.NoError(t, err, empty)
	}
}

// The API's answer about taps can be posted back, alone or as the taps of a document. A secret that
// it hides cannot.
func TestParseAnswer(t *testing.T) {
	const shown = `{"t":{"config":{"iface":"eth0"},"input_type":"pcap","interface":"visor.module.input/1.0","tags":null}}`
	for _, text := range []string{shown, `{"visor":{"taps":` + shown + `}}`} {
		tap, warnings, err := builtin.Catalog().ParseTap([]byte(text))
		require.NoError(t, err)
		require.Len(t, warnings, 1, "of the key 'interface', which has no effect")
		require.Equal(t, policy.Tap{Name: "t", InputType: "pcap", Config: policy.Options{"iface": "eth0"}}, tap)
	}
	for _, value := range []string{`"<redacted>"`, `"https://<redacted>@example.com/"`, `["<redacted>"]`, `{"token":"<redacted>"}`} {
		_, _, err := builtin.Catalog().ParseTap([]byte(strings.Replace(shown, `"eth0"`, value, 1)))
		require.ErrorContains(t, err, "is <redacted>: write what it stands for")
	}
	_, _, err := builtin.Catalog().ParseTap([]byte(`{"t":{"input_type":"pcap"}}`))
	require.ErrorContains(t, err, "invalid schema")
}

func TestParseSingleErrors(t *testing.T) {
	for doc, want := range map[string]string{
		"visor: {policies: {}}":          "no taps found in schema (line 1, column 8)",
		"visor: {taps: 5}":               "no taps found in schema (line 1, column 8)",
		"visor: {taps: {}}":              "only a single tap expected but got 0 (line 1, column 15)",
		"visor: {taps: {a: {}, b: {}}}":  "only a single tap expected but got 2 (line 1, column 15)",
		"visor: {taps: {a: {x: 1}}}":     "missing or invalid tap type key 'input_type' (line 1, column 19)",
		"{visor: {taps: {a: {x: 1}}}, y": "yaml: ",
	} {
		_, _, err := builtin.Catalog().ParseTap([]byte(doc))
		require.ErrorContains(t, err, want)
	}
	_, _, err := builtin.Catalog().ParsePolicy([]byte("visor: {taps: {}}"))
	require.EqualError(t, err, "no policies found in schema (line 1, column 8)")
	_, _, err = builtin.Catalog().ParsePolicy([]byte("visor: {policies: {a: {}, b: {}, c: {}}}"))
	require.EqualError(t, err, "only a single policy expected but got 3 (line 1, column 19)")
}

// A document of a few lines that would hold billions of nodes, or contain itself, ends with an
// error.
func TestParseAliases(t *testing.T) {
	_, _, err := builtin.Catalog().ParseTap([]byte("visor: {taps: {a: &t {input_type: pcap, config: &c {iface: eth0}, tags: *c}}}"))
	require.NoError(t, err)
	var b strings.Builder
	b.WriteString("x0: &x0 {a: b}\n")
	for i := 1; i < 15; i++ {
		b.WriteString(strings.NewReplacer("N", string(rune('A'+i)), "M", string(rune('A'+i-1))).Replace("xN: &xN {a: *xM, b: *xM, c: *xM}\n"))
	}
	bomb := strings.ReplaceAll(b.String(), "*xA", "*x0")
	_, _, err = builtin.Catalog().ParseTap([]byte("visor:\n  taps:\n    t:\n      input_type: pcap\n      config:\n" + indent(bomb, "        ")))
	require.ErrorContains(t, err, "too much")
	_, _, err = builtin.Catalog().ParseTap([]byte("visor: {taps: {t: {input_type: pcap, config: &c {a: *c}}}}"))
	require.ErrorContains(t, err, "more than 16 tables in one another")
}

func indent(text, by string) string {
	return by + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n"+by) + "\n"
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("visor: {taps: {t: {input_type: pcap, config: &c {a: *c}}}}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		doc, err := builtin.Catalog().Parse(b)
		if (doc == nil) && err == nil {
			t.Fatal("neither a document nor an error")
		}
		_, _, _ = builtin.Catalog().ParseTap(b)
		_, _, _ = builtin.Catalog().ParsePolicy(b)
	})
}
