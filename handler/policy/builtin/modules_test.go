package builtin

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/probe"
	"visor/decode"
	"visor/handler"
	"visor/handler/flow"
	"visor/handler/handlertest"
	"visor/handler/policy"
	"visor/internal/packettest"
)

func TestBuild(t *testing.T) {
	h, err := Catalog().Build(policy.Module{
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
	h, err := Catalog().Build(policy.Module{Type: typ, Config: opts}, policy.Env{})
	require.NoError(t, err)
	return h.Info()
}

// The texts are pktvisor's, because users' tools match them.
func TestBuildErrors(t *testing.T) {
	const dnsKeys = "exclude_noerror, only_rcode, only_queries, only_responses, only_dnssec_response, answer_count, only_qtype, only_qname, only_qname_suffix, geoloc_notfound, asn_notfound, dnstap_msg_type, public_suffix_list, client_subnet_v4, client_subnet_v6, recorded_stream, xact_ttl_secs, xact_ttl_ms, deep_sample_rate, num_periods, topn_count, topn_percentile_threshold"
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
		{"flow device", "flow", "", policy.Options{"device_map": policy.Options{"x": policy.Options{}}}, "FlowHandler: 'device_map' config has an invalid device IP: x"},
		{"flow device name", "flow", "", policy.Options{"device_map": policy.Options{"192.0.2.1": policy.Options{}}}, "FlowHandler: 'device_map' config with device IP 192.0.2.1 does not have 'name' key"},
		{"flow interfaces", "flow", "", policy.Options{"device_map": policy.Options{"192.0.2.1": policy.Options{"name": "a"}}}, "FlowHandler: 'device_map' config with device IP 192.0.2.1 does not have 'interfaces' key"},
		{"flow interface name", "flow", "", policy.Options{"device_map": policy.Options{"192.0.2.1": policy.Options{"name": "a", "interfaces": policy.Options{"7": policy.Options{}}}}}, "FlowHandler: 'device_map' config with device IP 192.0.2.1 does not have 'name' key"},
		{"flow interface index", "flow", "", policy.Options{"device_map": policy.Options{"192.0.2.1": policy.Options{"name": "a", "interfaces": policy.Options{"eth0": policy.Options{"name": "b"}}}}}, "FlowHandler: 'device_map' config with device IP 192.0.2.1 has an invalid interface index: eth0"},
		{"flow filter device", "flow", "", policy.Options{"only_device_interfaces": policy.Options{"x": []string{"*"}}}, "FlowHandler: 'only_device_interfaces' filter has an invalid device IP: x"},
		{"flow filter interface", "flow", "", policy.Options{"only_device_interfaces": policy.Options{"192.0.2.1": []string{"9-7"}}}, "FlowHandler: invalid 'only_device_interfaces' filter interface value: 9-7"},
		{"flow filter list", "flow", "", policy.Options{"only_device_interfaces": policy.Options{"192.0.2.1": "*"}}, "wrong type for key: 192.0.2.1"},
		{"flow port", "flow", "", policy.Options{"only_ports": []string{"70000"}}, "FlowHandler: invalid 'only_ports' filter value: 70000"},
		{"flow direction", "flow", "", policy.Options{"only_directions": []string{"up"}}, "FlowStreamHandler: only_directions filter contained an invalid/unsupported direction: up"},
		{"flow rate", "flow", "", policy.Options{"device_map": sampledDevice("x")}, "FlowHandler: 'device_map' config with device IP 192.0.2.1 has an invalid sampling_rate: x"},
		{"threshold", "net", "", policy.Options{"topn_percentile_threshold": uint64(101)}, "threshold must be between 0 and 100 but has value 1.010000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Catalog().Build(policy.Module{Type: tt.typ, Version: tt.version, Config: tt.opts}, policy.Env{})
			require.EqualError(t, err, tt.want)
		})
	}
}

// The flow options of a policy reach the handler.
func TestBuildFlow(t *testing.T) {
	h, err := Catalog().Build(policy.Module{Type: "flow", Config: policy.Options{
		"device_map": policy.Options{"192.0.2.1": policy.Options{"name": "edge", "interfaces": policy.Options{"7": policy.Options{"name": "eth0"}}}},
		"only_ports": []string{"443", "8000-8080"}, "only_directions": []string{"in"}, "only_ips": []string{"203.0.113.0/24"},
		"only_device_interfaces": policy.Options{"192.0.2.1": []string{"*"}}, "sample_rate_scaling": false,
	}}, policy.Env{})
	require.NoError(t, err)
	flowOf := func(dstPort uint16, dst string) decode.Flow {
		return decode.Flow{
			Src: netip.MustParseAddr("198.51.100.1"), Dst: netip.MustParseAddr(dst), DstPort: dstPort, Proto: 6,
			Bytes: 10, Packets: 1, Input: 7, Output: 8,
		}
	}
	datagram := packettest.NetFlow5(0, 100, flowOf(443, "203.0.113.1"), flowOf(8040, "203.0.113.1"), flowOf(80, "203.0.113.1"), flowOf(443, "192.0.2.99"))
	p := handlertest.Analyse(t, h, capture.NewMemory([]capture.Frame{packettest.UDP(0, "192.0.2.1:5000", "192.0.2.2:2055", datagram)}))
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	edge := flow.From(snap).Devices.Find("edge")
	require.Equal(t, []uint64{2, 2}, []uint64{edge.Records.Value(), edge.Filtered.Value()})
	require.Equal(t, uint64(20), edge.Interfaces.Find("eth0").InBytes.All.Value())
	require.Equal(t, 1, edge.Interfaces.Len())
}

