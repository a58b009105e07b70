package sketch

import (
	"math"
	"math/bits"
	"unsafe"
)

// pairLine is a cache line of the index of a [TopPairs]: references to the entries of keys with
// this line, and cells for keys without an entry.
type pairLine struct {
	// A reference is 0 if it is free; free ones are last. Its low bits are the number of an entry
	// plus one. Its high bits are a tag from the entry's hash. Nearly all entries with another key
	// have another tag, so that a search does not read them.
	refs  [lineRefs]uint32
	cells [lineCells]pairCell
}

const (
	lineRefs  = 8
	lineCells = 4
	lineBytes = int(unsafe.Sizeof(pairLine{}))
	maxLines  = maxProbe / lineRefs

	refBits = 21 // enough for maxCapacity
	refMask = 1<<refBits - 1
)

// tag returns the tag of a key from the product that places it.
func tag(product uint64) uint32 { return uint32(product>>(32-refBits)) &^ refMask }

// pairCell sums the weights of keys that are not in the list.
type pairCell [2]uint32

// pairGate decides which keys may enter a full list: those with a cell that would exceed a limit.
// Cells are not emptied while the gate is in use. Thus the weights of a key that were added to its
// cell are at most the limit, on both scales.
type pairGate struct {
	limit Pair
	set   bool
	unit  [2]uint8 // a cell counts multiples of 2^unit, so that the limit has 31 bits or fewer
}

// stops adds weight to c, or returns false if c would exceed the limit.
func (g *pairGate) stops(c *pairCell, weight Pair) bool {
	first := uint64(c[0]) + units(weight[0], g.unit[0])
	second := uint64(c[1]) + units(weight[1], g.unit[1])
	if first > g.limit[0]>>(g.unit[0]&63) || second > g.limit[1]>>(g.unit[1]&63) {
		return false
	}
	*c = pairCell{uint32(first), uint32(second)}
	return true
}

// units returns n in multiples of 2^unit, rounded up.
func units(n uint64, unit uint8) uint64 {
	rest := n & (1<<(unit&63) - 1)
	return n>>(unit&63) + (rest+math.MaxInt64)>>63
}

// raise raises the limit to three times the mean of the cells, and at first to least. It returns by
// how much. Light keys alone fill the cells when their weight has nearly doubled, so that purges
// become rare.
func (g *pairGate) raise(least Pair, lines []pairLine) (by Pair) {
	for scale := range by {
		limit := max(g.limit[scale], 3*g.mean(scale, lines))
		if !g.set {
			limit = least[scale]
		}
		by[scale] = limit - g.limit[scale]
		g.limit[scale] = limit
		for unit := uint8(max(0, bits.Len64(limit)-31)); g.unit[scale] < unit; g.unit[scale]++ {
			halve(scale, lines)
		}
	}
	g.set = true
	return by
}

// mean returns the mean of the cells on a scale.
func (g *pairGate) mean(scale int, lines []pairLine) uint64 {
	total := uint64(0)
	for i := range lines {
		for _, c := range lines[i].cells {
			total += uint64(c[scale])
		}
	}
	return total / uint64(len(lines)*lineCells) << (g.unit[scale] & 63)
}

// halve halves the cells on a scale, rounded up.
func halve(scale int, lines []pairLine) {
	for i := range lines {
		for j := range lines[i].cells {
			c := &lines[i].cells[j][scale]
			*c = *c/2 + *c%2
		}
	}
}
