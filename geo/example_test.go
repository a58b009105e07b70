package geo_test

import (
	"fmt"
	"net/netip"
	"os"

	"visor/geo"
	"visor/internal/mmdbtest"
)

func Example() {
	// in practice a file from MaxMind, DB-IP or a similar source
	file, err := os.CreateTemp("", "*.mmdb")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.Remove(file.Name())
	file.Write(mmdbtest.Build("Example-ASN", map[string]mmdbtest.Record{
		"192.0.2.0/24": {"autonomous_system_number": uint32(64500), "autonomous_system_organization": "Example Net"},
	}))
	file.Close()

	db, err := geo.Open(geo.Config{ASNPath: file.Name()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	cache := db.NewCache()
	fmt.Println(cache.ASN(netip.MustParseAddr("192.0.2.7")).Text)
	fmt.Println(cache.ASN(netip.MustParseAddr("203.0.113.7")).Text)
	// Output:
	// 64500/Example Net
	// Unknown
}
