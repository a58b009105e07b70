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

// keyFilter is a set of keys by the products that place them. It holds all keys that were added,
// and of 1024 keys' others about six per cent. Its 2 KiB stay in the first cache.
type keyFilter [1 << filterBits / 64]uint64

const filterBits = 14

func (f *keyFilter) add(product uint64) {
	bit := product >> (64 - filterBits)
	f[bit/64] |= 1 << (bit % 64)
}

// has reports whether a key may have been added.
func (f *keyFilter) has(product uint64) bool {
	bit := product >> (64 - filterBits)
	return f[bit/64]>>(bit%64)&1 != 0
}
