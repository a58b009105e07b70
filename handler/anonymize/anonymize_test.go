package anonymize_test

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/handler/anonymize"
)

// sampleKey is the key of the sample trace that Crypto-PAn 1.0 comes with.
var sampleKey = anonymize.Key{
	21, 34, 23, 141, 51, 164, 207, 128, 19, 10, 91, 22, 73, 144, 125, 16,
	216, 152, 143, 131, 121, 121, 101, 39, 98, 87, 76, 45, 42, 132, 34, 2,
}

func cache(t testing.TB, cfg anonymize.Config) *anonymize.Cache {
	t.Helper()
	m, err := anonymize.New(cfg)
	require.NoError(t, err)
	return m.NewCache()
}

// TestSamples uses addresses of the sample trace. For IPv6 it uses the tests of yacryptopan.
func TestSamples(t *testing.T) {
	c := cache(t, anonymize.Config{Key: &sampleKey})
	for _, pair := range []string{
		"128.11.68.132 135.242.180.132", "129.118.74.4 134.136.186.123", "130.132.252.244 133.68.164.234",
		"141.223.7.43 141.167.8.160", "141.233.145.108 141.129.237.235", "152.163.225.39 151.140.114.167",
		"156.29.3.236 147.225.12.42", "165.247.96.84 162.9.99.234", "166.107.77.190 160.132.178.185",
		"192.102.249.13 252.138.62.131", "192.215.32.125 252.43.47.189", "192.233.80.103 252.25.108.8",
		"192.41.57.43 252.222.221.184", "193.150.244.223 253.169.52.216", "24.0.250.221 100.15.198.226",
		"24.13.62.231 100.2.192.247", "64.14.118.196 0.255.183.58", "64.34.154.117 0.221.154.117",
		"::1 78ff:f001:9fc0:20df:8380:b1f1:704:ed", "::2 78ff:f001:9fc0:20df:8380:b1f1:704:ef",
		"::ffff 78ff:f001:9fc0:20df:8380:b1f1:704:f838",
		"2001:db8::1 4401:2bc:603f:d91d:27f:ff8e:e6f1:dc1e", "2001:db8::2 4401:2bc:603f:d91d:27f:ff8e:e6f1:dc1c",
	} {
		in, want, _ := strings.Cut(pair, " ")
		for range 2 { // computed, then remembered
			require.Equal(t, netip.MustParseAddr(want), c.Addr(netip.MustParseAddr(in)), in)
			require.Equal(t, netip.MustParseAddr(want), c.Subnet(netip.MustParseAddr(in)), in)
		}
	}
}

// common returns the number of equal bits at the start.
func common(a, b netip.Addr) int {
	x, y := a.As16(), b.As16()
	high := binary.BigEndian.Uint64(x[:]) ^ binary.BigEndian.Uint64(y[:])
	if high != 0 {
		return bits.LeadingZeros64(high)
	}
	return 64 + bits.LeadingZeros64(binary.BigEndian.Uint64(x[8:])^binary.BigEndian.Uint64(y[8:]))
}

// TestPrefixes: two addresses share as many bits before as after, in any order of questions.
func TestPrefixes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	c := cache(t, anonymize.Config{Key: &sampleKey})
	for range 3000 {
		var a [16]byte
		binary.BigEndian.PutUint64(a[:], rnd.Uint64())
		binary.BigEndian.PutUint64(a[8:], rnd.Uint64())
		b, at := a, rnd.IntN(128)
		b[at/8] ^= 0x80 >> (at % 8)
		v6, other6 := netip.AddrFrom16(a), netip.AddrFrom16(b)
		require.Equal(t, common(v6, other6), common(c.Addr(v6), c.Addr(other6)))
		v4, other4 := netip.AddrFrom4([4]byte(a[:])), netip.AddrFrom4([4]byte(b[:]))
		require.Equal(t, common(v4, other4), common(c.Addr(v4), c.Addr(other4)))
	}
}

func TestCut(t *testing.T) {
	c := cache(t, anonymize.Config{SubnetIPv4: 16, SubnetIPv6: 32})
	for in, want := range map[string]string{
		"192.0.2.77": "192.0.2.0", "2001:db8:1:2::3": "2001:db8:1::", "::ffff:192.0.2.77": "::", "fe80::1%eth0": "fe80::",
		"2002:c000:24d:1::1": "2002:c000:200::", // 6to4 of 192.0.2.77
	} {
		require.Equal(t, netip.MustParseAddr(want), c.Addr(netip.MustParseAddr(in)), in)
	}
	require.Equal(t, "192.0.0.0", c.Subnet(netip.MustParseAddr("192.0.2.77")).String())
	require.Equal(t, "2001:db8::", c.Subnet(netip.MustParseAddr("2001:db8:1:2::3")).String())
	require.False(t, c.Addr(netip.Addr{}).IsValid())
}

