package sketch

import (
	"cmp"
	"math"
	"slices"
)

// Merge adds the pairs of src, which stays unchanged. A sub-key that both lists counted for a key
// counts once. Its weight is taken for the mean of the key's sub-keys. The hashes of both must come
// from the same Hasher.
func (t *TopDistinct) Merge(src *TopDistinct) {
	missed := missedBelow(t.full, t.threshold)
	t.missIn(src)
	t.cutIn(src)
	if threshold := t.mergedThreshold(src); threshold > 0 {
		t.dropFrom(threshold)
		t.reindex()
	}
	for i := range src.entries {
		s := &src.entries[i]
		if e := t.entryFor(src.key(s), s, missed); e != nil {
			e.seed = min(e.seed, s.seed)
			e.missed += s.missed
			e.cut = moreCut(e.cut, uint64(s.cut))
			e.counter.merge(&s.counter)
			t.assign(e)
			if e.samples > 0 && s.samples > 0 {
				t.evidence.groups[e.samples-1].merge(&src.evidence.groups[s.samples-1])
			}
		}
	}
	t.refused = sum(t.refused, src.refused)
	t.cut = min(sum(t.cut, src.cut), maxCut)
}

// missIn adds to the keys that src lacks what src may have missed of them.
func (t *TopDistinct) missIn(src *TopDistinct) {
	if !src.full {
		return
	}
	for i := range t.entries {
		e := &t.entries[i]
		if found, _ := src.find(e.hash, t.key(e)); found == nil {
			e.missed += missedBelow(true, src.threshold)
		}
	}
}

// mergedThreshold sets the seeds of the keys in both lists. It returns the threshold at which the
// keys of both fit into t, or 0 if all fit. Thus no key leaves while others are merged.
func (t *TopDistinct) mergedThreshold(src *TopDistinct) uint64 {
	if !t.full && !src.full && len(t.entries)+len(src.entries) <= t.limit() && t.live+src.live <= arenaLive {
		return 0
	}
	type candidate struct {
		seed  uint64
		bytes int
	}
	all := make([]candidate, 0, len(t.entries)+len(src.entries))
	for i := range t.entries {
		e := &t.entries[i]
		if s, _ := src.find(e.hash, t.key(e)); s != nil {
			e.seed = min(e.seed, s.seed)
		}
		all = append(all, candidate{e.seed, int(e.length)})
	}
	for i := range src.entries {
		s := &src.entries[i]
		if e, _ := t.find(s.hash, src.key(s)); e == nil {
			all = append(all, candidate{s.seed, int(s.length)})
		}
	}
	slices.SortFunc(all, func(a, b candidate) int { return cmp.Compare(a.seed, b.seed) })
	threshold := min(cmp.Or(t.threshold, math.MaxUint64), cmp.Or(src.threshold, math.MaxUint64))
	size := 0
	for i, c := range all {
		if size += c.bytes; i >= t.limit() || size > arenaLive {
			return min(threshold, c.seed)
		}
	}
	if !t.full && !src.full {
		return 0
	}
	return threshold
}

// entryFor returns the entry for a key of another list, or nil if it cannot stay in t.
func (t *TopDistinct) entryFor(key []byte, s *distinctKey, missed float32) *distinctKey {
	e, free := t.find(s.hash, key)
	if e != nil || t.full && s.seed >= t.threshold {
		return e
	}
	if !t.fits(len(key)) {
		t.makeRoom(len(key))
		_, free = t.find(s.hash, key)
	}
	return t.enter(free, s.hash, key, missed)
}
