// Package geo tells where an address is, and whose, from MaxMind databases (City, ASN, ISP).
//
//	db, err := geo.Open(geo.Config{CityPath: "City.mmdb", ASNPath: "ASN.mmdb"})
//	...
//	defer db.Close()
//	cache := db.NewCache() // one for each goroutine
//	fmt.Println(cache.City(addr).Text, cache.ASN(addr).Text)
//
// A [DB] is shared. It holds its files in memory and looks every few seconds whether they have changed; a
// new file takes effect at once, a broken one is reported and not used. A [Cache] remembers answers by address and
// by record: an address seen lately costs some 20 ns, another one 100 to 600 ns.
package geo
