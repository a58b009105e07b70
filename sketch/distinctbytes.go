package sketch

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"slices"
)

// The bytes of a TopDistinct begin with the version. As unsigned varints follow the capacity,
// refused and the number of keys; then the threshold, or 0 if the list is complete. Numbers of 64
// bits are little endian.
//
// A key has its hash, seed, missed weight, count and weight (8 bytes each, the last three as
// floating point), its length (varint) and bytes. Then come the number of hashes (varint) and
// these, or 255 and the registers, one byte each. Last is one more than the number of samples, or 0
// without, and each sample: its hash, length (varint) and bytes.
const (
	distinctVersion = 1
	hasRegisters    = 255
)

// MarshalBinary returns t as bytes, with all its keys. It never fails.
func (t *TopDistinct) MarshalBinary() ([]byte, error) { return t.AppendHead(nil, 0), nil }

// appendAll appends a list that is not cut.
func (t *TopDistinct) appendAll(b []byte) []byte {
	b = append(b, distinctVersion)
	for _, v := range []uint64{uint64(t.limit()), t.refused, uint64(len(t.entries))} {
		b = binary.AppendUvarint(b, v)
	}
	b = binary.LittleEndian.AppendUint64(b, t.threshold)
	all := make([]*distinctKey, len(t.entries))
	for i := range all {
		all[i] = &t.entries[i]
	}
	slices.SortFunc(all, func(x, y *distinctKey) int {
		return cmp.Or(cmp.Compare(x.hash, y.hash), bytes.Compare(t.key(x), t.key(y)))
	})
	for _, e := range all {
		b = t.appendKey(b, e)
	}
	return b
}

