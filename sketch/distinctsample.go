package sketch

import (
	"bytes"
	"cmp"
	"slices"
	"unsafe"
)

const (
	sampledKeys = 64
	samplesEach = 8
	sampleMost  = 127 // bytes of a sample; longer ones are cut
)

// evidence holds examples of the sub-keys of the heaviest keys. Its texts have 64 kB.
type evidence struct {
	groups []sampleGroup
	owners [sampledKeys]uint16  // numbers of the keys with a group
	counts [sampledKeys]float64 // of their sub-keys; negative if the group is free
	free   int                  // free groups
	least  float64              // at most the least of counts, if no group is free
}

// sampleGroup holds the sub-keys of a key with the least hashes: a random sample of the distinct
// ones.
type sampleGroup struct {
	n       uint8
	lengths [samplesEach]uint8
	hashes  [samplesEach]uint64 // the greatest is first
	texts   [samplesEach][sampleMost + 1]byte
}

// assign is called when the count of a key changed, which has the group i or, with -1, none. It
// returns a group if the key now takes one, and the former owner of that or -1. If none is free,
// the key needs twice the count of the lightest owner, so that similar keys do not take turns.
func (v *evidence) assign(i int, count float64) (group int, taken bool, from int) {
	switch {
	case i >= 0:
		v.counts[i] = count
		return i, false, -1
	case v.free > 0:
		group = slices.IndexFunc(v.counts[:len(v.groups)], func(c float64) bool { return c < 0 })
		v.free--
		from = -1
	case len(v.groups) < sampledKeys:
		group, from = len(v.groups), -1
		v.groups = append(v.groups, sampleGroup{})
	case count < 2*v.least:
		return 0, false, -1
	default:
		group = v.lightest()
		if v.least = v.counts[group]; count < 2*v.least {
			return 0, false, -1
		}
		from = int(v.owners[group])
	}
	v.groups[group].n, v.counts[group] = 0, count
	return group, true, from
}

// lightest returns the group of the owner with the least count.
func (v *evidence) lightest() int {
	least := 0
	for i, c := range v.counts {
		if c < v.counts[least] {
			least = i
		}
	}
	return least
}

// release frees a group.
func (v *evidence) release(i int) {
	v.counts[i] = -1
	v.free++
	v.least = 0
}

// offer adds a sub-key if its hash is among the least.
func (g *sampleGroup) offer(h uint64, text []byte) {
	if g.n == samplesEach && h >= g.hashes[0] || slices.Contains(g.hashes[:g.n], h) {
		return
	}
	at := 0
	if g.n < samplesEach {
		at = int(g.n)
		g.n++
	}
	g.hashes[at], g.lengths[at] = h, uint8(copy(g.texts[at][:sampleMost], text))
	greatest := 0
	for j, other := range g.hashes[:g.n] {
		if other > g.hashes[greatest] {
			greatest = j
		}
	}
	g.hashes[0], g.hashes[greatest] = g.hashes[greatest], g.hashes[0]
	g.lengths[0], g.lengths[greatest] = g.lengths[greatest], g.lengths[0]
	g.texts[0], g.texts[greatest] = g.texts[greatest], g.texts[0]
}

// merge offers the samples of src.
func (g *sampleGroup) merge(src *sampleGroup) {
	for j := range int(src.n) {
		g.offer(src.hashes[j], src.text(j))
	}
}

func (g *sampleGroup) text(j int) []byte { return g.texts[j][:g.lengths[j]] }

// samples returns copies of the sub-keys, in the order of their hashes.
func (g *sampleGroup) samples() (out [][]byte) {
	for _, j := range g.order() {
		out = append(out, bytes.Clone(g.text(j)))
	}
	return out
}

// order returns the numbers of the samples in the order of their hashes.
func (g *sampleGroup) order() []int {
	order := make([]int, g.n)
	for j := range order {
		order[j] = j
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(g.hashes[a], g.hashes[b]) })
	return order
}

func (v *evidence) reset() { v.groups, v.free, v.least = v.groups[:0], 0, 0 }

func (v *evidence) size() int { return cap(v.groups) * int(unsafe.Sizeof(sampleGroup{})) }
