package geo_test

import (
	"bytes"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"visor/geo"
	"visor/internal/mmdbtest"
)

type record = mmdbtest.Record

func english(name string) record { return record{"names": record{"en": name, "de": "anders"}} }

var (
	cities = map[string]record{
		"192.0.2.0/25": {
			"continent": record{"code": "EU"}, "country": record{"iso_code": "SE", "names": record{"en": "Sweden"}},
			"subdivisions": []record{{"iso_code": "E"}, {"iso_code": "X"}}, "city": english("Linköping"),
			"location": record{"latitude": 58.4167, "longitude": 15.6167},
		},
		"192.0.2.128/25":   {"continent": record{"code": "NA"}, "country": record{"iso_code": "US"}, "city": english("Milton")},
		"198.51.100.0/24":  {"continent": record{"code": "AS"}, "location": record{"latitude": 0.0, "longitude": -0.5}},
		"203.0.113.0/25":   {"location": record{"latitude": 1.0, "longitude": 2.0}},
		"203.0.113.128/25": {},
		"2001:db8::/32":    {"continent": record{"code": "OC"}, "country": english("Fiji")},
	}
	networks = map[string]record{
		"192.0.2.0/24":    {"autonomous_system_number": uint32(64500), "autonomous_system_organization": "Example Net"},
		"198.51.100.0/24": {"autonomous_system_number": uint32(4200000000)},
		"203.0.113.0/24":  {"autonomous_system_organization": "Nobody"},
		"2001:db8::/32":   {"autonomous_system_number": uint32(64501), "autonomous_system_organization": "Sechs/Sex"},
	}
)

func open(t testing.TB, cfg geo.Config) *geo.DB {
	db, err := geo.Open(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func TestCity(t *testing.T) {
	c := open(t, geo.Config{CityPath: mmdbtest.Write(t, "Test-City", cities)}).NewCache()
	for addr, want := range map[string][3]string{
		"192.0.2.1": {"EU/Sweden/E/Linköping", "58.416700", "15.616700"},
		// no name, so the code is used; no subdivision
		"192.0.2.200":        {"NA/US/Milton", "", ""},
		"198.51.100.1":       {"AS", "0.000000", "-0.500000"},
		"2001:db8::1":        {"OC/Fiji", "", ""},
		"::ffff:192.0.2.200": {"NA/US/Milton", "", ""},
		"203.0.113.1":        {geo.Unknown, "1.000000", "2.000000"}, // no names
		"203.0.113.200":      {geo.Unknown, "", ""},                 // an empty record
		"127.0.0.1":          {geo.Unknown, "", ""},
		"::1":                {geo.Unknown, "", ""},
	} {
		for range 2 { // the second time from the cache
			got := c.City(netip.MustParseAddr(addr))
			require.Equal(t, want, [3]string{got.Text, got.Lat, got.Lon}, addr)
			text, lat, lon := geo.ParseKey(got.Key)
			require.Equal(t, want, [3]string{text, lat, lon})
		}
	}
	require.Nil(t, c.ASN(netip.MustParseAddr("192.0.2.1")), "no such database")
}

func TestASN(t *testing.T) {
	c := open(t, geo.Config{ASNPath: mmdbtest.Write(t, "Test-ASN", networks)}).NewCache()
	for addr, want := range map[string]string{
		"192.0.2.1":    "64500/Example Net",
		"198.51.100.1": "4200000000",
		"203.0.113.1":  geo.Unknown, // a record without a number is Unknown
		"2001:db8::1":  "64501/Sechs/Sex",
		"10.0.0.1":     geo.Unknown,
	} {
		as := c.ASN(netip.MustParseAddr(addr))
		require.Equal(t, want, as.Text, addr)
		require.Equal(t, want, string(as.Key))
	}
	require.Nil(t, c.City(netip.MustParseAddr("192.0.2.1")), "no such database")
}

// TestCacheIsBounded looks up more addresses than the cache holds: answers stay right, and
// evictions are counted.
func TestCacheIsBounded(t *testing.T) {
	c := open(t, geo.Config{ASNPath: mmdbtest.Write(t, "Test-ASN", networks), CacheSize: 16}).NewCache()
	for range 3 {
		for i := range 256 {
			require.Equal(t, uint32(64500), c.ASN(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})).Number)
		}
	}
	require.Greater(t, c.Evicted(), uint64(3*256-3*16-16))
	require.Less(t, c.Evicted(), uint64(3*256))
}