func (t *TopDistinct) appendKey(b []byte, e *distinctKey) []byte {
	c := &e.counter
	for _, v := range []uint64{e.hash, e.seed, math.Float64bits(float64(e.missed)), math.Float64bits(c.count), math.Float64bits(c.weight)} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	b = append(binary.AppendUvarint(b, uint64(e.length)), t.key(e)...)
	words := c.words
	used := words[:]
	if c.dense {
		b = binary.AppendUvarint(b, hasRegisters)
	} else {
		b = binary.AppendUvarint(b, uint64(c.n))
		slices.Sort(used)
		used = used[distinctExact-int(c.n):]
	}
	for _, w := range used {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return t.appendSamples(b, e)
}

func (t *TopDistinct) appendSamples(b []byte, e *distinctKey) []byte {
	if e.samples == 0 {
		return append(b, 0)
	}
	g := &t.evidence.groups[e.samples-1]
	b = append(b, g.n+1)
	for _, j := range g.order() {
		b = binary.LittleEndian.AppendUint64(b, g.hashes[j])
		b = append(binary.AppendUvarint(b, uint64(g.lengths[j])), g.text(j)...)
	}
	return b
}

// UnmarshalBinary sets t from the output of MarshalBinary or AppendHead. Other bytes are an error
// and leave t unchanged.
func (t *TopDistinct) UnmarshalBinary(data []byte) error {
	const what = "a list of distinct sub-keys"
	if len(data) == 0 || data[0] < distinctVersion || data[0] > cutDistinctVersion {
		return errCorrupt(what, "unknown version")
	}
	r := &reader{what: what, b: data[1:]}
	capacity := r.uvarint()
	out := TopDistinct{capacity: int(min(capacity, distinctKeys)), refused: r.uvarint()}
	read := out.readKey
	switch data[0] {
	case longDistinctVersion:
		out.cut, read = min(r.uvarint(), maxCut), out.readLong
	case cutDistinctVersion:
		out.cut, read = min(r.uvarint(), maxCut), out.readCut
	}
	n := r.uvarint()
	out.threshold = r.uint64()
	out.full = out.threshold > 0
	if r.err == nil && (capacity == 0 || capacity > distinctKeys || n > capacity) {
		return errCorrupt(what, "numbers contradict each other")
	}
	const leastBytes = 40 // of a key
	out.reserve(int(min(n, uint64(len(r.b)/leastBytes))))
	for range n {
		if why := read(r); r.err != nil {
			return r.err
		} else if why != "" {
			return errCorrupt(what, why)
		}
	}
	if r.err == nil && len(r.b) > 0 {
		return errCorrupt(what, "bytes are left over")
	}
	if r.err == nil {
		*t = out
	}
	return r.err
}

// reserve makes an empty list large enough for n keys, and for the samples that a cut list has.
func (t *TopDistinct) reserve(n int) {
	const usualBytes = 32 // of a key
	t.entries, t.arena = make([]distinctKey, 0, n), make([]byte, 0, usualBytes*n)
	t.evidence.groups = make([]sampleGroup, 0, min((n+sampledShare-1)/sampledShare, sampledKeys))
	t.reindex()
}

// readKey reads a key. It returns what is wrong with it, or "".
func (t *TopDistinct) readKey(r *reader) (why string) {
	hash, seed := r.uint64(), r.uint64()
	missed, count, weight := r.amount(), r.amount(), r.amount()
	key := r.take(r.uvarint())
	e, why := t.enterRead(r, hash, seed, key, missed, count, weight)
	if e == nil {
		return why
	}
	if why := e.counter.read(r); why != "" || r.err != nil {
		return why
	}
	return t.readSamples(r, e)
}

// enterRead makes an entry for a key that was read. It returns nil, and what is wrong or "".
func (t *TopDistinct) enterRead(r *reader, hash, seed uint64, key []byte, missed, count, weight float64) (e *distinctKey, why string) {
	if r.err != nil {
		return nil, ""
	}
	if hash == 0 || seed == 0 || t.full && seed >= t.threshold || len(key) > keyMost || t.live+len(key) > arenaLive {
		return nil, "a key is out of range"
	}
	if missed > math.MaxFloat32 || count < 1 || weight < 1 {
		return nil, "a count is out of range"
	}
	e, free := t.find(hash, key)
	if e == nil && !t.fits(len(key)) {
		t.makeRoom(len(key))
		e, free = t.find(hash, key)
	}
	if e != nil || free < 0 {
		return nil, "a key is there twice"
	}
	e = t.enter(free, hash, key, float32(missed))
	e.seed, e.cut = seed, 0
	e.counter.count, e.counter.weight = count, weight
	return e, ""
}

// read reads the hashes or registers of c.
func (c *distinctCounter) read(r *reader) (why string) {
	n := r.uvarint()
	if r.err != nil {
		return ""
	}
	if c.dense = n == hasRegisters; c.dense {
		return c.readRegisters(r)
	}
	if n > distinctExact || float64(n) != c.count {
		return "a count contradicts its hashes"
	}
	last := uint64(0)
	for range n {
		h := r.uint64()
		if h <= last && r.err == nil {
			return "hashes are out of order"
		}
		if r.err == nil {
			c.store(h)
		}
		last = h
	}
	return ""
}

func (c *distinctCounter) readRegisters(r *reader) (why string) {
	b := r.take(distinctRegisters)
	if b == nil {
		return ""
	}
	outside := uint64(0)
	for i := range c.words {
		w := binary.LittleEndian.Uint64(b[8*i:])
		c.words[i] = w
		outside |= w | (w&^topBits + (127-distinctRank)*eachByte) // a higher rank has the top bit
	}
	if outside&topBits != 0 {
		return "a register is out of range"
	}
	c.sumChange()
	return ""
}

// readSamples reads the samples of e.
func (t *TopDistinct) readSamples(r *reader, e *distinctKey) (why string) {
	return t.readGroup(r, e, r.uint64)
}

// readGroup reads the samples of e, whose hashes the function hash reads.
func (t *TopDistinct) readGroup(r *reader, e *distinctKey, hash func() uint64) (why string) {
	n := r.uvarint()
	if n == 0 || r.err != nil {
		return ""
	}
	if n > samplesEach+1 || len(t.evidence.groups) == sampledKeys {
		return "too many samples"
	}
	t.assign(e)
	g := &t.evidence.groups[e.samples-1]
	for range n - 1 {
		h := hash()
		text := r.take(r.uvarint())
		if r.err == nil && len(text) > sampleMost {
			return "a sample is too long"
		}
		g.offer(h, text)
	}
	return ""
}

// amount reads a floating point number that is finite and not negative.
func (r *reader) amount() float64 {
	v := math.Float64frombits(r.uint64())
	if r.err == nil && !(v >= 0 && v <= math.MaxFloat64) {
		r.err = errCorrupt(r.what, "a number is out of range")
	}
	return v
}
