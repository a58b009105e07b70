package sketch

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
)

// The bytes of a TopDistinct that was cut have their own version. As unsigned varints follow the
// capacity, refused, the cut and the number of keys; then the threshold, or 0.
//
// A key has its hash of 8 bytes and its seed of 3 bytes, see shortSeed. As varints follow the
// missed weight, the cut, the count, the weight, and the length of the key; then the key and the
// registers, one byte each. Samples are as in the bytes of a list that is not cut, with the upper 4
// bytes of their hashes. Keys are in descending order of their counts.
//
// The first version had all 8 bytes of seeds and of samples' hashes.
const (
	longDistinctVersion = 2
	cutDistinctVersion  = 3
)

const (
	// sampledShare is the number of keys of a cut list for each key that keeps its samples.
	sampledShare = 2
	samplesCut   = 4 // samples that such a key keeps
)

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
		samples := samplesEach
		if n > 0 {
			samples = samplesCut
		}
		if n > 0 && i >= n/sampledShare {
			samples = 0
		}
		dst = t.appendCut(dst, e, samples)
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

// appendCut appends a key of a cut list, with a number of samples or less.
func (t *TopDistinct) appendCut(dst []byte, e *distinctKey, samples int) []byte {
	c := e.counter
	if !c.dense {
		c.densify()
	}
	dst = binary.LittleEndian.AppendUint64(dst, e.hash)
	dst = appendShortSeed(dst, e.seed)
	missed := rounded(math.Ceil(float64(e.missed)))
	for _, v := range [...]uint64{missed, uint64(e.cut), rounded(c.count), rounded(c.weight), uint64(e.length)} {
		dst = binary.AppendUvarint(dst, v)
	}
	dst = append(dst, t.key(e)...)
	for _, w := range c.words {
		dst = binary.LittleEndian.AppendUint64(dst, w)
	}
	return t.appendFewSamples(dst, e, samples)
}

// appendShortSeed appends a seed, rounded up to 16 bits, behind the number of its lower bits.
func appendShortSeed(dst []byte, seed uint64) []byte {
	lower := max(bits.Len64(seed), 16) - 16
	upper := (seed >> lower)
	if upper<<lower != seed {
		upper++
	}
	if upper == 1<<16 {
		upper, lower = upper>>1, lower+1
	}
	return append(dst, byte(lower), byte(upper), byte(upper>>8))
}

// shortSeed reads a seed.
func (r *reader) shortSeed() uint64 {
	b := r.take(3)
	if b == nil {
		return 0
	}
	upper := uint64(b[1]) | uint64(b[2])<<8
	if b[0] > 48 { // the greatest seeds round up to 2⁶⁴
		return math.MaxUint64
	}
	return upper << b[0]
}

// appendFewSamples appends the first samples of e.
func (t *TopDistinct) appendFewSamples(dst []byte, e *distinctKey, most int) []byte {
	if e.samples == 0 || most == 0 {
		return append(dst, 0)
	}
	g := &t.evidence.groups[e.samples-1]
	order := g.order()
	order = order[:min(len(order), most)]
	dst = append(dst, byte(len(order)+1))
	for _, j := range order {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(g.hashes[j]>>32))
		dst = append(binary.AppendUvarint(dst, uint64(g.lengths[j])), g.text(j)...)
	}
	return dst
}

// readLong reads a key of the first version of cut lists.
func (t *TopDistinct) readLong(r *reader) (why string) {
	hash, seed := r.uint64(), r.uint64()
	e, why := t.enterCut(r, hash, seed)
	if e == nil {
		return why
	}
	return t.readSamples(r, e)
}

// readCut reads a key of a cut list. It returns what is wrong with it, or "".
func (t *TopDistinct) readCut(r *reader) (why string) {
	hash, seed := r.uint64(), r.shortSeed()
	if t.full && seed >= t.threshold { // it was rounded
		seed = t.threshold - 1
	}
	e, why := t.enterCut(r, hash, seed)
	if e == nil {
		return why
	}
	return t.readGroup(r, e, func() uint64 { return uint64(r.uint32()) << 32 })
}

// enterCut reads the numbers, the key and the registers of a key. It returns nil, and what is wrong
// or "".
func (t *TopDistinct) enterCut(r *reader, hash, seed uint64) (e *distinctKey, why string) {
	missed, cut, count, weight := r.uvarint(), r.uvarint(), r.uvarint(), r.uvarint()
	key := r.take(r.uvarint())
	if r.err == nil && cut > t.cut {
		return nil, "the cut of a key exceeds the cut of the list"
	}
	e, why = t.enterRead(r, hash, seed, key, float64(missed), float64(count), float64(weight))
	if e == nil {
		return nil, why
	}
	e.cut = uint32(cut)
	e.counter.dense = true
	if why := e.counter.readRegisters(r); why != "" || r.err != nil {
		return nil, why
	}
	return e, ""
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
