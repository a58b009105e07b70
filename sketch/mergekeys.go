package sketch

import "cmp"

// Lists whose hashes come from different Hashers merge by their keys. A key in both lists is
// counted under its hash in the first. That needs no Hasher, but the result has hashes of both. All
// later lists must be merged into it by keys, too.

// MergeKeys is Merge for a list whose hashes may come from another Hasher.
func (t *TopK[K]) MergeKeys(src *TopK[K]) {
	key := func(k K) K { return k }
	t.merge(src, knownHash(&t.t, key, key))
}

// MergeKeys is Merge for a list whose hashes may come from another Hasher.
func (t *TopNames) MergeKeys(src *TopNames) {
	own := func(s span) string { return string(t.name(s)) }
	t.merge(src, knownHash(&t.t, own, func(s span) string { return string(src.name(s)) }))
}

// knownHash returns a function that returns the hash of another list's entry: the one under which t
// holds its key, or its own for a new key. The arguments own and theirs return the keys of values.
func knownHash[V any, K comparable](t *table[V], own, theirs func(V) K) func(*entry[V]) uint64 {
	known := make(map[K]uint64, t.used)
	for i := range t.slots {
		if e := &t.slots[i]; e.hash != 0 {
			known[own(e.value)] = e.hash
		}
	}
	return func(e *entry[V]) uint64 { return cmp.Or(known[theirs(e.value)], e.hash) }
}

// MergeKeys is Merge for a list whose hashes may come from another Hasher.
func (t *TopPairs) MergeKeys(src *TopPairs) {
	type key struct {
		short shortKey
		long  string
	}
	known := make(map[key]uint64, len(t.entries))
	for i := range t.entries {
		if e := &t.entries[i]; e.key.isLong() {
			known[key{shortKey{2: isLong << 56}, string(t.long(e.key))}] = e.hash
		} else {
			known[key{short: e.key}] = e.hash
		}
	}
	t.merge(src, func(k *PairKey) uint64 {
		return cmp.Or(known[key{k.short, string(k.long)}], k.hash)
	})
}

// MergeKeys is Merge for a list whose hashes may come from another Hasher.
func (t *TopColumns) MergeKeys(src *TopColumns) {
	known := make(map[string]uint64, len(t.entries))
	for i := range t.entries {
		known[string(t.name(t.entries[i].key))] = t.entries[i].hash
	}
	t.merge(src, func(k *PairKey) uint64 {
		if h := known[string(k.AppendTo(nil))]; h != 0 {
			return h
		}
		return k.hash
	})
}