func TestCacheAllocs(t *testing.T) {
	c := open(t, geo.Config{CityPath: mmdbtest.Write(t, "Test-City", cities), CacheSize: 4}).NewCache()
	run := func() { // more addresses than slots, from two records
		for i := range 256 {
			c.City(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
		}
	}
	run()
	require.Zero(t, testing.AllocsPerRun(10, run))
}

func TestOpenErrors(t *testing.T) {
	_, err := geo.Open(geo.Config{})
	require.ErrorContains(t, err, "neither")
	_, err = geo.Open(geo.Config{CityPath: "no/such.mmdb"})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "no/such.mmdb")
	path := filepath.Join(t.TempDir(), "text.mmdb")
	require.NoError(t, os.WriteFile(path, []byte("not a database"), 0o600))
	_, err = geo.Open(geo.Config{ASNPath: path})
	require.ErrorContains(t, err, path+" is not a MaxMind database")

	city, asn, empty := mmdbtest.Write(t, "Test-City", cities), mmdbtest.Write(t, "Test-ASN", networks), mmdbtest.Write(t, "Test-Empty", nil)
	for _, wrong := range []string{city, empty} {
		_, err = geo.Open(geo.Config{ASNPath: wrong})
		require.ErrorContains(t, err, wrong+" has no autonomous system numbers")
	}
	_, err = geo.Open(geo.Config{CityPath: asn, ASNPath: city})
	require.ErrorContains(t, err, asn+` has no locations, it is a database of type "Test-ASN"`)
	require.ErrorContains(t, err, "has no autonomous system numbers")
}

// TestReload replaces the file below a DB with another one, breaks it, and removes it.
func TestReload(t *testing.T) {
	path := mmdbtest.Write(t, "Test-ASN", networks)
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		db, err := geo.Open(geo.Config{ASNPath: path, Reload: time.Second, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		require.NoError(t, err)
		defer db.Close()
		c, addr := db.NewCache(), netip.MustParseAddr("192.0.2.1")
		pass := func() { time.Sleep(2 * time.Second); synctest.Wait() }
		require.Equal(t, uint32(64500), c.ASN(addr).Number)
		pass()
		require.Empty(t, log.String(), "nothing has changed")

		other := mmdbtest.Build("Test-ASN", map[string]record{"192.0.2.0/24": {"autonomous_system_number": uint32(64999)}})
		require.NoError(t, os.WriteFile(path+".new", other, 0o600))
		require.NoError(t, os.Rename(path+".new", path))
		pass()
		require.Equal(t, uint32(64999), c.ASN(addr).Number)
		require.Contains(t, log.String(), "reloaded")

		require.NoError(t, os.WriteFile(path, []byte("broken"), 0o600))
		pass()
		require.Equal(t, uint32(64999), c.ASN(addr).Number)
		require.Contains(t, log.String(), "the old one serves")

		require.NoError(t, os.WriteFile(path, mmdbtest.Build("Test-City", cities), 0o600))
		pass()
		require.Equal(t, uint32(64999), c.ASN(addr).Number)
		require.Contains(t, log.String(), "has no autonomous system numbers")

		require.NoError(t, os.Remove(path))
		pass()
		require.Equal(t, uint32(64999), c.ASN(addr).Number)
	})
}

// FuzzDatabase queries a database of arbitrary bytes: every query returns an answer.
func FuzzDatabase(f *testing.F) {
	f.Add(mmdbtest.Build("Test-City", cities), []byte{192, 0, 2, 1})
	f.Add(mmdbtest.Build("Test-ASN", networks), netip.MustParseAddr("2001:db8::1").AsSlice())
	path := filepath.Join(f.TempDir(), "fuzz.mmdb")
	f.Fuzz(func(t *testing.T, raw, addr []byte) {
		a, ok := netip.AddrFromSlice(addr)
		if !ok {
			return
		}
		require.NoError(t, os.WriteFile(path, raw, 0o600))
		if db, err := geo.Open(geo.Config{CityPath: path, Reload: -1}); err == nil {
			defer db.Close()
			require.NotEmpty(t, db.NewCache().City(a).Text)
		}
		if db, err := geo.Open(geo.Config{ASNPath: path, Reload: -1}); err == nil {
			defer db.Close()
			require.NotEmpty(t, db.NewCache().ASN(a).Text)
		}
	})
}

func BenchmarkCity(b *testing.B) {
	c := open(b, geo.Config{CityPath: mmdbtest.Write(b, "Test-City", cities)}).NewCache()
	for _, kind := range []struct {
		name string
		step byte
	}{{"cached", 0}, {"another address", 1}} {
		b.Run(kind.name, func(b *testing.B) {
			a := [16]byte{0x20, 0x01, 0x0D, 0xB8}
			for b.Loop() {
				a[15] += kind.step
				if a[15] == 0 {
					a[14] += kind.step
				}
				if c.City(netip.AddrFrom16(a)) == nil {
					b.Fatal("no answer")
				}
			}
		})
	}
}
