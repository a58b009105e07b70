// Package anonymize replaces addresses by others that do not identify a host. There are two
// methods. One cuts an address to the prefix of its network:
//
//	m, err := anonymize.New(anonymize.Config{IPv4: 24, IPv6: 48})
//	...
//	cache := m.NewCache() // one for each goroutine
//	fmt.Println(cache.Addr(addr)) // 192.0.2.0 for 192.0.2.77
//
// The other is Crypto-PAn (Xu, Fan, Ammar, Moon, "Prefix-preserving IP address anonymization",
// 2002): a secret key determines a permutation of all addresses. If two addresses share a prefix,
// so do their replacements, of the same length. Hosts and networks stay distinct, but only the key
// can reverse the mapping:
//
//	m, err := anonymize.New(anonymize.Config{Key: key})
//
// An address that a worker has not seen lately takes 16 encryptions for IPv4, and 64 to 112 for
// IPv6. A flood of packets that each have a new address costs 1.8 times as much as without
// Crypto-PAn.
//
// Names below in-addr.arpa and ip6.arpa contain addresses, which [Cache.AppendName] replaces.
//
// Set a Method in [visor/handler.Settings]. Documents of policies have the section anonymize for
// it. Crypto-PAn does not resist an observer that can send packets of known addresses, or that
// recognizes hosts by their traffic. Cutting does.
package anonymize
