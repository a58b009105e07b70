package geo

import (
	"net/netip"

	"github.com/oschwald/maxminddb-golang/v2"

	"visor/sketch/hash64"
)

// Cache looks up addresses in a DB and remembers the answers. A Cache is owned by one goroutine.
// Returned values stay valid forever.
type Cache struct {
	city lookups[Location]
	asn  lookups[AS]
}

// Keyed sets the Hasher for the Keys of future answers. Without it, their Hash is 0.
func (c *Cache) Keyed(h *hash64.Hasher) { c.city.keys, c.asn.keys = h, h }

// City returns the location of addr, or nil if the DB has no City database.
func (c *Cache) City(addr netip.Addr) *Location { return c.city.find(addr) }

// ASN returns the autonomous system of addr, or nil if the DB has no ASN database.
func (c *Cache) ASN(addr netip.Addr) *AS { return c.asn.find(addr) }

// Evicted returns how many addresses were evicted to make room for others.
func (c *Cache) Evicted() uint64 { return c.city.evicted + c.asn.evicted }

// lookups caches the answers of one database. A table by address evicts on collision. A map by
// record avoids duplicates, since many addresses share a record.
type lookups[T any] struct {
	file    *file // nil without a database
	size    int
	decode  func(maxminddb.Result, *hash64.Hasher) *T
	keys    *hash64.Hasher // hashes Keys; nil leaves Hash at 0
	hash    *hash64.Hasher // places addresses
	edition *edition       // the edition that the answers come from
	slots   []answer[T]
	records map[uintptr]*T
	evicted uint64
}

type answer[T any] struct {
	addr  [16]byte
	value *T // nil: the slot is free
}

// find returns the answer for addr.
func (l *lookups[T]) find(addr netip.Addr) *T {
	if l.file == nil {
		return nil
	}
	if now := l.file.current.Load(); now != l.edition {
		l.start(now)
	}
	key := addr.As16()
	slot := &l.slots[l.hash.IPv6(key)&uint64(len(l.slots)-1)]
	if slot.value != nil && slot.addr == key {
		return slot.value
	}
	value := l.lookUp(addr.Unmap())
	if slot.value != nil {
		l.evicted++
	}
	*slot = answer[T]{key, value}
	return value
}

// start drops the answers of an older edition.
func (l *lookups[T]) start(e *edition) {
	n := 1
	for n < l.size {
		n *= 2
	}
	l.edition, l.slots, l.records = e, make([]answer[T], n), make(map[uintptr]*T)
}

// lookUp queries the database. Each record is decoded once while the map of records stays small.
func (l *lookups[T]) lookUp(addr netip.Addr) *T {
	r := l.edition.reader.Lookup(addr)
	if !r.Found() {
		return l.record(^uintptr(0), r)
	}
	return l.record(r.Offset(), r)
}

func (l *lookups[T]) record(offset uintptr, r maxminddb.Result) *T {
	if v, ok := l.records[offset]; ok {
		return v
	}
	if len(l.records) >= len(l.slots) {
		clear(l.records)
	}
	v := l.decode(r, l.keys)
	l.records[offset] = v
	return v
}
