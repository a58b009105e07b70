// Package flowtable remembers a bounded number of things in flight, each under a 64-bit hash: DNS
// transactions, TCP connections, probes. What was put with the query is taken with the reply:
//
//	t := flowtable.New[query](flowtable.Config{Capacity: 1 << 20, TTL: 5 * time.Second})
//	*t.Put(h, nowNS) = query{length: n}
//	…
//	if q, putNS, ok := t.Take(h); ok {
//		took := nowNS - putNS
//	}
//
// The hash is the identity: two keys with one 64-bit hash are one entry, so hash all of the key.
//
// A table is one array, probed linearly over at most 64 slots and never more than half full. It starts
// at 256 slots and doubles while it fills. Memory is therefore at most 4·Capacity·(16 + size of V) bytes,
// half of that if Capacity is a power of two, and half as much again while it doubles. Taking an entry
// moves later ones back, so no tombstones build up. Work is constant per call, amortised, whatever the
// hashes are. In the steady state nothing allocates.
//
// What has expired leaves with [Table.Expire], or when the table is full at its largest size. Until then it can be
// taken, so that what a caller finds does not depend on the entries of others. A full table in which nothing has expired
// evicts the entry, of a few, whose time is farthest from now. Every loss is counted and reported, see [Table.OnLoss]:
// entries put = taken + deleted + expired + evicted + [Table.Len].
//
// Times are the caller's: they may stand still or run backwards. An entry from the future is
// not expired, but is the first to be evicted from a full table.
package flowtable
