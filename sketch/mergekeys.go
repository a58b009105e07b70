package sketch

// Lists whose hashes come from different Hashers merge by their keys. A key in both lists is
// counted under its hash in the first. That needs no Hasher, but the result has hashes of both. All
// later lists must be merged into it by keys, too.

// MergeKeys is Merge for a list whose hashes may come from another Hasher.
func (t *TopK[K]) MergeKeys(src *TopK[K]) {
	known := make(map[K]uint64, t.t.used)
	for i := range t.t.slots {
		if e := &t.t.slots[i]; e.hash != 0 {
			known[e.value] = e.hash
		}
	}
	t.merge(src, func(e *entry[K]) uint64 {
		if h := known[e.value]; h != 0 {
			return h
		}
		return e.hash
	})
}

// MergeKeys is Merge for a list whose hashes may come from another Hasher.
func (t *TopNames) MergeKeys(src *TopNames) {
	known := make(map[string]uint64, t.t.used)
	for i := range t.t.slots {
		if e := &t.t.slots[i]; e.hash != 0 {
			known[string(t.name(e.value))] = e.hash
		}
	}
	t.merge(src, func(e *entry[span]) uint64 {
		if h := known[string(src.name(e.value))]; h != 0 {
			return h
		}
		return e.hash
	})
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
		if h := known[key{k.short, string(k.long)}]; h != 0 {
			return h
		}
		return k.hash
	})
}
