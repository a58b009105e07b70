// Package geo looks up the location and the autonomous system of an IP address in MaxMind databases
// (City, ASN, ISP).
//
//	db, err := geo.Open(geo.Config{CityPath: "City.mmdb", ASNPath: "ASN.mmdb"})
//	...
//	defer db.Close()
//	cache := db.NewCache() // one for each goroutine
//	fmt.Println(cache.City(addr).Text, cache.ASN(addr).Text)
//
// A [DB] is shared between goroutines. It holds its files in memory and checks them for changes
// every few seconds. A new file takes effect at once; a broken one is logged and ignored.
//
// A [Cache] remembers answers by address and by record. A recently seen address costs about 20 ns,
// any other address 100 to 600 ns.
package geo
