package drill_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/dnstap"
	"visor/capture/filter"
	"visor/decode"
	"visor/decode/dnstapmsg"
	"visor/geo"
	"visor/handler/dns"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
	"visor/handler/policy/drill"
	"visor/internal/mmdbtest"
	"visor/internal/packettest"
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

// TestPlansSelect runs plans over the same traffic as packets and as dnstap. Each counts the
// messages of its entry alone.
func TestPlansSelect(t *testing.T) {
	inputs := map[string][]capture.Frame{}
	start := packettest.UDP(0, "192.0.2.1:9", "192.0.2.1:9", nil).TimeNS
	for i := range 15 {
		at := time.Duration(i) * time.Millisecond
		client, name := netip.MustParseAddr("198.51.100.1"), "a.example.com"
		if i%3 == 0 {
			client, name = netip.MustParseAddr("203.0.113.3"), "b.example.org"
		}
		server := netip.MustParseAddr("192.0.2.53")
		from, to := netip.AddrPortFrom(client, 4000).String(), netip.AddrPortFrom(server, 53).String()
		query := packettest.Query(uint16(i), name, 1)
		reply := packettest.Reply(query, 0, 1)
		inputs["pcap"] = append(inputs["pcap"], packettest.UDP(at, from, to, query), packettest.UDP(at+1e5, to, from, reply))
		m := dnstapmsg.Message{
			Type: dnstapmsg.ClientQuery, IPv4: true, Protocol: dnstapmsg.UDP, QueryAddr: client.AsSlice(), ResponseAddr: server.AsSlice(),
			QueryPort: 4000, ResponsePort: 53, Query: query, QueryTime: start + int64(at),
		}
		inputs["dnstap"] = append(inputs["dnstap"], packettest.DNSTap(m))
		m.Type, m.Response, m.ResponseTime = dnstapmsg.ClientResponse, reply, m.QueryTime+1e5
		inputs["dnstap"] = append(inputs["dnstap"], packettest.DNSTap(m))
	}
	known := map[string]mmdbtest.Record{"203.0.113.0/24": {"autonomous_system_number": uint32(64500)}}
	db, err := geo.Open(geo.Config{ASNPath: mmdbtest.Write(t, "ASN", known), Reload: -1})
	require.NoError(t, err)
	defer db.Close()
	for input, frames := range inputs {
		for _, tt := range []struct {
			look  drill.Look
			entry string
			want  uint64
		}{
			{drill.Suffix, ".example.com", 20}, {drill.Suffix, "b.example.org", 10}, {drill.Suffix, "c.example.org", 0},
			{drill.Address, "203.0.113.3", 10}, {drill.Address, "198.51.100.0/24", 20}, {drill.ASN, "64500", 10},
		} {
			plan, err := tt.look(tt.entry, input)
			require.NoError(t, err)
			doc, err := plan.Document("drill-x", drill.Base{Tap: "t", InputType: input})
			require.NoError(t, err)
			require.Equal(t, tt.want, behind(t, doc, input, frames, db), "%s of %s: %s", tt.entry, input, doc)
		}
	}
	for _, look := range []drill.Look{drill.QType, drill.RCode, drill.Port, drill.Place} {
		_, err := look("Unknown", "dnstap")
		require.ErrorContains(t, err, "dnstap cannot be filtered by ")
	}
}

// behind returns the number of messages that the policy in a document counts.
func behind(t *testing.T, doc []byte, input string, frames []capture.Frame, db *geo.DB) uint64 {
	own, err := decode.ParseNetSet("192.0.2.0/24") // net's filters are of remote addresses
	require.NoError(t, err)
	m := policy.NewManager(policy.ManagerConfig{
		Types: builtin.Catalog(), Env: policy.Env{Geo: db},
		Open: func(_ string, _, only policy.Options) (policy.Opened, error) {
			var src capture.Source = capture.NewMemory(frames)
			var err error
			if hosts, ok := only["only_hosts"]; ok {
				nets, bad := decode.ParseNetSet(strings.Trim(fmt.Sprint(hosts), "[]"))
				src, err = dnstap.OnlyHosts(src, nets), bad
			}
			if bpf, ok := only["bpf"].(string); ok {
				src, err = filter.NewSource(src, bpf)
			}
			return policy.Opened{Sources: []capture.Source{src}, Hosts: own}, err
		},
	})
	defer m.Close()
	require.NoError(t, m.AddTap(policy.Tap{Name: "t", InputType: input}))
	p, _, err := builtin.Catalog().ParsePolicy(doc)
	require.NoError(t, err)
	r, err := m.AddPolicy(p)
	require.NoError(t, err)
	<-r.Parts[0].Ended()
	snap, err := r.Bucket(0)
	require.NoError(t, err)
	return dns.From(snap).Total.Value()
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
