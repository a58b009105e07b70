package geo_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/geo"
	"visor/internal/sharedtest"
)

// Values from pktvisor's own tests (expected-values.md section 5.2).
func TestMaxMindTestDatabases(t *testing.T) {
	db, err := geo.Open(geo.Config{
		CityPath: sharedtest.Dir(t, "corpus", "geo", "GeoIP2-City-Test.mmdb"),
		ASNPath:  sharedtest.Dir(t, "corpus", "geo", "GeoIP2-ISP-Test.mmdb"),
	})
	require.NoError(t, err)
	defer db.Close()
	c := db.NewCache()
	for range 2 { // the second time from the cache
		russia := c.City(netip.MustParseAddr("2a02:dac0::"))
		require.Equal(t, "EU/Russia", russia.Text)
		require.Equal(t, []string{"60.000000", "100.000000"}, []string{russia.Lat, russia.Lon})
		require.Equal(t, "EU/Sweden/E/Linköping", c.City(netip.MustParseAddr("89.160.20.112")).Text)
		require.Equal(t, "NA/United States/WA/Milton", c.City(netip.MustParseAddr("216.160.83.56")).Text)
		require.Equal(t, "NA/United States/WA/Milton", c.City(netip.MustParseAddr("::ffff:216.160.83.56")).Text)
		require.Equal(t, geo.Unknown, c.City(netip.MustParseAddr("127.0.0.1")).Text)
		require.Equal(t, "1221/Telstra Pty Ltd", c.ASN(netip.MustParseAddr("1.128.0.0")).Text)
		require.Equal(t, "237/Merit Network Inc.", c.ASN(netip.MustParseAddr("2401:8080::")).Text)
		require.Equal(t, geo.Unknown, c.ASN(netip.MustParseAddr("6.6.6.6")).Text)
		require.Equal(t, geo.Unknown, c.ASN(netip.MustParseAddr("8.8.8.8")).Text, "a record without a number")
	}
}
