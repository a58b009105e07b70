package sketch

import (
	"math"
	"math/bits"
)

// pairGate keeps light keys out of a full [TopPairs], so that they do not cause a purge each few
// hundred keys. It adds the weights of keys that are not in the list to cells, each shared by many
// keys. A key may enter the list when its cell has reached the limit of the gate. Thus the weights
// of a key that were added to a cell are at most the limit, on both scales. Cells are not emptied
// while the gate is open.
type pairGate struct {
	cells []cell
	limit Pair
	unit  [2]uint8 // a cell counts multiples of 2^unit, so that the limit has 31 bits or fewer
}

type cell [2]uint32

const cellBytes = 8

func (g *pairGate) isOpen() bool { return len(g.cells) > 0 }

// stops adds weight to the cell for a place in the index, or returns false if the cell is full or
// there is no gate.
func (g *pairGate) stops(place uint64, weight Pair) bool {
	if len(g.cells) == 0 {
		return false
	}
	c := &g.cells[place/2&uint64(len(g.cells)-1)]
	first := uint64(c[0]) + units(weight[0], g.unit[0])
	second := uint64(c[1]) + units(weight[1], g.unit[1])
	if first > g.limit[0]>>(g.unit[0]&63) || second > g.limit[1]>>(g.unit[1]&63) {
		return false
	}
	*c = cell{uint32(first), uint32(second)}
	return true
}

// units returns n in multiples of 2^unit, rounded up.
func units(n uint64, unit uint8) uint64 {
	return n>>(unit&63) + (n&(1<<(unit&63)-1)+math.MaxUint64>>1)>>63
}

// open begins with n empty cells; n is a power of two.
func (g *pairGate) open(n int) {
	if cap(g.cells) < n {
		g.cells = make([]cell, n)
	}
	g.cells = g.cells[:n]
	clear(g.cells)
}

// close removes all cells and keeps their memory.
func (g *pairGate) close() { *g = pairGate{cells: g.cells[:0]} }

// drop closes g, releases its memory and returns the bytes.
func (g *pairGate) drop() int {
	n := cap(g.cells) * cellBytes
	*g = pairGate{}
	return n
}

// raise raises the limit to twice the mean of the cells, if all of total were in cells. It returns
// by how much. So the mean reaches the limit after total has doubled, or later.
func (g *pairGate) raise(total Pair) (by Pair) {
	for scale := range by {
		limit := max(g.limit[scale], total[scale]/uint64(len(g.cells))*2)
		by[scale] = limit - g.limit[scale]
		g.limit[scale] = limit
		unit := uint8(max(0, bits.Len64(limit)-31))
		for ; g.unit[scale] < unit; g.unit[scale]++ {
			for i := range g.cells {
				c := &g.cells[i][scale]
				*c = *c/2 + *c%2
			}
		}
	}
	return by
}
