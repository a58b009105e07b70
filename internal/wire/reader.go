// Package wire reads and writes the parts that snapshots consist of: numbers, texts and blocks. A
// [Reader] returns zeros after its first error, so that callers check for it once:
//
//	r := wire.NewReader(data)
//	name, n := r.Text(), r.Uvarint()
//	return r.Err()
package wire

import (
	"encoding/binary"
	"fmt"
)

// Reader reads bytes from an untrusted source. It is owned by one goroutine. What it returns
// borrows from the bytes.
type Reader struct {
	b    []byte
	base int // position of b in the whole
	at   int
	err  *error // shared with the Readers of blocks
	text string // a copy of the start of b; see CopyTexts
}

// NewReader returns a Reader of b.
func NewReader(b []byte) *Reader { return &Reader{b: b, err: new(error)} }

// Err returns the first error of the Reader and of the Readers of its blocks. It contains its
// position.
func (r *Reader) Err() error { return *r.err }

// At returns the position in the whole.
func (r *Reader) At() int { return r.base + r.at }

// Len returns the number of bytes that are left.
func (r *Reader) Len() int { return len(r.b) - r.at }

// Failf makes the Reader fail at its position, unless it failed before.
func (r *Reader) Failf(format string, args ...any) {
	if *r.err == nil {
		*r.err = fmt.Errorf("byte %d: %w", r.base+r.at, fmt.Errorf(format, args...))
	}
	r.at = len(r.b)
}

// Bytes returns the next n bytes, or nil if fewer are left.
func (r *Reader) Bytes(n uint64) []byte {
	if *r.err != nil || n > uint64(r.Len()) {
		r.Failf("cut: %d bytes follow, %d are needed", r.Len(), n)
		return nil
	}
	out := r.b[r.at : r.at+int(n) : r.at+int(n)]
	r.at += int(n)
	return out
}

// Byte returns the next byte.
func (r *Reader) Byte() byte {
	if b := r.Bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// Uvarint returns the next unsigned number.
func (r *Reader) Uvarint() uint64 {
	if r.at < len(r.b) && r.b[r.at] < 0x80 && *r.err == nil { // most numbers have one byte
		r.at++
		return uint64(r.b[r.at-1])
	}
	v, n := binary.Uvarint(r.b[r.at:])
	if n <= 0 || *r.err != nil {
		r.Failf("not a number")
		return 0
	}
	r.at += n
	return v
}

// Varint returns the next signed number.
func (r *Reader) Varint() int64 {
	v, n := binary.Varint(r.b[r.at:])
	if n <= 0 || *r.err != nil {
		r.Failf("not a number")
		return 0
	}
	r.at += n
	return v
}

// Int returns the next unsigned number, which must be at most most.
func (r *Reader) Int(most int) int {
	v := r.Uvarint()
	if v > uint64(most) {
		r.Failf("%d is more than %d", v, most)
		return 0
	}
	return int(v)
}

// Count returns the number of parts that follow. Each has at least size bytes, so a number that
// promises more than there is fails.
func (r *Reader) Count(size int) int { return r.Int(r.Len() / size) }

// Block returns the Reader of the next block, which is behind r's position afterwards.
func (r *Reader) Block() Reader {
	b := r.Bytes(r.Uvarint())
	in := Reader{b: b, base: r.base + r.at - len(b), err: r.err}
	if r.at <= len(r.text) {
		in.text = r.text[r.at-len(b) : r.at]
	}
	return in
}

// CopyTexts copies all up to a position at once. Texts in front of it are then parts of that copy,
// also in blocks. It is for bytes that are mostly texts to keep.
func (r *Reader) CopyTexts(end int) { r.text = string(r.b[:end-r.base]) }

// Text returns the next text as a copy.
func (r *Reader) Text() string {
	b := r.Bytes(r.Uvarint())
	if r.at <= len(r.text) {
		return r.text[r.at-len(b) : r.at]
	}
	return string(b)
}

// Texts returns the next list of texts, or nil if it is empty.
func (r *Reader) Texts() (out []string) {
	for range r.Count(1) {
		out = append(out, r.Text())
	}
	return out
}

// Bool returns the next byte as a truth value.
func (r *Reader) Bool() bool { return r.Byte() != 0 }

// End fails if bytes are left.
func (r *Reader) End() {
	if r.Len() > 0 {
		r.Failf("%d bytes are left over", r.Len())
	}
}

// AppendUvarint appends an unsigned number.
func AppendUvarint(dst []byte, v uint64) []byte { return binary.AppendUvarint(dst, v) }

// AppendVarint appends a signed number.
func AppendVarint(dst []byte, v int64) []byte { return binary.AppendVarint(dst, v) }

// AppendText appends a text with its length.
func AppendText[T string | []byte](dst []byte, s T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// AppendTexts appends a list of texts.
func AppendTexts(dst []byte, list []string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	for _, s := range list {
		dst = AppendText(dst, s)
	}
	return dst
}

// blockRoom is the room for the length of a block: five bytes hold 2³⁵-1, 32 GiB.
const blockRoom = 5

// Open begins a block of unknown length at the end of dst. Close ends it.
func Open(dst []byte) (out []byte, at int) {
	return append(dst, make([]byte, blockRoom)...), len(dst)
}

// Close writes the length of the block that began at at. It moves the block to the end of its
// length, so that the bytes do not depend on the room.
func Close(dst []byte, at int) []byte {
	n := len(dst) - at - blockRoom
	var length [binary.MaxVarintLen64]byte
	k := binary.PutUvarint(length[:], uint64(n))
	copy(dst[at:], length[:k])
	copy(dst[at+k:], dst[at+blockRoom:])
	return dst[:at+k+n]
}
