package policy_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"visor/handler/policy"
	"visor/handler/policy/builtin"
)

// Policies beyond the limit are refused, with the sum in the error. They fit again after others
// have ended.
func TestManagerMemory(t *testing.T) {
	in := &inputs{}
	m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog(), Open: in.open, Memory: 100 << 20})
	defer m.Close()
	require.NoError(t, m.AddTap(policy.Tap{Name: "wired", InputType: "pcap", Config: policy.Options{"iface": "eth0"}}))
	add(t, m, counting("a"))
	add(t, m, counting("b"))
	_, err := m.AddPolicy(counting("c"))
	require.ErrorIs(t, err, policy.ErrMemory)
	require.ErrorContains(t, err, "policy [c] does not fit into the memory limit: it may need 25.0 MiB (net 5.0 MiB, dns 20.0 MiB), and others ")
	require.ErrorContains(t, err, " of 100.0 MiB")
	require.Len(t, in.feeds, 1)
	_, err = m.ReplacePolicy(counting("a"))
	require.NoError(t, err, "the former one makes way")

	more := counting("c")
	for i := range more.Modules {
		more.Modules[i].Enable = []string{"everything"}
	}
	_, err = m.AddPolicy(more)
	require.ErrorContains(t, err, "it may need 68.0 MiB (net 10.0 MiB, dns 58.0 MiB)", "with visor's own groups")

	other := counting("c")
	other.Input.Config, other.Modules = policy.Options{"bpf": "udp"}, other.Modules[:1]
	_, err = m.AddPolicy(other)
	require.ErrorContains(t, err, "(input wired ", "an input of its own")
	require.Len(t, in.feeds, 1, "it was not opened")

	short := counting("c")
	short.Window, short.Modules = policy.Options{"num_periods": uint64(1)}, short.Modules[:1]
	add(t, m, short)
	require.NoError(t, m.RemovePolicy("c"))
	require.NoError(t, m.RemovePolicy("a"))
	add(t, m, counting("c"))
}

// An input that asks for more TCP connections than fit receives fewer, and its bound counts.
func TestManagerConnections(t *testing.T) {
	for conns, want := range map[uint64]string{1000: "10.1 MiB", 300_000: "59."} {
		in := &inputs{}
		m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog(), Open: in.open, Memory: 200 << 20})
		defer m.Close()
		config := policy.Options{"iface": "eth0", "af_packet_ring_mb": uint64(1), "tcp_packet_reassembly_cache_limit": conns}
		require.NoError(t, m.AddTap(policy.Tap{Name: "wired", InputType: "pcap", Config: config}))
		many := counting("a")
		for range 12 {
			many.Modules = append(many.Modules, policy.Module{Name: "dns", Type: "dns"})
		}
		_, err := m.AddPolicy(many)
		require.ErrorContains(t, err, "(input wired "+want)
	}
}

// Metric groups that pktvisor lacks count only for modules that enable them.
func TestManagerOwnGroups(t *testing.T) {
	for _, tt := range []struct {
		module policy.Module
		want   string
	}{
		{policy.Module{Enable: []string{"all"}}, "dns 20.0 MiB"},
		{policy.Module{Enable: []string{"top_clients"}}, "dns 58.0 MiB"},
		{policy.Module{Own: true}, "dns 58.0 MiB"},
		{policy.Module{Own: true, Disable: []string{"all"}}, "dns 20.0 MiB"},
	} {
		in := &inputs{}
		m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog(), Open: in.open, Memory: 16 << 20})
		defer m.Close()
		require.NoError(t, m.AddTap(policy.Tap{Name: "wired", InputType: "pcap", Config: policy.Options{"iface": "eth0"}}))
		tt.module.Name, tt.module.Type = "dns", "dns"
		p := counting("a")
		p.Modules = []policy.Module{tt.module}
		_, err := m.AddPolicy(p)
		require.ErrorContains(t, err, tt.want)
	}
}