func sampledDevice(rate any) policy.Options {
	return policy.Options{"192.0.2.1": policy.Options{"name": "edge", "interfaces": policy.Options{}, "sampling_rate": rate}}
}

// The rate of a policy applies to a device whose records state none.
func TestBuildFlowSampling(t *testing.T) {
	h, err := Catalog().Build(policy.Module{Type: "flow", Config: policy.Options{"device_map": sampledDevice(uint64(100)), "enrichment": false}}, policy.Env{})
	require.NoError(t, err)
	f := decode.Flow{Src: netip.MustParseAddr("198.51.100.1"), Dst: netip.MustParseAddr("203.0.113.1"), Bytes: 10, Packets: 1, Input: 7}
	var frames []capture.Frame
	for _, device := range []string{"192.0.2.1:5000", "192.0.2.3:5000"} {
		frames = append(frames, packettest.UDP(0, device, "192.0.2.2:2055", packettest.NetFlow5(0, 0, f)))
	}
	snap, err := handlertest.Analyse(t, h, capture.NewMemory(frames)).Bucket(0)
	require.NoError(t, err)
	for device, want := range map[string]uint64{"192.0.2.1": 1000, "192.0.2.3": 10} {
		require.Equal(t, want, flow.From(snap).Devices.Find(device).Interfaces.Find("7").InBytes.All.Value())
	}
}

func TestInputs(t *testing.T) {
	in, err := parseFlow(policy.Options{"flow_type": "ipfix", "bind": "::1", "port": uint64(2055)})
	require.NoError(t, err)
	require.Equal(t, "[::1]:2055", in.address())
	in, err = parseFlow(policy.Options{"pcap_file": "a.pcap"})
	require.NoError(t, err)
	require.Equal(t, "a.pcap", in.File)
	for want, opts := range map[string]policy.Options{
		`invalid flow_type "netflow5"`:               {"flow_type": "netflow5"},
		"flow config must specify port and bind":     {"bind": "127.0.0.1"},
		"invalid port: 99999; ports are 1 to 65535":  {"bind": "127.0.0.1", "port": uint64(99999)},
		`bind "here" must be an IP address`:          {"bind": "here", "port": uint64(1)},
		"x is an invalid/unsupported config":         {"x": true},
		"wrong type for key: port":                   {"port": "a"},
		"The valid configs/filters are: port, bind,": {"y": true},
	} {
		_, err := parseFlow(opts)
		require.ErrorContains(t, err, want)
	}

	cfg, err := parseProbe(policy.Options{
		"test_type": "tcp", "interval_msec": uint64(1000), "timeout_msec": uint64(500),
		"targets": policy.Options{"b": policy.Options{"target": "::1", "port": uint64(53)}, "a": policy.Options{"target": "localhost", "port": uint64(80), "ip_version": uint64(4)}},
	})
	require.NoError(t, err)
	require.Equal(t, probe.Config{
		Test: probe.Connect, Interval: time.Second, Timeout: 500 * time.Millisecond, Packets: 1, PacketInterval: 25 * time.Millisecond, Payload: 48,
		Targets: []probe.Target{{Name: "a", Host: "localhost", Port: 80, Version: 4}, {Name: "b", Host: "::1", Port: 53}},
	}, cfg)
}

func TestPcapAndTapInputs(t *testing.T) {
	in, err := parsePcap(policy.Options{
		"iface": "eth0", "pcap_source": "af_packet", "bpf": "port 53", "host_spec": "192.0.2.0/24", "debug": true, "tcp_packet_reassembly_cache_limit": uint64(9), "af_packet_ring_mb": uint64(2),
		"dns_ports": []string{"53", "8053"}, "proxy_from": []string{"192.0.2.1", "2001:db8::/32"},
	})
	require.NoError(t, err)
	require.Equal(t, []uint16{53, 8053}, in.DNSPorts)
	require.Equal(t, []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8::/32")}, in.ProxyFrom)
	require.Equal(t, []any{"eth0", "port 53", 9, 2 << 20}, []any{in.Interface, in.Filter, in.MaxConns, in.ringSize()})
	require.True(t, in.Hosts.Contains(netip.MustParseAddr("192.0.2.7")))
	in, err = parsePcap(policy.Options{"pcap_file": "a.pcap"})
	require.NoError(t, err)
	require.Equal(t, "a.pcap", in.File)
	for want, opts := range map[string]policy.Options{
		"unknown pcap source":                                    {"iface": "eth0", "pcap_source": "pfring"},
		"no iface was specified for live capture":                {"bpf": "udp"},
		"invalid CIDR: 192.0.2.1":                                {"iface": "eth0", "host_spec": "192.0.2.1"},
		"Failed to parse bpf filter: port":                       {"iface": "eth0", "bpf": "port"},
		"invalid port: 99999; ports are 1 to 65535":              {"iface": "eth0", "dns_ports": []string{"99999"}},
		"invalid network: lb1; it is as 192.0.2.0/24":            {"iface": "eth0", "proxy_from": []string{"lb1"}},
		"wrong type for key: debug":                              {"iface": "eth0", "debug": "yes"},
		"ifaces is an invalid/unsupported config or filter. The": {"ifaces": "eth0"},
	} {
		_, err := parsePcap(opts)
		require.ErrorContains(t, err, want)
	}
}
