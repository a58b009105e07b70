package sketch

import (
	"math/bits"
	"math/rand/v2"
)

// keyIndex finds the entries of a list by the hashes of their keys.
type keyIndex struct {
	index []uint32 // open addressing, linear probing; half of it free or more; see tag
	odd   uint64   // the secret: a place in index is the highest bits of hash · odd
	shift uint8    // 64 − log2(len(index))
}

// rebuild makes the index of n entries, with places for room entries. It never shrinks. hash
// returns the hash of an entry's key.
func (x *keyIndex) rebuild(room, n int, hash func(entry int) uint64) {
	if places := 1 << bits.Len(uint(2*max(room, 1)-1)); places > len(x.index) {
		x.index = make([]uint32, places)
		x.shift = uint8(64 - bits.TrailingZeros(uint(places)))
	}
	for x.odd < 2 {
		x.odd = rand.Uint64() | 1
	}
	clear(x.index)
	mask := uint64(len(x.index) - 1)
	for i := range n {
		product := hash(i) * x.odd
		place := product >> (x.shift & 63)
		for x.index[place&mask] != 0 {
			place++
		}
		x.index[place&mask] = tag(product) | uint32(i+1)
	}
}
