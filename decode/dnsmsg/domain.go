package dnsmsg

import "visor/sketch/hash64"

// Name is a domain name in canonical form (RFC 4034 section 6.2): uncompressed and in lower case.
// It is a view of bytes in wire form; its text is made on demand. The zero Name is the root.
//
// A Name may also be a part: the end of another name, as [Question.Cut] and [Name.Last] return it.
// A part does not equal a whole name with the same labels.
type Name struct {
	// wire excludes the zero at the end of a whole name, which is behind it within the capacity. In
	// a part it includes the zero.
	wire []byte
}

// NameFromWire returns the whole name in wire, in the form of [Message.AppendWireName] and
// [Message.AppendCanonical]: in lower case, with the final zero. It borrows wire. For other bytes,
// the Name has a meaningless text.
func NameFromWire(wire []byte) Name {
	if len(wire) <= 1 {
		return Name{}
	}
	return Name{wire[:len(wire)-1]}
}

// NameFromKey returns the name with this Key. It may borrow key.
func NameFromKey(key []byte) Name {
	if n := (Name{key}); !n.Whole() {
		return n
	}
	return NameFromWire(append(key[:len(key):len(key)], 0))
}

// Key returns the bytes that lists store for n: two names are equal iff their keys are. For display
// use [Name.String]. The bytes borrow from n.
func (n Name) Key() []byte { return n.wire }

// Hash returns the hash of n for lists and cardinalities.
func (n Name) Hash(h *hash64.Hasher) uint64 { return h.Sum(n.wire) }

// IsRoot reports whether n is the root.
func (n Name) IsRoot() bool { return len(n.wire) == 0 }

// Whole reports whether n is a name, not a part of one.
func (n Name) Whole() bool {
	i := 0
	for i < len(n.wire) && n.wire[i] != 0 {
		i += int(n.wire[i]) + 1
	}
	return i == len(n.wire)
}

// AppendText appends the text of n: labels with dots between them, special bytes escaped (RFC 4343
// section 2.1). A part of a name has a dot in front, as in pktvisor's lists: ".example.com".
func (n Name) AppendText(dst []byte) []byte {
	wire := n.wire
	if !n.Whole() {
		wire, dst = wire[:len(wire)-1], append(dst, '.')
	}
	start := len(dst)
	for i := 0; i < len(wire); i += int(wire[i]) + 1 {
		if len(dst) > start {
			dst = append(dst, '.')
		}
		dst = appendLabel(dst, wire[i+1:min(i+1+int(wire[i]), len(wire))], false)
	}
	return dst
}

// String returns the text of n.
func (n Name) String() string { return string(n.AppendText(nil)) }

// Last returns the part of n with its last labels, or n if it does not have more labels. The part
// borrows from n.
func (n Name) Last(labels int) Name {
	wire := n.wire
	if !n.Whole() {
		wire = wire[:len(wire)-1]
	}
	total := 0
	for i := 0; i < len(wire); i += int(wire[i]) + 1 {
		total++
	}
	i := 0
	for ; total > max(labels, 0); total-- {
		i += int(wire[i]) + 1
	}
	if i == 0 {
		return n
	}
	return Name{wire[min(i, len(wire)) : len(wire)+1]}
}

// from returns the part of n that begins at offset at, or n if n is shorter.
func (n Name) from(at cuts) Name {
	if int(at) > len(n.wire) || cap(n.wire) == len(n.wire) {
		return n
	}
	return Name{n.wire[at : len(n.wire)+1]}
}
