package sketch

import (
	"encoding/binary"
	"slices"
)

// The plain form of a Cardinality: the form, then the hashes in ascending order, or the registers.
const (
	plainHashes    = 1 // 8 bytes each, big endian
	plainRegisters = 2 // a byte each
)

// AppendPlain appends c in a form that compresses well: a byte for each register, which zstd packs
// into 3 bits. The form of MarshalBinary has 5 bits for each, and does not compress.
func (c *Cardinality) AppendPlain(dst []byte) []byte {
	if c.isDense {
		return append(append(dst, plainRegisters), c.dense...)
	}
	hashes := make([]uint64, 0, c.n)
	for _, h := range c.set {
		if h != 0 {
			hashes = append(hashes, h)
		}
	}
	slices.Sort(hashes)
	dst = append(dst, plainHashes)
	for _, h := range hashes {
		dst = binary.BigEndian.AppendUint64(dst, h)
	}
	return dst
}

// SetPlain sets c from the output of AppendPlain. Other bytes are an error and leave c unchanged.
func (c *Cardinality) SetPlain(data []byte) error {
	corrupt := func(why string) error { return errCorrupt("a cardinality", why) }
	if len(data) == 0 {
		return corrupt("cut")
	}
	var out Cardinality
	switch form, body := data[0], data[1:]; form {
	case plainHashes:
		if len(body)%8 != 0 || len(body) > 8*cardExact {
			return corrupt("a wrong length")
		}
		for ; len(body) > 0; body = body[8:] {
			out.Add(binary.BigEndian.Uint64(body))
		}
	case plainRegisters:
		if len(body) != registers {
			return corrupt("a wrong length")
		}
		out.dense, out.isDense = slices.Clone(body), true
		if !inRange(out.dense) {
			return corrupt("a rank out of range")
		}
	default:
		return corrupt("unknown form")
	}
	*c = out
	return nil
}

// inRange reports whether all registers have ranks, eight at a time.
func inRange(registers []byte) bool {
	const tooHigh = 0xE0E0E0E0E0E0E0E0 // the bits of 32 and more
	all := uint64(0)
	for ; len(registers) >= 8; registers = registers[8:] {
		all |= binary.LittleEndian.Uint64(registers)
	}
	return all&tooHigh == 0
}
