package dns

import "math/bits"

// usedSlots are the slots of a table that ever had an owner. A short capture uses few of them, and
// the operating system provides memory only for what is read: walking all slots was a fifth of the
// page faults of a program that reads one.
type usedSlots [1 << slotBits / 64]uint64

const slotBits = 12 // log2 of the slots

func (u *usedSlots) set(slot uint64) { u[slot/64] |= 1 << (slot % 64) }

// all yields the used slots in order.
func (u *usedSlots) all(yield func(slot int) bool) {
	for i, word := range u {
		for ; word != 0; word &= word - 1 {
			if !yield(i*64 + bits.TrailingZeros64(word)) {
				return
			}
		}
	}
}
