package builtin_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"visor/handler/policy/builtin"
)

// TestParseNetworks checks pktvisor's texts, which its behave scenarios expect.
func TestParseNetworks(t *testing.T) {
	for spec, want := range map[string]string{
		"192.0.2.1":            "invalid CIDR: 192.0.2.1; did you mean 192.0.2.1/32 or 192.0.2.0/24?",
		"2001:db8::1":          "invalid CIDR: 2001:db8::1; did you mean 2001:db8::1/128 or 2001:db8::/64?",
		"192.0.2.1/":           "invalid CIDR: 192.0.2.1/",
		"192.0.2.1/33":         "invalid CIDR: 192.0.2.1/33",
		"192.0.2.1/-1":         "invalid CIDR: 192.0.2.1/-1",
		"2001:db8::/129":       "invalid CIDR: 2001:db8::/129",
		"192.0.2/24":           "invalid IPv4 address: 192.0.2",
		"host/24":              "invalid IPv4 address: host",
		"2001:db8::g/32":       "invalid IPv6 address: 2001:db8::g",
		"fe80::1%eth0/64":      "invalid IPv6 address: fe80::1%eth0",
		"192.0.2.0/24,oops/1,": "invalid IPv4 address: oops",
	} {
		nets, err := builtin.ParseNetworks(spec)
		require.EqualError(t, err, want)
		require.True(t, nets.Empty())
	}
	nets, err := builtin.ParseNetworks("192.0.2.0/24")
	require.NoError(t, err)
	require.False(t, nets.Empty())
}