// wire returns the key of a name.
func wire(name string) []byte {
	var out []byte
	for label := range strings.SplitSeq(name, ".") {
		out = append(append(out, byte(len(label))), label...)
	}
	return out
}

func TestNames(t *testing.T) {
	const v6 = "3.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
	cut := cache(t, anonymize.Config{})
	for in, want := range map[string]string{
		"77.2.0.192.in-addr.arpa":                "2.0.192.in-addr.arpa",
		"2.0.192.in-addr.arpa":                   "",
		"in-addr.arpa":                           "",
		"www.example.com":                        "",
		"b._dns-sd._udp.77.2.0.192.in-addr.arpa": "2.0.192.in-addr.arpa",
		"77.64-26.2.0.192.in-addr.arpa":          "2.0.192.in-addr.arpa", // RFC 2317
		"host-192-0-2-77.in-addr.arpa":           "in-addr.arpa",
		"9.77.2.0.192.in-addr.arpa":              "2.0.192.in-addr.arpa",
		"300.0.192.in-addr.arpa":                 "0.192.in-addr.arpa",
		v6:                                       "1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
		"x." + v6:                                "1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
		"ip6.arpa":                               "",
		"10.8.b.d.0.1.0.0.2.ip6.arpa":            "8.b.d.0.1.0.0.2.ip6.arpa",
	} {
		for _, part := range []string{"", "\x00"} {
			got, changed := cut.AppendName([]byte("x"), append(wire(in), part...))
			require.Equal(t, want != "", changed, in)
			expected := "x"
			if changed {
				expected += string(wire(want)) + part
			}
			require.Equal(t, expected, string(got), in)
		}
	}
	_, changed := cut.AppendName(nil, []byte("\x0a1\x07in-addr\x04arpa"))
	require.False(t, changed, "the zone is in a label")
	twenty := cache(t, anonymize.Config{IPv4: 20})
	got, _ := twenty.AppendName(nil, wire("77.66.55.10.in-addr.arpa"))
	require.Equal(t, wire("64.55.10.in-addr.arpa"), got)

	keyed := cache(t, anonymize.Config{Key: &sampleKey})
	got, _ = keyed.AppendName(nil, wire("132.68.11.128.in-addr.arpa"))
	require.Equal(t, wire("132.180.242.135.in-addr.arpa"), got)
	got, _ = keyed.AppendName(nil, wire("11.128.in-addr.arpa"))
	require.Equal(t, wire("242.135.in-addr.arpa"), got, "the same network")
	got, _ = keyed.AppendName(nil, wire("8.b.d.0.1.0.0.2.ip6.arpa"))
	require.Equal(t, wire("c.b.2.0.1.0.4.4.ip6.arpa"), got)
}

func TestConfig(t *testing.T) {
	for _, cfg := range []anonymize.Config{
		{IPv4: 33}, {IPv4: -1}, {IPv6: 129}, {SubnetIPv4: 33}, {SubnetIPv6: -1}, {Key: &sampleKey, IPv4: 24}, {KeyFile: "/nowhere/key"},
	} {
		_, err := anonymize.New(cfg)
		require.Error(t, err)
	}
	path := filepath.Join(t.TempDir(), "key")
	secret := strings.Repeat("zz", 32)
	require.NoError(t, os.WriteFile(path, []byte(secret), 0o600))
	_, err := anonymize.New(anonymize.Config{KeyFile: path})
	require.ErrorContains(t, err, "64 hexadecimal digits")
	require.NotContains(t, err.Error(), "zz")
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("0f", 32)+"\n"), 0o600))
	m, err := anonymize.New(anonymize.Config{KeyFile: path})
	require.NoError(t, err)
	require.NotContains(t, m.String(), "0f0f")
	require.Nil(t, (*anonymize.Method)(nil).NewCache())
	var none *anonymize.Cache
	require.Equal(t, netip.IPv6Loopback(), none.Addr(netip.IPv6Loopback()))
}

// Handlers of one worker share a Cache if they anonymize alike.
func TestShared(t *testing.T) {
	m, err := anonymize.New(anonymize.Config{})
	require.NoError(t, err)
	other, err := anonymize.New(anonymize.Config{})
	require.NoError(t, err)
	a, b, c := m.NewCache(), m.NewCache(), other.NewCache()
	require.Same(t, a, b.Shared(a))
	require.Same(t, c, c.Shared(a))
	require.Same(t, a, a.Shared(nil))
	require.Nil(t, (*anonymize.Cache)(nil).Shared(a))
}

