package anonymize_test

import (
	"fmt"
	"net/netip"

	"visor/handler/anonymize"
)

func Example() {
	method, err := anonymize.New(anonymize.Config{IPv4: 24, IPv6: 48})
	if err != nil {
		panic(err)
	}
	cache := method.NewCache() // for one goroutine
	for _, addr := range []string{"192.0.2.77", "192.0.2.78", "2001:db8:1:2::3"} {
		fmt.Println(cache.Addr(netip.MustParseAddr(addr)))
	}
	// Output:
	// 192.0.2.0
	// 192.0.2.0
	// 2001:db8:1::
}
