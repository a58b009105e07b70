package decode_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/decode"
)

func TestNetSet(t *testing.T) {
	for _, tt := range []struct {
		spec    string
		in, out []string
	}{
		{"192.0.2.0/24", []string{"192.0.2.0", "192.0.2.255"}, []string{"192.0.1.255", "192.0.3.0", "::1", "::ffff:192.0.2.1"}},
		{"192.0.2.77/25", []string{"192.0.2.0", "192.0.2.127"}, []string{"192.0.2.128"}},
		{"198.51.100.7/32", []string{"198.51.100.7"}, []string{"198.51.100.6"}},
		{"0.0.0.0/0", []string{"0.0.0.0", "255.255.255.255"}, []string{"::"}},
		{"2001:db8::/32", []string{"2001:db8::", "2001:db8:ffff::1"}, []string{"2001:db9::", "1.2.3.4"}},
		{"2001:db8::/64", []string{"2001:db8::ffff:0:0:0"}, []string{"2001:db8:0:1::"}},
		{"2001:db8::10/124", []string{"2001:db8::10", "2001:db8::1f"}, []string{"2001:db8::20", "2001:db8::f"}},
		{"2001:db8::1/128", []string{"2001:db8::1"}, []string{"2001:db8::"}},
		{"::/0", []string{"::", "ffff::"}, []string{"0.0.0.0"}},
		{"10.0.0.0/8, 2001:db8::/32 ,192.168.0.0/16", []string{"10.1.2.3", "192.168.4.5", "2001:db8::9"}, []string{"11.0.0.0"}},
		{"", nil, []string{"0.0.0.0", "::"}},
	} {
		nets, err := decode.ParseNetSet(tt.spec)
		require.NoError(t, err, tt.spec)
		require.Equal(t, tt.spec == "", nets.Empty())
		for _, a := range tt.in {
			require.True(t, nets.Contains(netip.MustParseAddr(a)), "%s in %s", a, tt.spec)
		}
		for _, a := range tt.out {
			require.False(t, nets.Contains(netip.MustParseAddr(a)), "%s in %s", a, tt.spec)
		}
	}
}

func TestNetSetErrors(t *testing.T) {
	for spec, want := range map[string]decode.NetError{
		"192.0.2.1":            {Text: "192.0.2.1"},
		"2001:db8::1":          {Text: "2001:db8::1"},
		"192.0.2.1/":           {Text: "192.0.2.1/"},
		"192.0.2.1/33":         {Text: "192.0.2.1/33"},
		"192.0.2.1/-1":         {Text: "192.0.2.1/-1"},
		"2001:db8::/129":       {Text: "2001:db8::/129"},
		"192.0.2/24":           {"192.0.2/24", "192.0.2"},
		"host/24":              {"host/24", "host"},
		"2001:db8::g/32":       {"2001:db8::g/32", "2001:db8::g"},
		"fe80::1%eth0/64":      {"fe80::1%eth0/64", "fe80::1%eth0"},
		"192.0.2.0/24,oops/1,": {"oops/1", "oops"},
	} {
		nets, err := decode.ParseNetSet(spec)
		bad, ok := errors.AsType[*decode.NetError](err)
		require.True(t, ok, spec)
		require.Equal(t, want, *bad)
		require.True(t, nets.Empty())
	}
	_, err := decode.ParseNetSet("192.0.2.1")
	require.EqualError(t, err, `decode: network "192.0.2.1": the prefix length is missing or invalid`)
	_, err = decode.ParseNetSet("host/24")
	require.EqualError(t, err, `decode: network "host/24": the address is invalid`)
}

func TestDirection(t *testing.T) {
	nets, err := decode.ParseNetSet("192.0.2.0/24")
	require.NoError(t, err)
	own, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.1")
	require.Equal(t, decode.ToHost, nets.Direction(other, own))
	require.Equal(t, decode.FromHost, nets.Direction(own, other))
	require.Equal(t, decode.ToHost, nets.Direction(own, own))
	require.Equal(t, decode.Unknown, nets.Direction(other, other))
}

func TestNetSetPrefixes(t *testing.T) {
	own, err := decode.ParseNetSet("2001:db8:1::5/48, 192.0.2.9/24, 203.0.113.7/32, ::1/128")
	require.NoError(t, err)
	var got []string
	for _, p := range own.Prefixes() {
		got = append(got, p.String())
	}
	require.Equal(t, []string{"192.0.2.0/24", "203.0.113.7/32", "2001:db8:1::/48", "::1/128"}, got)
}

// TestNewNetSet finds networks and single addresses among thousands.
func TestNewNetSet(t *testing.T) {
	prefixes := []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8:1::/48")}
	for i := range 500 {
		prefixes = append(prefixes,
			netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, byte(i * 7 >> 8), byte(i * 7)}), 32),
			netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 14: byte(i * 7 >> 8), 15: byte(i * 7)}), 128))
	}
	nets := decode.NewNetSet(prefixes...)
	require.ElementsMatch(t, prefixes, nets.Prefixes())
	require.False(t, nets.Empty())
	for _, p := range prefixes {
		require.True(t, nets.Contains(p.Addr()), p)
		require.Equal(t, !p.IsSingleIP(), nets.Contains(p.Addr().Next()), p)
	}
	none := decode.NewNetSet()
	require.True(t, none.Empty())
	require.False(t, none.Contains(netip.MustParseAddr("::1")))
}

// The direction follows from the networks that hold each address, with few networks and with many.
func TestDirectionFollowsContains(t *testing.T) {
	for _, spec := range []string{
		"192.0.2.0/24,10.0.0.0/8,2001:db8::/32",
		"192.0.2.0/24,10.0.0.0/8,10.1.0.0/32,10.2.0.0/32,10.3.0.0/32,10.4.0.0/32,10.5.0.0/32,10.6.0.0/32,10.7.0.0/32",
		"2001:db8::/32", "0.0.0.0/0",
	} {
		nets, err := decode.ParseNetSet(spec)
		require.NoError(t, err)
		var addrs []netip.Addr
		for _, a := range []string{"192.0.2.1", "10.255.0.1", "203.0.113.1", "0.0.0.0", "2001:db8::1", "2001:db9::1", "::"} {
			addrs = append(addrs, netip.MustParseAddr(a))
		}
		for _, src := range addrs {
			for _, dst := range addrs {
				want := decode.Unknown
				switch {
				case nets.Contains(dst):
					want = decode.ToHost
				case nets.Contains(src):
					want = decode.FromHost
				}
				require.Equal(t, want, nets.Direction(src, dst), "%s to %s in %s", src, dst, spec)
			}
		}
	}
}