func TestAllocs(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	name := wire("77.2.0.192.in-addr.arpa")
	for _, cfg := range []anonymize.Config{{}, {Key: &sampleKey}} {
		c, dst := cache(t, cfg), make([]byte, 0, 256)
		require.Zero(t, testing.AllocsPerRun(100, func() {
			var a [16]byte
			binary.BigEndian.PutUint64(a[:], rnd.Uint64())
			c.Addr(netip.AddrFrom16(a))
			c.Addr(netip.AddrFrom4([4]byte(a[:])))
			c.AppendName(dst, name)
		}))
	}
}

func FuzzAppendName(f *testing.F) {
	f.Add(wire("77.2.0.192.in-addr.arpa"))
	f.Add(wire("8.b.d.0.1.0.0.2.ip6.arpa"))
	f.Add(append(wire("2.ip6.arpa"), 0))
	f.Fuzz(func(t *testing.T, name []byte) {
		for _, cfg := range []anonymize.Config{{IPv4: 20, IPv6: 50}, {Key: &sampleKey}} {
			out, changed := cache(t, cfg).AppendName(nil, name)
			if changed && len(name) < 256 {
				require.LessOrEqual(t, len(out), 256+8)
			}
		}
	})
}

func BenchmarkAddr(b *testing.B) {
	for _, bb := range []struct {
		name string
		cfg  anonymize.Config
		v6   bool
		many bool
	}{
		{"cut/v4", anonymize.Config{}, false, true}, {"cut/v6", anonymize.Config{}, true, true},
		{"cryptopan/v4/known", anonymize.Config{Key: &sampleKey}, false, false}, {"cryptopan/v4/new", anonymize.Config{Key: &sampleKey}, false, true},
		{"cryptopan/v6/known", anonymize.Config{Key: &sampleKey}, true, false}, {"cryptopan/v6/new", anonymize.Config{Key: &sampleKey}, true, true},
	} {
		b.Run(bb.name, func(b *testing.B) {
			c, n := cache(b, bb.cfg), uint64(0)
			for b.Loop() {
				if bb.many {
					n += 0x9E3779B97F4A7C15
				}
				var a [16]byte
				binary.BigEndian.PutUint64(a[:], n)
				if bb.v6 {
					c.Addr(netip.AddrFrom16(a))
				} else {
					c.Addr(netip.AddrFrom4([4]byte(a[:])))
				}
			}
		})
	}
}

func TestShows(t *testing.T) {
	cut, err := anonymize.New(anonymize.Config{})
	require.NoError(t, err)
	keyed, err := anonymize.New(anonymize.Config{Key: &sampleKey})
	require.NoError(t, err)
	for net, shown := range map[string]bool{"192.0.2.0/24": true, "192.0.2.0/25": false, "2001:db8::/48": true, "2001:db8::/49": false} {
		require.Equal(t, shown, cut.Shows(netip.MustParsePrefix(net)), net)
		require.False(t, keyed.Shows(netip.MustParsePrefix(net)))
		require.True(t, (*anonymize.Method)(nil).Shows(netip.MustParsePrefix(net)))
	}
	otherCut, err := anonymize.New(anonymize.Config{IPv6: 32})
	require.NoError(t, err)
	sameCut, err := anonymize.New(anonymize.Config{IPv4: 24})
	require.NoError(t, err)
	otherKey := sampleKey
	sameKeyed, err := anonymize.New(anonymize.Config{Key: &otherKey})
	require.NoError(t, err)
	differs := sampleKey
	differs[0]++
	otherKeyed, err := anonymize.New(anonymize.Config{Key: &differs})
	require.NoError(t, err)
	var none *anonymize.Method
	for _, tt := range []struct {
		a, b *anonymize.Method
		want bool
	}{{cut, sameCut, true}, {cut, otherCut, false}, {keyed, sameKeyed, true}, {keyed, otherKeyed, false}, {cut, keyed, false}, {none, cut, false}, {none, none, true}} {
		require.Equal(t, tt.want, tt.a.Equal(tt.b))
		require.Equal(t, tt.want, tt.b.Equal(tt.a))
	}
	require.Equal(t, map[string]any{"v6": 32, "client_subnet_v4": 8}, (&anonymize.Config{IPv6: 32, SubnetIPv4: 8}).Options())
	require.Equal(t, map[string]any{"key_file": "k"}, (&anonymize.Config{KeyFile: "k"}).Options())
}
