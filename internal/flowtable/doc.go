// Package flowtable stores a bounded number of entries that wait for a reply, each under a 64-bit
// hash: DNS transactions, TCP connections, probes. Put stores an entry with the query; Take removes
// it with the reply:
//
//	t := flowtable.New[query](flowtable.Config{Capacity: 1 << 20, TTL: 5 * time.Second})
//	*t.Put(h, nowNS) = query{length: n}
//	…
//	if q, putNS, ok := t.Take(h); ok {
//		took := nowNS - putNS
//	}
//
// The hash is the identity: two keys with the same 64-bit hash are one entry, so hash the whole
// key.
//
// A table is one array with linear probing over at most 64 slots, and never more than half full. It
// starts at 256 slots and doubles while it fills. Memory is at most 4·Capacity·(16 + size of V)
// bytes. It is half of that if Capacity is a power of two, and half as much again during a
// doubling. Taking an entry moves later ones back, so no tombstones build up. Work per call is
// constant, amortised, whatever the hashes are. In the steady state nothing allocates.
//
// Expired entries are removed by [Table.Expire], or when the table is full at its largest size.
// Until then Take returns them, so that a result does not depend on other entries. A full table
// without expired entries evicts, out of a few entries, the one whose time is farthest from now.
// Every loss is counted and reported, see [Table.OnLoss]: entries put = taken + deleted + expired +
// evicted + [Table.Len].
//
// Callers supply the time, which may stand still or run backwards. An entry from the future has not
// expired, but is the first to be evicted from a full table.
package flowtable
