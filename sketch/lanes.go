package sketch

import "encoding/binary"

// Registers of a byte each, eight in a word.
const (
	eachByte = 0x0101010101010101
	topBits  = 0x80 * eachByte
)

// greater returns the greater one of each pair of bytes. All must be below 128.
func greater(a, b uint64) uint64 {
	notLess := ((a | topBits) - b) & topBits // a byte of b that is greater borrows the top bit
	mask := notLess >> 7 * 0xFF
	return a&mask | b&^mask
}

// raiseAll raises the registers of dst to greater ones of src. Both have the same length, and it is
// a multiple of 8.
func raiseAll(dst, src []byte) {
	for len(dst) >= 8 && len(src) >= 8 {
		a, b := binary.LittleEndian.Uint64(dst), binary.LittleEndian.Uint64(src)
		if a != b {
			binary.LittleEndian.PutUint64(dst, greater(a, b))
		}
		dst, src = dst[8:], src[8:]
	}
}
