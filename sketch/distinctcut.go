package sketch

import (
	"bytes"
	"encoding/binary"
	"math"
)

// The bytes of a TopDistinct that was cut have their own version. As unsigned varints follow the
// capacity, refused, the cut and the number of keys; then the threshold, or 0.
//
// A key has its hash and seed of 8 bytes. As varints follow the missed weight, the cut, the count,
// the weight, and the length of the key; then the key and the registers, one byte each. Samples are
// as in the bytes of a list that is not cut. Keys are in descending order of their counts.
const cutDistinctVersion = 2

// sampledShare is the number of keys of a cut list for each key that keeps its samples.
const sampledShare = 2

// AppendHead appends the n keys with the most distinct sub-keys as bytes for UnmarshalBinary; 0
// means all. It leaves out most samples, and the hashes of sub-keys: 32 of these need as much room
// as registers, but cannot be compressed. Counts stay, but are not Exact without hashes.
//
// [TopDistinct.Cut] of the bytes includes the greatest count that was left out.
func (t *TopDistinct) AppendHead(dst []byte, n int) []byte {
	if n <= 0 && t.cut == 0 {
		return t.appendAll(dst)
	}
	all, cut := t.head(n)
	dst = append(dst, cutDistinctVersion)
	for _, v := range [...]uint64{uint64(t.limit()), t.refused, cut, uint64(len(all))} {
		dst = binary.AppendUvarint(dst, v)
	}
	dst = binary.LittleEndian.AppendUint64(dst, t.threshold)
	for i, e := range all {
		dst = t.appendCut(dst, e, n <= 0 || i < n/sampledShare)
	}
	return dst
}

// head returns the n keys with the most sub-keys, and the cut without the others.
func (t *TopDistinct) head(n int) (kept []*distinctKey, cut uint64) {
	best := headed(n, 0, func(a, b int) int { return bytes.Compare(t.key(&t.entries[a]), t.key(&t.entries[b])) })
	for i := range t.entries {
		count := rounded(t.entries[i].counter.count)
		best.offer(Entry[int]{i, count, count})
	}
	all := best.sorted()
	if n > 0 {
		all = all[:min(n, len(all))]
	}
	var isKept [distinctKeys]bool
	for _, e := range all {
		isKept[e.Key] = true
		kept = append(kept, &t.entries[e.Key])
	}
	cut = t.cut
	for i := range t.entries {
		if e := &t.entries[i]; !isKept[i] {
			cut = max(cut, sum(rounded(math.Ceil(e.counter.count+e.missing())), uint64(e.cut)))
		}
	}
	return kept, min(cut, maxCut)
}

// appendCut appends a key of a cut list.
func (t *TopDistinct) appendCut(dst []byte, e *distinctKey, samples bool) []byte {
	c := e.counter
	if !c.dense {
		c.densify()
	}
	dst = binary.LittleEndian.AppendUint64(dst, e.hash)
	dst = binary.LittleEndian.AppendUint64(dst, e.seed)
	missed := rounded(math.Ceil(float64(e.missed)))
	for _, v := range [...]uint64{missed, uint64(e.cut), rounded(c.count), rounded(c.weight), uint64(e.length)} {
		dst = binary.AppendUvarint(dst, v)
	}
	dst = append(dst, t.key(e)...)
	for _, w := range c.words {
		dst = binary.LittleEndian.AppendUint64(dst, w)
	}
	if !samples {
		return append(dst, 0)
	}
	return t.appendSamples(dst, e)
}

// readCut reads a key of a cut list. It returns what is wrong with it, or "".
func (t *TopDistinct) readCut(r *reader) (why string) {
	hash, seed := r.uint64(), r.uint64()
	missed, cut, count, weight := r.uvarint(), r.uvarint(), r.uvarint(), r.uvarint()
	key := r.take(r.uvarint())
	if r.err == nil && cut > t.cut {
		return "the cut of a key exceeds the cut of the list"
	}
	e, why := t.enterRead(r, hash, seed, key, float64(missed), float64(count), float64(weight))
	if e == nil {
		return why
	}
	e.cut = uint32(cut)
	e.counter.dense = true
	if why := e.counter.readRegisters(r); why != "" || r.err != nil {
		return why
	}
	return t.readSamples(r, e)
}

// maxCut is the greatest cut: more than 4,294,967,295 sub-keys count as that many.
const maxCut = math.MaxUint32

// cutIn adds to the keys that src lacks what the cuts of src may have left out of them.
func (t *TopDistinct) cutIn(src *TopDistinct) {
	if src.cut == 0 {
		return
	}
	for i := range t.entries {
		e := &t.entries[i]
		if found, _ := src.find(e.hash, t.key(e)); found == nil {
			e.cut = moreCut(e.cut, src.cut)
		}
	}
}

func moreCut(cut uint32, more uint64) uint32 { return uint32(min(sum(uint64(cut), more), maxCut)) }

// Cut returns the most sub-keys that a key may have that is not in the list, because lists were cut
// on their way; see AppendHead. Keys that a full list dropped may have more; see [Distinct.Missed].
func (t *TopDistinct) Cut() uint64 { return t.cut }
