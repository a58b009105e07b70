package policy_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/handler/anonymize"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
)

// closer is a policy that shows the traffic of another one more closely, as a drill-down does.
func closer(name string, of policy.Policy) policy.Policy {
	p := counting(name)
	p.Original, p.Anonymize = of.Name, of.Anonymize
	return p
}

// TestOriginal: a drill-down runs while its original shows addresses in the same way.
func TestOriginal(t *testing.T) {
	m, _ := manager(t)
	p := counting("p")
	add(t, m, p)
	drilled := add(t, m, closer("drill-1", p))
	other := add(t, m, counting("other"))

	p.Modules = p.Modules[:1]
	_, err := m.ReplacePolicy(p)
	require.NoError(t, err)
	require.Same(t, drilled, m.Policy("drill-1"), "addresses are as before")
	require.NoError(t, drilled.Reason())

	former := p
	p.Anonymize = &anonymize.Config{IPv4: 16}
	_, err = m.ReplacePolicy(p)
	require.NoError(t, err)
	require.Nil(t, m.Policy("drill-1"))
	<-drilled.Ended()
	require.EqualError(t, drilled.Reason(), "policy 'p' shows addresses in another way now")
	require.Same(t, other, m.Policy("other"))

	_, err = m.AddPolicy(closer("drill-2", former))
	require.EqualError(t, err, "policy [drill-2] failed to start: the original policy has changed: policy 'p' shows addresses in another way now")
	_, err = m.AddPolicy(closer("drill-2", policy.Policy{Name: "none"}))
	require.EqualError(t, err, "policy [drill-2] failed to start: the original policy has changed: policy 'none' does not exist")
	drilled = add(t, m, closer("drill-2", p))
	require.NoError(t, m.RemovePolicy("p"))
	require.Nil(t, m.Policy("drill-2"))
	require.EqualError(t, drilled.Reason(), "policy 'p' has ended")
	require.Equal(t, 2, len(m.Policies()), "other, and the cost of its input")
}

const hidden = `
visor:
  taps: {wired: {input_type: pcap, config: {iface: eth0}, %s}}
  policies:
    p: {kind: collection, input: {tap: wired, input_type: pcap}, handlers: {modules: {net: {type: net}}}}
`

// TestReloadHides: all policies of a tap hide addresses as soon as the tap does, also those from
// the API. Drill-downs that have begun end.
func TestReloadHides(t *testing.T) {
	in := &inputs{}
	m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog(), Open: in.open})
	defer m.Close()
	parse := func(section string) *policy.Document {
		d, err := builtin.Catalog().Parse([]byte(strings.Replace(hidden, "%s", section, 1)))
		require.NoError(t, err)
		return d
	}
	require.NoError(t, m.Load(parse("")))
	posted := add(t, m, counting("posted"))
	drilled := add(t, m, closer("drill-1", m.Policy("p").Policy))
	drilledToo := add(t, m, closer("drill-2", posted.Policy))
	require.NoError(t, m.Reload(parse("")))
	require.Same(t, posted, m.Policy("posted"))

	require.NoError(t, m.Reload(parse("anonymize: {v4: 16}")))
	for _, name := range []string{"p", "posted"} {
		require.Equal(t, 16, m.Policy(name).Parts[0].Tap.Anonymize.IPv4)
		require.Contains(t, m.Policy(name).Parts[0].Anonymize.String(), "/16")
	}
	require.Nil(t, m.Policy("drill-1"))
	require.EqualError(t, drilled.Reason(), "policy 'p' shows addresses in another way now")
	require.Nil(t, m.Policy("drill-2"))
	require.EqualError(t, drilledToo.Reason(), "policy 'posted' shows addresses in another way now")
	require.Equal(t, 1, in.openNow())
}
